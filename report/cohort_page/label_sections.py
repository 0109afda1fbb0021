"""The sections on what readers said: grades, missing labels, and which grades go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level
from lsdc.report.pages.grade_marks import GRADE_MARKS
from lsdc.report.plot_panels import (
    CONDITION_NAMES,
    DARK_INK,
    LEVEL_NAMES,
    LIGHT_INK,
    draw_cells,
    new_panel,
    styled,
)
from lsdc.report.sections import Drawing, Panel, Row, Section, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST_PAIRS = 10
_NO_LABELS = "put train.csv beside the folder train_images, as in the competition."
_SHORT = {
    Condition.SPINAL_CANAL_STENOSIS: "Canal",
    Condition.LEFT_NEURAL_FORAMINAL_NARROWING: "L foramen",
    Condition.RIGHT_NEURAL_FORAMINAL_NARROWING: "R foramen",
    Condition.LEFT_SUBARTICULAR_STENOSIS: "L recess",
    Condition.RIGHT_SUBARTICULAR_STENOSIS: "R recess",
}


def grade_counts(labels: pd.DataFrame) -> NDArray[np.int_]:
    """Count the grades of each target.

    Parameters
    ----------
    labels : DataFrame
        As `read_labels` gives them.

    Returns
    -------
    (5, 5, 4) int
        By condition and level: normal or mild, moderate, severe, and missing.
    """
    values = labels[[target.slug for target in TARGETS]].to_numpy(int)
    counts = np.stack([(values == code).sum(axis=0) for code in (0, 1, 2, -1)], axis=-1)
    return counts.reshape(len(Condition), len(Level), 4)


def correlations(labels: pd.DataFrame) -> pd.DataFrame:
    """Correlate the grades of all pairs of targets, by rank.

    Parameters
    ----------
    labels : DataFrame
        As `read_labels` gives them.

    Returns
    -------
    DataFrame (25, 25)
        Spearman's coefficients over the studies that have both labels; NaN below ten of them, and where all are alike.
    """
    grades = labels[[target.slug for target in TARGETS]].astype(float)
    return grades.mask(grades < 0).corr(method="spearman", min_periods=_FEWEST_PAIRS)


def grade_section(labels: pd.DataFrame | None) -> Section:
    """Show grades by condition and level, and missing labels.

    Parameters
    ----------
    labels : DataFrame or None
        As `read_labels` gives them.

    Returns
    -------
    Section
        A panel for each condition, and a table.
    """
    if labels is None:
        return Section("grades", "Grades", absent=f"Grades: the cohort has no labels; {_NO_LABELS}")
    counts = grade_counts(labels)
    lines: list[Row] = []
    for condition, of_condition in zip(Condition, counts):
        for level, row in zip(Level, of_condition):
            known = max(int(row[:3].sum()), 1)
            cells = (f"{count} ({100 * count / known:.1f} %)" for count in row[:3])
            lines.append((f"{CONDITION_NAMES[condition]} {LEVEL_NAMES[level]}", *cells, int(row[3])))
    drawing = Drawing(
        "Grades by condition and level", _draw_grades(counts),
        "Each bar holds the labeled studies of one level; letters name the grades (N normal or mild, M moderate, S "
        "severe), numbers are counts. Small groups of severe grades decide how well anything about them can be "
        "measured: with ten cases, one more or less found moves the sensitivity by ten percent.",
    )  # fmt: skip
    titles = [(grade.title, "number") for grade in Grade]
    table = Table(
        "Grades by target: counts and percent of the labeled",
        ("Target", *titles, ("Missing", "number")),
        tuple(lines),
        folded=True,
    )
    missing, total = int(counts[..., 3].sum()), int(counts.sum())
    blank = int((labels.to_numpy() < 0).any(axis=1).sum())
    lead = (
        f"{len(labels)} studies are in the table of labels; {missing} of {total} labels "
        f"({100 * missing / max(total, 1):.1f} %) are missing, in {blank} studies."
    )
    return Section("grades", "Grades", (drawing, table), lead)


@styled
def _draw_grades(counts: NDArray[np.int_]) -> tuple[Panel, ...]:
    """Plot stacked bars by level, a panel for each condition."""
    panels = []
    for condition, rows in zip(Condition, counts):
        figure, axis = new_panel(condition.title, height=2.9)
        left = np.zeros(len(Level))
        for number, mark in enumerate(GRADE_MARKS.values()):
            bars = axis.barh(
                list(LEVEL_NAMES.values()), rows[:, number], left=left, color=mark.color, edgecolor="#ffffff",
                linewidth=0.5,
            )  # fmt: skip
            ink = LIGHT_INK if number == 2 else DARK_INK
            _write_counts(
                axis, bars, rows[:, number], mark.letter, ink, int(counts[..., :3].sum(axis=-1).max())
            )
            left += rows[:, number]
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.set_xlabel("studies")
        total = rows.sum(axis=0)
        named = zip(total.tolist(), ("normal or mild", "moderate", "severe", "missing"))
        words = f"{condition.title}: {', '.join(f'{count} {name}' for count, name in named)}."
        panels.append(Panel(f"grades_{condition.value}", figure, words))
    return tuple(panels)


def _write_counts(
    axis: Axes, bars: object, counts: NDArray[np.int_], letter: str, ink: str, most: int
) -> None:
    """Write letter and count into the bars that have room for them."""
    words = [
        f"{letter} {count}" if count > 0.11 * most else letter if count > 0.05 * most else ""
        for count in counts
    ]
    axis.bar_label(bars, words, label_type="center", color=ink, fontsize=8)  # type: ignore[arg-type]


def correlation_section(labels: pd.DataFrame | None) -> Section:
    """Show how the grades of targets go together.

    Parameters
    ----------
    labels : DataFrame or None
        As `read_labels` gives them.

    Returns
    -------
    Section
        A heat map with numbers.
    """
    title = "Which grades go together"
    if labels is None:
        return Section("correlations", title, absent=f"Correlations: the cohort has no labels; {_NO_LABELS}")
    found = correlations(labels)
    if not np.isfinite(found.to_numpy()[~np.eye(len(TARGETS), dtype=bool)]).any():
        return Section(
            "correlations", title, absent="Correlations: fewer than ten studies have labels that differ."
        )
    drawing = Drawing(
        "Rank correlation of the grades of all targets", (_draw_correlations(found),),
        "Each cell is Spearman's correlation of two targets' grades over the studies, in percent: 100 is full "
        "agreement in order, 0 none. Blocks are conditions, within them levels from L1/L2 to L5/S1. Near neighbors "
        "should go together, as should left and right; an empty cell has too few or too equal labels.",
    )  # fmt: skip
    return Section("correlations", title, (drawing,))


@styled
def _draw_correlations(found: pd.DataFrame) -> Panel:
    """Plot the matrix of all targets."""
    values = found.to_numpy()
    names = [f"{_SHORT[target.condition]} {LEVEL_NAMES[target.level]}" for target in TARGETS]
    words = [[f"{round(100 * value)}" if np.isfinite(value) else "" for value in row] for row in values]
    figure, axis = new_panel("", width=9.6, height=8.6)
    draw_cells(axis, values, words, names, names, colors="RdBu_r", low=-1, high=1, size=7)
    axis.tick_params(axis="x", rotation=90)
    for edge in range(5, len(TARGETS), 5):
        axis.axhline(edge, color="#101010", linewidth=1)
        axis.axvline(edge, color="#101010", linewidth=1)
    pairs = values[np.triu_indices(len(TARGETS), 1)]
    known = pairs[np.isfinite(pairs)]
    alternative = (
        f"Rank correlations of {len(known)} pairs of targets: median {np.median(known):.2f}, largest "
        f"{known.max():.2f}."
    )
    return Panel("correlations", figure, alternative)
