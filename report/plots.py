"""Plots as files: those of a page or of an evaluation as SVG and PNG, and those of a model for the dashboard."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.opening import scored_by
from lsdc.ensemble.weighting import Weighting
from lsdc.metrics.graded import GradedPredictions
from lsdc.report.dashboard_plots import confusion, reliability, weights_per_family
from lsdc.report.model_page.calibration import draw_calibration
from lsdc.report.model_page.confusions import draw_confusion
from lsdc.report.model_page.curves import draw_precision, draw_roc
from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.plot_panels import styled
from lsdc.report.sections import Panel
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"transparent": True, "metadata": {"Date": None}},
    "png": {"dpi": 200, "facecolor": "white"},
}
_EVALUATION = {
    draw_roc: "roc",
    draw_precision: "precision_recall",
    draw_calibration: "calibration",
    draw_confusion: "confusion",
}
_BOTH = {draw_calibration, draw_confusion}
"""What the weighting changes much."""
_SERVED: dict[Weighting, str] = {"competition": "competition", "none": "clinic"}
_ONCE, _BY_GRADE = "rows count once", "rows count 1, 2 or 4 times"


def save_plots(figures: Mapping[str, Figure], folder: PathLike) -> tuple[Path, ...]:
    """Write plots as SVG, for papers and slides, and as PNG, for everything else.

    Parameters
    ----------
    figures : mapping of str to Figure
        By name, which becomes that of the files.
    folder : path
        Made where it is absent; files of the same names are replaced.

    Returns
    -------
    tuple of Path
        Two files for each figure: SVG on a transparent ground, PNG on white with 200 dots per inch.

    Raises
    ------
    LsdcError
        When the folder cannot be written to.
    """
    import matplotlib as mpl

    out = check_output_folder(folder)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context({"svg.hashsalt": "lsdc", "svg.fonttype": "none"}):
        for name, figure in figures.items():
            for kind, options in _FORMATS.items():
                path = out / f"{name}.{kind}"
                with atomic(path) as temporary:
                    figure.savefig(temporary, format=kind, **options)
                written.append(path)
    return tuple(written)


def evaluation_figures(predictions: Sequence[GradedPredictions]) -> dict[str, Figure]:
    """Draw what an evaluation measures: ROC, precision and recall, calibration and confusion, by family.

    Parameters
    ----------
    predictions : sequence of GradedPredictions
        As `evaluate` reads them; rows without a prediction are left out. Those of a model's stack and members, which
        `evaluate` names `MODEL: MEMBER`, are for the competition's score: calibration, in which rows then count by
        their grade, and confusion are drawn with these and with the probabilities for the clinic, the curves with the
        latter. Those of tables are taken as they are given, and rows count once: nothing tells what they were made
        for.

    Returns
    -------
    dict of str to Figure
        For `save_plots`, such as `submission_roc_spinal` or `model_stack_calibration_competition_spinal`; the titles
        say how rows are counted. Names are numbered where two predictions would share one.
    """
    figures: dict[str, Figure] = {}
    taken: set[str] = set()
    for one in predictions:
        rows, name = FamilyRows.of_predictions(one), _file_name(one.name, taken)
        if not one.weighted:
            plain = tuple(replace(family, weighting="none") for family in rows)
            for draw, what in _EVALUATION.items():
                panels = draw(plain, f"{name}_{what}")
                figures |= _entitled(panels, f"probabilities as given, {_ONCE}")
            continue
        for weighting, served in _SERVED.items():
            weighted = tuple(family.weighted(weighting) for family in rows)
            for draw, what in _EVALUATION.items():
                if weighting == "competition" and draw not in _BOTH:
                    continue
                by_grade = weighting == "competition" and draw is draw_calibration
                words = f"for the {served}, {_BY_GRADE if by_grade else _ONCE}"
                figures |= _entitled(draw(weighted, f"{name}_{what}_{served}"), words)
    return figures


@styled
def _entitled(panels: Sequence[Panel], words: str) -> dict[str, Figure]:
    """Name figures, and say below each title how rows are counted."""
    for panel in panels:
        axis = panel.figure.axes[0]
        axis.set_title(f"{axis.get_title(loc='left')}\n{words}")
    return {panel.name: panel.figure for panel in panels}


def _file_name(name: str, taken: set[str]) -> str:
    """Make a new file name of that of predictions, such as `model: stack`."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("_.") or "predictions"
    found, number = plain, 2
    while found in taken:
        found, number = f"{plain}_{number}", number + 1
    taken.add(found)
    return found


@dataclass(frozen=True)
class ModelPlots:
    """The PNG files that `draw_plots` wrote.

    Parameters
    ----------
    reliability : Path
        How often a grade was true where it was predicted with some probability.
    confusion : Path
        Which grades were predicted where each was true.
    weights : Path
        Weights of members and stackers.
    """

    reliability: Path
    confusion: Path
    weights: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All three files."""
        return astuple(self)


def draw_plots(model: PathLike, out: PathLike) -> ModelPlots:
    """Draw how well a finished model's probabilities and grades fit the labels, and what it is made of.

    Predictions are those of nested cross-validation: of each study by a stack that was not fitted on it.

    Parameters
    ----------
    model : path
        A finished model's directory, or that of a blend.
    out : path
        Folder for the PNG files; made where it is absent.

    Returns
    -------
    ModelPlots
        The files.

    Raises
    ------
    ArtifactError
        When the directory lacks its report.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    model, out = Path(model), Path(out)
    nested, outcome = scored_by(model)
    nested = nested.copy()
    nested["family"] = [parse_row_id(row_id)[1].condition.family.value for row_id in nested["row_id"]]
    labeled = nested[nested["grade"] >= 0]
    plots = ModelPlots(out / "reliability.png", out / "confusion.png", out / "weights.png")
    weights = outcome.weights
    figures = (reliability(labeled), confusion(labeled), weights_per_family(weights))
    out.mkdir(parents=True, exist_ok=True)
    for path, figure in zip(plots.paths, figures):
        figure.savefig(path, dpi=110)
    return plots
