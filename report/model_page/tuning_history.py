"""What the search for weights tried, how the best trial got better, and which settings mattered."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.exhaustion import last_third
from lsdc.ensemble.tuning.mix_problem import OPTUNA_STUDY
from lsdc.ensemble.tuning.progress import losses_of
from lsdc.ensemble.tuning.storage import JOURNAL, ignore_experimental_warnings, open_storage
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import new_panel, styled
from lsdc.report.sections import Drawing, Panel, Section

_MOST_SHOWN = 14
_FEWEST_TRIALS = 10


@dataclass(frozen=True)
class TuningHistory:
    """The finished trials of a search.

    Parameters
    ----------
    values : (t,) float
        Objective of each finished trial, in order; lower is better, and infinite where it was given up early.
    seconds : float
        From the first trial's start to the last one's end.
    importances : dict of str to float
        By setting, the most important first; they sum to 1. Empty for fewer than ten trials.
    """

    values: NDArray[np.float64]
    seconds: float
    importances: dict[str, float]

    @classmethod
    def read(cls, model: Path) -> TuningHistory | None:
        """Read the journal of a model.

        Parameters
        ----------
        model : Path
            The directory; it is not changed.

        Returns
        -------
        TuningHistory or None
            None where there is no journal, or no finished trial in it.

        Raises
        ------
        ArtifactError
            When the journal is damaged.
        """
        if not (model / JOURNAL).is_file():
            return None
        import optuna

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            ignore_experimental_warnings()
            # Opening a journal may mend its end and leaves a lock beside it: a copy is opened.
            storage = open_storage(Path(shutil.copy(model / JOURNAL, folder)))
            if OPTUNA_STUDY not in optuna.get_all_study_names(storage):
                return None
            study = optuna.load_study(study_name=OPTUNA_STUDY, storage=storage)
            values = np.array(losses_of(study))
            complete = int(np.isfinite(values).sum())
            if not complete:
                return None
            state = optuna.trial.TrialState
            done = study.get_trials(deepcopy=False, states=[state.COMPLETE, state.PRUNED])
            starts = [trial.datetime_start for trial in done if trial.datetime_start]
            ends = [trial.datetime_complete for trial in done if trial.datetime_complete]
            seconds = (max(ends) - min(starts)).total_seconds() if starts and ends else float("nan")
            return cls(values, seconds, _importances(study) if complete >= _FEWEST_TRIALS else {})


def trials_of(history: TuningHistory | None, most: int | None) -> str:
    """Say how many trials there were, of how many that were allowed.

    Parameters
    ----------
    history : TuningHistory or None
        The finished trials; None where they are not there.
    most : int or None
        How many the fit was given; None where that is not recorded.

    Returns
    -------
    str
        In words.

    Examples
    --------
    >>> trials_of(None, 60), trials_of(None, None)
    ('at most 60', 'not recorded')
    >>> trials_of(TuningHistory(np.array([0.5, np.inf, 0.4]), 12.0, {}), 60)
    '3 of at most 60, 1 given up early'
    """
    if history is None:
        return "not recorded" if most is None else f"at most {most}"
    done, early = len(history.values), int(np.isinf(history.values).sum())
    words = f"{done}" if most is None or done >= most else f"{done} of at most {most}"
    return f"{words}, {early} given up early" if early else words


def tuning_section(history: TuningHistory | None, most: int | None) -> Section:
    """Show the search of a model.

    Parameters
    ----------
    history : TuningHistory or None
        Its trials; None where they are not there.
    most : int or None
        How many trials the fit was given; None where that is not recorded.

    Returns
    -------
    Section
        Two panels, or why there are none.
    """
    if history is None:
        return Section(
            "tuning", "Tuning", absent="The search: the model holds no journal of its trials (it was made with a "
            "shared `--storage`, or the journal was left out when it was packed); `lsdc-ensemble dashboard MODEL "
            "--storage URL` shows them.",
        )  # fmt: skip
    best = np.minimum.accumulate(history.values)
    late = last_third(history.values.tolist()) if len(best) >= 3 else 0.0
    lead = (
        f"Trials: {trials_of(history, most)}, in {history.seconds:.0f} s; the best reached {best[-1]:.4f} at trial "
        f"{int(history.values.argmin()) + 1}. The last third of the trials gained {late:.4f}."
    )
    reading = (
        "Each dot is a trial that was not given up, the line is the best so far; a line that has long been flat means "
        "that more trials will not help."
    )
    if history.importances:
        reading += (
            " The second plot: which settings decided the result of a trial, by Optuna's PED-ANOVA: shares of all "
            f"{len(history.importances)} settings together{_largest(history)}. An important "
            " setting is one that can be set badly, not necessarily one worth tuning further."
        )
    absent = "" if history.importances else (
        f"Which settings mattered: {np.isfinite(history.values).sum()} whole trials are too few to tell; fit with "
        "more, such as `--trials 60`."
    )  # fmt: skip
    return Section("tuning", "Tuning", (Drawing("The search", _draw(history), reading),), lead, absent)


def _largest(history: TuningHistory) -> str:
    """Say how many of the settings are drawn, where not all are."""
    return f"; the {_MOST_SHOWN} largest are shown" if len(history.importances) > _MOST_SHOWN else ""


@styled
def _draw(history: TuningHistory) -> tuple[Panel, ...]:
    """Plot the objective by trial, and the importances."""
    best = np.minimum.accumulate(history.values)
    number = np.arange(1, len(best) + 1)
    figure, axis = new_panel("Objective of each trial")
    axis.plot(
        number,
        history.values,
        "o",
        color=SERIES_COLORS[5],
        markersize=3,
        label="trial",
        rasterized=len(best) > 500,
    )
    axis.plot(number, best, color=SERIES_COLORS[0], drawstyle="steps-post", label="best so far")
    high = np.quantile(history.values[np.isfinite(history.values)], 0.9)
    axis.set_ylim(best[-1] - 0.1 * (high - best[-1] + 1e-9), high)
    axis.set(xlabel="trial", ylabel="score inside the search (lower is better)")
    axis.legend()
    panels = [Panel("tuning_history", figure, f"Search of {len(best)} trials; the best is {best[-1]:.4f}.")]
    if history.importances:
        shown = list(history.importances.items())[:_MOST_SHOWN]
        figure, axis = new_panel("Importance of the settings", height=1.2 + 0.22 * len(shown))
        axis.barh([name for name, _ in shown], [value for _, value in shown], color=SERIES_COLORS[0])
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.set_xlabel(f"share of all {len(history.importances)} settings")
        said = ", ".join(f"{name} {value:.2f}" for name, value in shown[:5])
        panels.append(Panel("tuning_importances", figure, f"Importance of settings: {said}."))
    return tuple(panels)


def _importances(study: object) -> dict[str, float]:
    """Ask Optuna which settings mattered; none where trials do not differ."""
    from optuna.exceptions import OptunaError
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    try:
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())  # type: ignore[arg-type]
    except (OptunaError, ValueError, RuntimeError):
        return {}
