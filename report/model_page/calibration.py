"""Whether what was said to be probable happened as often: bins of equal counts, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.model_page.proportions import Proportion
from lsdc.report.pages.grade_marks import GRADE_MARKS
from lsdc.report.plot_panels import FAMILY_NAMES, new_panel, styled
from lsdc.report.sections import Panel

_MOST_BINS, _FEWEST_ROWS = 8, 15
_COLORS = dict(zip(("moderate or worse", "severe"), [mark.color for mark in GRADE_MARKS.values()][1:]))
_MARKERS = {"moderate or worse": "o", "severe": "D"}


@dataclass(frozen=True)
class CalibrationBin:
    """Rows for which about the same probability was predicted.

    Parameters
    ----------
    predicted : float
        Their mean probability.
    observed : Proportion
        In how many of them it was true.
    rows : int
        How many they are.
    events : int
        In how many of them it was true, counted once each.
    """

    predicted: float
    observed: Proportion
    rows: int
    events: int


def calibration_bins(
    event: NDArray[np.bool_], probability: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[CalibrationBin, ...]:
    """Sort rows by what was predicted, and compare that with what was true, in bins of equal counts.

    Parameters
    ----------
    event : (n,) bool
        In which rows it was true.
    probability : (n,) float
        What was predicted.
    weight : (n,) float
        What each row counts.

    Returns
    -------
    tuple of CalibrationBin
        At most eight, from the least probable on; none has fewer than 15 rows unless there are fewer.

    Examples
    --------
    >>> one, = calibration_bins(np.array([True, False]), np.array([0.4, 0.2]), np.ones(2))
    >>> round(one.predicted, 3), one.observed.value, one.rows
    (0.3, 0.5, 2)
    """
    order = np.argsort(probability, kind="stable")
    count = int(np.clip(len(event) // _FEWEST_ROWS, 1, _MOST_BINS))
    return tuple(
        CalibrationBin(
            float(np.average(probability[part], weights=weight[part])),
            Proportion.of(event[part], weight[part]),
            len(part),
            int(event[part].sum()),
        )
        for part in np.array_split(order, count)
        if len(part)
    )


@styled
def draw_calibration(families: Sequence[FamilyRows], prefix: str) -> tuple[Panel, ...]:
    """Plot observed against predicted frequency, a panel for each family.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows, for one weighting.
    prefix : str
        Beginning of the names of the files.

    Returns
    -------
    tuple of Panel
        One per family.
    """
    panels = []
    for rows in families:
        figure, axis = new_panel(FAMILY_NAMES[rows.family])
        axis.plot([0, 1], [0, 1], color="#8b93a0", linewidth=1, linestyle=":")
        said = []
        for name, event, probability in rows.events():
            bins = calibration_bins(event, probability, rows.row_weights)
            x = np.array([one.predicted for one in bins])
            y, low, high = (
                np.array([getattr(one.observed, end) for one in bins]) for end in ("value", "low", "high")
            )
            axis.errorbar(
                x, y, yerr=np.clip([y - low, high - y], 0, None), color=_COLORS[name], marker=_MARKERS[name],
                markersize=4, linewidth=1.2, elinewidth=0.8, capsize=2, label=f"{name} (n = {int(event.sum())})",
            )  # fmt: skip
            said.append(f"{name}: predicted {100 * x[-1]:.0f} %, observed {100 * y[-1]:.0f} % in the top bin")
        axis.set(
            xlabel="predicted probability",
            ylabel="observed frequency",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        axis.legend(loc="upper left")
        alternative = (
            f"Calibration, {FAMILY_NAMES[rows.family].lower()}, {len(rows.truth)} targets. {'; '.join(said)}."
        )
        panels.append(Panel(f"{prefix}_{rows.family}", figure, alternative))
    return tuple(panels)


def calibration_rows(families: Sequence[FamilyRows]) -> tuple[tuple[str, ...], ...]:
    """Write the bins out, for a table.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows, for one weighting.

    Returns
    -------
    tuple of tuple of str
        Family, event, mean predicted probability, observed frequency with interval, and counts.
    """
    return tuple(
        (
            FAMILY_NAMES[rows.family],
            name,
            f"{100 * one.predicted:.1f} %",
            one.observed.words,
            f"{one.events} of {one.rows}",
        )
        for rows in families
        for name, event, probability in rows.events()
        for one in calibration_bins(event, probability, rows.row_weights)
    )
