"""Key images on a PDF page, with points, letters and a scale."""

from __future__ import annotations

from xml.sax.saxutils import escape

from PIL import Image
from reportlab.lib.colors import Color, HexColor, white
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from lsdc.report.key_images import PX, KeyImage, Mark
from lsdc.report.pdf_canvas import BOLD, REGULAR, SOFT, write_line, write_paragraph

_POINT, _UNSURE, _BEHIND = HexColor("#ffd54a"), HexColor("#ff9e80"), Color(0, 0, 0, 0.6)
_SCALE_MM = 20.0
_MOST = 4
_LABEL_PT = 5.5


def draw_images(
    canvas: Canvas, images: tuple[KeyImage, ...], corner: tuple[float, float], width: float, gap: float
) -> float:
    """Draw key images side by side.

    Parameters
    ----------
    canvas : Canvas
        The page.
    images : tuple of KeyImage
        At most four.
    corner : (float, float)
        Upper left corner of the row, pt.
    width : float
        Of the row, pt.
    gap : float
        Between images, pt.

    Returns
    -------
    float
        Height at which the row ends, pt.
    """
    left, top = corner
    if not images:
        write_line(canvas, (left, top - 9), "No target was located on any image.", 8.5)
        return top - 20
    side = (width - (_MOST - 1) * gap) / _MOST
    for number, image in enumerate(images):
        x = left + number * (side + gap)
        write_line(canvas, (x, top - 9), image.title, 8.5, font=BOLD)
        _draw(canvas, image, (x, top - 13 - side), side)
        write_paragraph(canvas, escape(image.caption), (x, top - 15 - side), side, 6)
    legend = "circle: located on this slice      dashed: on another slice, projected on this one      ?: place unsure"
    write_line(canvas, (left, top - side - 38), legend, 6.3, color=SOFT)
    return top - side - 46


def _draw(canvas: Canvas, image: KeyImage, corner: tuple[float, float], side: float) -> None:
    """Draw one key image, its lower left corner given."""
    left, bottom = corner
    canvas.drawImage(ImageReader(Image.fromarray(image.pixels)), left, bottom, side, side)
    scale = side / PX
    for mark in image.marks:
        _draw_mark(canvas, mark, left + (mark.x + 0.5) * scale, bottom + side - (mark.y + 0.5) * scale)
    middle = side / 2
    names = image.letters
    write_line(canvas, (left + 4, bottom + middle), names[0], 8, font=BOLD, color=white)
    write_line(canvas, (left + side - 4, bottom + middle), names[1], 8, font=BOLD, color=white, align="right")
    write_line(
        canvas, (left + middle, bottom + side - 9), names[2], 8, font=BOLD, color=white, align="center"
    )
    write_line(canvas, (left + middle, bottom + 4), names[3], 8, font=BOLD, color=white, align="center")
    canvas.setStrokeColor(white)
    canvas.setLineWidth(1.2)
    canvas.line(left + 5, bottom + 5, left + 5 + side * _SCALE_MM / image.mm, bottom + 5)
    write_line(canvas, (left + 5, bottom + 8), f"{_SCALE_MM:.0f} mm", 5.5, color=white)
    canvas.setLineWidth(0.5)


def _draw_mark(canvas: Canvas, mark: Mark, x: float, y: float) -> None:
    """Draw a circle around a point and its label at the right, both dark behind, for fluid is bright."""
    color = _UNSURE if mark.unsure else _POINT
    canvas.setStrokeColor(_BEHIND)
    canvas.setLineWidth(2.2)
    canvas.circle(x, y, 4, stroke=1, fill=0)
    canvas.setStrokeColor(color)
    canvas.setLineWidth(0.9)
    if not mark.here:
        canvas.setDash(1.5, 1.5)
    canvas.circle(x, y, 4, stroke=1, fill=0)
    canvas.setDash()
    label = mark.label + ("?" if mark.unsure else "")
    canvas.setFillColor(_BEHIND)
    width = stringWidth(label, REGULAR, _LABEL_PT)
    canvas.rect(x + 6, y - 3.4, width + 2, _LABEL_PT + 1.6, stroke=0, fill=1)
    write_line(canvas, (x + 7, y - 2), label, _LABEL_PT, color=color)
