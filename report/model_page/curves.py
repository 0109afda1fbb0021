"""How well probabilities tell grades apart at every cut-off: ROC, precision and recall, sensitivity, specificity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from lsdc.metrics.measures import auc
from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.model_page.proportions import decide
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.pages.grade_marks import GRADE_MARKS
from lsdc.report.plot_panels import FAMILY_NAMES, new_panel, styled
from lsdc.report.sections import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CUTOFFS: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Probabilities at which decisions are tabulated."""
_LINES = ("-", "--")
_COLORS = [mark.color for mark in GRADE_MARKS.values()][1:]
_MOST_POINTS = 400


@styled
def draw_roc(families: Sequence[FamilyRows], prefix: str) -> tuple[Panel, ...]:
    """Plot sensitivity against the fraction of false alarms, a panel for each family.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows.
    prefix : str
        Beginning of the names of the files.

    Returns
    -------
    tuple of Panel
        One per family; an event without positive or negative rows has no line.
    """
    panels = []
    for rows in families:
        figure, axis = new_panel(FAMILY_NAMES[rows.family], height=3.8)
        axis.plot([0, 1], [0, 1], color="#8b93a0", linewidth=1, linestyle=":")
        said = []
        for number, (name, event, probability) in enumerate(rows.events()):
            if not 0 < event.sum() < len(event):
                continue
            area = auc(event, probability, np.ones(len(event)))
            false_alarms, sensitivity, _ = roc_curve(event, probability)
            _line(axis, false_alarms, sensitivity, number, f"{name}, AUC {area:.3f}")
            said.append(f"AUC of {name} {area:.3f}")
        _finish(figure, axis, "1 - specificity", "sensitivity")
        panels.append(_panel(prefix, "ROC", rows, figure, said))
    return tuple(panels)


@styled
def draw_precision(families: Sequence[FamilyRows], prefix: str) -> tuple[Panel, ...]:
    """Plot precision against recall, a panel for each family.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows.
    prefix : str
        Beginning of the names of the files.

    Returns
    -------
    tuple of Panel
        One per family; an event without positive rows has no line.
    """
    panels = []
    for rows in families:
        figure, axis = new_panel(FAMILY_NAMES[rows.family], height=3.8)
        said = []
        for number, (name, event, probability) in enumerate(rows.events()):
            if not event.any():
                continue
            mean = float(average_precision_score(event, probability))
            precision, recall, _ = precision_recall_curve(event, probability)
            # Where nothing is found yet, precision is that of a few rows: the line would fall from 1 to it upright.
            precision, recall = precision[recall > 0], recall[recall > 0]
            axis.axhline(event.mean(), color=_COLORS[number], linewidth=0.8, linestyle=":")
            _line(axis, recall, precision, number, f"{name}, mean {mean:.2f} (chance {event.mean():.2f})")
            said.append(f"mean precision of {name} {mean:.2f}, chance {event.mean():.2f}")
        _finish(figure, axis, "recall (sensitivity)", "precision (pos. predictive value)")
        panels.append(_panel(prefix, "Precision and recall", rows, figure, said))
    return tuple(panels)


@styled
def draw_decisions(families: Sequence[FamilyRows], event: str, prefix: str) -> tuple[Panel, ...]:
    """Plot sensitivity, specificity and positive predictive value against the cut-off, a panel for each family.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows.
    event : str
        One of `EVENTS`.
    prefix : str
        Beginning of the names of the files.

    Returns
    -------
    tuple of Panel
        One per family that has rows with and without the event.
    """
    panels = []
    cutoffs = np.linspace(0.01, 0.99, 50)
    for rows in families:
        _, truth, probability = next(one for one in rows.events() if one[0] == event)
        if not 0 < truth.sum() < len(truth):
            continue
        figure, axis = new_panel(FAMILY_NAMES[rows.family], height=3.8)
        found = [decide(truth, probability, cutoff) for cutoff in cutoffs]
        for name, color, line, part in (
            ("sensitivity", SERIES_COLORS[0], "-", [one.sensitivity for one in found]),
            ("specificity", SERIES_COLORS[1], "--", [one.specificity for one in found]),
            ("positive predictive value", SERIES_COLORS[3], "-.", [one.positive_value for one in found]),
        ):
            shown = [np.isfinite(one.value) for one in part]
            axis.plot(
                cutoffs[shown],
                [one.value for one in part if one.cases],
                color=color,
                linestyle=line,
                label=name,
            )
            axis.fill_between(
                cutoffs[shown], [one.low for one in part if one.cases], [one.high for one in part if one.cases],
                color=color, alpha=0.15, linewidth=0,
            )  # fmt: skip
        _finish(figure, axis, f"cut-off on the probability of {event}", "fraction of targets")
        half = decide(truth, probability, 0.5)
        said = [f"at one half, sensitivity {half.sensitivity.words}, specificity {half.specificity.words}"]
        panels.append(_panel(prefix, f"Decisions, {event}", rows, figure, said))
    return tuple(panels)


def decision_rows(families: Sequence[FamilyRows], event: str) -> tuple[tuple[str, ...], ...]:
    """Tabulate what cut-offs would do.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows.
    event : str
        One of `EVENTS`.

    Returns
    -------
    tuple of tuple of str
        Family, cut-off, rows called, and four proportions with Wilson's intervals.
    """
    lines = []
    for rows in families:
        _, truth, probability = next(one for one in rows.events() if one[0] == event)
        for cutoff in CUTOFFS:
            found = decide(truth, probability, cutoff)
            lines.append(
                (
                    FAMILY_NAMES[rows.family],
                    f"{100 * cutoff:.0f} %",
                    f"{found.called} of {len(truth)}",
                    found.sensitivity.words,
                    found.specificity.words,
                    found.positive_value.words,
                    found.negative_value.words,
                )
            )
    return tuple(lines)


def _line(axis: Axes, x: NDArray[np.float64], y: NDArray[np.float64], number: int, label: str) -> None:
    """Draw a step line, thinned where it has more points than can be seen."""
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).round().astype(int))
    axis.plot(x[keep], y[keep], color=_COLORS[number], linestyle=_LINES[number], label=label)


def _finish(figure: Figure, axis: Axes, across: str, up: str) -> None:
    """Name the axes, fix their ends, and list the lines."""
    axis.set(xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if axis.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower center")


def _panel(prefix: str, what: str, rows: FamilyRows, figure: Figure, said: Sequence[str]) -> Panel:
    """Put a figure's words beside it."""
    words = "; ".join(said) or "not enough grades to draw a line"
    alternative = f"{what}, {FAMILY_NAMES[rows.family].lower()}, {len(rows.truth)} targets: {words}."
    return Panel(f"{prefix}_{rows.family}", figure, alternative)
