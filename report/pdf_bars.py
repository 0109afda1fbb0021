"""Bars of probabilities on a PDF page, in the colors and patterns that the pages have."""

from __future__ import annotations

from collections.abc import Sequence

from reportlab.lib.colors import Color, HexColor
from reportlab.pdfgen.canvas import Canvas

from lsdc.cohort.vocabulary import Grade
from lsdc.report.pages.grade_marks import GRADE_MARKS

_STEP = {"//": 3.2, "xx": 2.6}
"""From line to line of a pattern, pt."""
_STROKE = {"//": Color(0.04, 0.06, 0.08, 0.45), "xx": Color(1, 1, 1, 0.55)}


def draw_bar(
    canvas: Canvas, shares: Sequence[float], corner: tuple[float, float], width: float, height: float
) -> None:
    """Draw the probabilities of the grades beside each other.

    Parameters
    ----------
    canvas : Canvas
        The page.
    shares : sequence of float
        Of normal/mild, moderate and severe; they sum to 1.
    corner : (float, float)
        Lower left corner, pt.
    width, height : float
        Of the bar, pt.
    """
    left, bottom = corner
    for grade, share in zip(Grade, shares):
        draw_grade(canvas, grade, (left, bottom), width * share, height)
        left += width * share


def draw_grade(
    canvas: Canvas, grade: Grade, corner: tuple[float, float], width: float, height: float
) -> None:
    """Fill a rectangle with a grade's color and pattern.

    Parameters
    ----------
    canvas : Canvas
        The page.
    grade : Grade
        The grade.
    corner : (float, float)
        Lower left corner, pt.
    width, height : float
        Of the rectangle, pt; nothing is drawn where one is 0.
    """
    if not (width > 0 and height > 0):
        return
    (left, bottom), mark = corner, GRADE_MARKS[grade]
    canvas.saveState()
    canvas.setFillColor(HexColor(mark.color))
    canvas.rect(left, bottom, width, height, stroke=0, fill=1)
    if mark.hatch:
        frame = canvas.beginPath()
        frame.rect(left, bottom, width, height)
        canvas.clipPath(frame, stroke=0, fill=0)
        canvas.setStrokeColor(_STROKE[mark.hatch])
        canvas.setLineWidth(0.5)
        canvas.lines(_hatch(mark.hatch, left, bottom, width, height))
    canvas.restoreState()


def _hatch(
    kind: str, left: float, bottom: float, width: float, height: float
) -> list[tuple[float, float, float, float]]:
    """List the diagonals that cross a rectangle: rising ones, and for `xx` falling ones too."""
    step, top = _STEP[kind], bottom + height
    starts = [left - height + number * step for number in range(int((width + height) / step) + 1)]
    rising = [(x, bottom, x + height, top) for x in starts]
    return rising + ([(x, top, x + height, bottom) for x in starts] if kind == "xx" else [])
