"""How grades look on every page and plot: a color, a letter and a pattern each, so that no color stands alone."""

from __future__ import annotations

from dataclasses import dataclass

from lsdc.cohort.vocabulary import Grade


@dataclass(frozen=True)
class GradeMark:
    """How a grade is shown.

    Parameters
    ----------
    title : str
        Its words, as `Normal/Mild`.
    letter : str
        `N`, `M` or `S`.
    color : str
        `#rrggbb` of fills and lines in plots; told apart by the colorblind, visible on white and on black.
    hatch : str
        Matplotlib's pattern for bars: none, `//` or `xx`, as the pages' style sheet draws them.
    """

    title: str
    letter: str
    color: str
    hatch: str


GRADE_MARKS: dict[Grade, GradeMark] = {
    Grade.NORMAL_MILD: GradeMark(Grade.NORMAL_MILD.title, "N", "#4a8fc2", ""),
    Grade.MODERATE: GradeMark(Grade.MODERATE.title, "M", "#d9972f", "//"),
    Grade.SEVERE: GradeMark(Grade.SEVERE.title, "S", "#bc3a66", "xx"),
}
"""The mark of each grade; the style sheet's `.grade-0` to `.grade-2` are the same."""
