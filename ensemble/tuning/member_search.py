"""Search a member's settings by cross-fitting it on a store, with Optuna."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.ensemble.tuning.search import Point, ReportStep, Search, check_trials, minimize
from lsdc.ensemble.tuning.settings_file import SETTINGS, read_settings, write_settings
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.metrics.official import EPS, GRADE_WEIGHTS
from lsdc.models.examples import Examples
from lsdc.models.fold_model import predict_fold_by_fold
from lsdc.models.member import Member
from lsdc.models.options import Options
from lsdc.models.registry import Factory, MemberLike, resolve_members
from lsdc.models.search_space import Space, check_settings
from lsdc.models.targets import of_family
from lsdc.runtime import ConfigError
from lsdc.runtime.console import say
from lsdc.runtime.folder_lock import only_writer

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

METRIC = "mean_family_loss"
"""Name of what is minimized: the mean over the families of the weighted log loss, out of fold."""


@dataclass(frozen=True)
class TunedMember:
    """What a search for a member's settings has found so far.

    Parameters
    ----------
    member : str
        The member's name.
    settings : dict of str to float
        The best settings.
    loss : float
        The mean over the families of the weighted log loss with them, out of fold. They were chosen by it, so it
        flatters; the nested score of a `fit` with these settings does not cover how they were chosen.
    default_loss : float or None
        The same with the member's defaults; None where no trial had them.
    trials : int
        Number of finished trials of all workers, pruned ones included.
    file : Path
        JSON with the settings, for `fit`.
    """

    member: str
    settings: dict[str, float]
    loss: float
    default_loss: float | None
    trials: int
    file: Path


def search_member(
    examples: Examples,
    member: MemberLike,
    out: Path,
    *,
    trials: int = 60,
    seed: int = 0,
    options: Options | None = None,
    timeout: float | None = None,
    storage: str | None = None,
) -> TunedMember:
    """Search the settings of a member that lead to the lowest loss out of fold.

    The defaults are tried first. Every trial cross-fits the member by study over the folds, shrinkage included, and is
    given up after a fold as soon as it is surely behind the best one. A killed search resumes.

    Parameters
    ----------
    examples : Examples
        Labeled training studies with their folds.
    member : str, type of Member or SklearnMember
        One that declares what can be searched in `space()`.
    out : Path
        Folder for `settings.json`, to which the best settings are written under the member's name, and without
        `storage` for the journal of the trials.
    trials : int
        Number of trials of all workers together, at least 1.
    seed : int
        Seed of the member and of the search.
    options : Options, optional
        Choices for deep members. Default: `Options()`.
    timeout : float, optional
        Seconds after which no further trial is begun; at least one is finished. Default: no limit.
    storage : str, optional
        URL of a database in which workers share the trials. Default: a journal in `out`.

    Returns
    -------
    TunedMember
        The best settings so far, and where they are written.

    Raises
    ------
    ConfigError
        When the member has nothing to search, `trials` or `timeout` cannot be used, or the storage has another search.
    ArtifactError
        When another process is writing to `out`.
    """
    check_trials(trials)
    if timeout is not None and timeout <= 0:
        raise ConfigError(f"timeout must be above 0 seconds, not {timeout:g}")
    options = (options or Options()).resolved()
    [(name, factory)] = resolve_members([member]).items()
    unfitted = factory(seed, options)
    unfitted.require()
    space, start = _space_of(unfitted), _defaults_of(unfitted)
    problem = _Problem(examples, factory, seed, options)
    search = Search(
        f"member {name}", METRIC, [space], [start] if _is_within(start, space) else [], trials, seed,
        problem=problem.hash, note=f"Settings of the member `{name}`, cross-fitted by study.", timeout=timeout,
    )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    # With a storage, workers share the trials and the folder.
    with only_writer(out, owned=False) if storage is None else nullcontext():
        opened = open_storage(storage or out / JOURNAL)
        best = minimize(search, problem, opened, show=True)
        file = out / SETTINGS
        write_settings(file, {**(read_settings(file) if file.is_file() else {}), name: best})
        result = _result(name, best, search, opened, file)
    say(f"{name}: loss {result.loss:.4f} after {result.trials} trials; {file} holds the settings, for fit")
    return result


class _Problem:
    """The loss of a member's out-of-fold predictions as a function of its settings."""

    def __init__(self, examples: Examples, factory: Factory, seed: int, options: Options) -> None:
        self.examples, self.factory, self.seed, self.options = examples, factory, seed, options
        content = json.dumps(
            {"rows": examples.rows[["row_id", "grade", "fold"]].to_csv(index=False), "seed": seed,
             "options": asdict(options), "numeric": examples.numeric_names, "member": _choices(factory(seed, options))}
        ).encode()  # fmt: skip
        found = hashlib.sha256(content)
        for values in (examples.embedding, examples.numeric):
            found.update(np.ascontiguousarray(values).data)
        self.hash = found.hexdigest()

    def __call__(self, point: Point, report_step: ReportStep) -> dict[str, float]:
        """Cross-fit with some settings; each family of each fold is a step."""

        def make() -> Member:
            unfitted: Any = self.factory(self.seed, self.options)
            configured: Member = unfitted.configured(point)
            return configured

        count = len(TARGETS)
        grades = self.examples.grades.reshape(-1, count)
        found = np.full((len(grades), count, 3), np.nan)
        for number, (rows, probabilities) in enumerate(predict_fold_by_fold(make, self.examples)):
            studies = rows[::count]
            found[studies] = probabilities.reshape(-1, count, 3)
            losses = family_losses(found[studies], grades[studies])
            for step, family in enumerate(Family):
                if family.value in losses:
                    report_step(number * len(Family) + step, losses[family.value])
        losses = family_losses(found, grades)
        return {**losses, METRIC: float(np.mean([*losses.values()]))}


def family_losses(probabilities: NDArray[np.float64], grades: NDArray[np.int64]) -> dict[str, float]:
    """Compute the weighted log loss of each family.

    Parameters
    ----------
    probabilities : (n, 25, 3) float64
        Of n studies.
    grades : (n, 25) int64
        -1 where unlabeled.

    Returns
    -------
    dict of str to float
        By the family's name; those without a label are left out.
    """
    losses = {}
    for family in Family:
        targets = of_family(family)
        known = grades[:, targets] >= 0
        truth = grades[:, targets][known]
        if len(truth):
            given = probabilities[:, targets][known][np.arange(len(truth)), truth]
            weights = GRADE_WEIGHTS[truth]
            losses[family.value] = float(-(weights @ np.log(np.maximum(given, EPS))) / weights.sum())
    return losses


def _space_of(member: Member) -> Space:
    """Ask a member what can be searched."""
    space: Any = getattr(member, "space", dict)
    found: Space = space()
    if not found or not hasattr(member, "configured"):
        raise ConfigError(f"member: {member.name!r} declares no settings to search; see `HeadMember.space`")
    return found


def _defaults_of(member: Member) -> Mapping[str, float]:
    """Ask a member for the settings that it has; none where it does not say."""
    defaults: Any = getattr(member, "defaults", dict)
    found: Mapping[str, float] = defaults()
    return found


def _is_within(start: Mapping[str, float], space: Space) -> bool:
    """Tell whether the settings that a member has can be a trial: all of the space's, and in their ranges."""
    if start.keys() != space.keys():
        return False
    try:
        check_settings(start, space, "member")
    except ConfigError:
        return False
    return True


def _choices(member: Member) -> str:
    """Write down what else decides a member's predictions, so that other searches are not mixed in."""
    configuration: Any = getattr(member, "configuration", dict)
    return json.dumps([configuration(), str(_space_of(member))], sort_keys=True, default=str)


def _result(
    name: str, best: dict[str, float], search: Search, storage: BaseStorage, file: Path
) -> TunedMember:
    """Read from the storage what the search came to."""
    import optuna
    from optuna.trial import TrialState

    study = optuna.load_study(study_name=search.study, storage=storage)
    done = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    pruned = study.get_trials(deepcopy=False, states=[TrialState.PRUNED])
    default = [trial.value for trial in done if search.starts and trial.params == dict(search.starts[0])]
    return TunedMember(
        name, best, study.best_value, default[0] if default else None, len(done) + len(pruned), file
    )
