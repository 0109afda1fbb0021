"""What a PDF page is written with: fonts, colors, a line of text, a wrapped paragraph."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Literal

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

REGULAR, BOLD = "LsdcSans", "LsdcSansBold"
"""Names of the fonts."""
INK, SOFT, LINE, ALARM = HexColor("#1b1f24"), HexColor("#57606a"), HexColor("#c9d1d9"), HexColor("#b3261e")
"""Colors of text, of less important text, of rules, and of warnings."""
_ENDLESS = 10_000.0
_LEADING = 1.28


@lru_cache(maxsize=1)
def load_fonts() -> None:
    """Register DejaVu Sans, which matplotlib brings: PDF's own fonts lack most of the world's letters."""
    folder = files("matplotlib") / "mpl-data" / "fonts" / "ttf"
    for name, file in ((REGULAR, "DejaVuSans.ttf"), (BOLD, "DejaVuSans-Bold.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=REGULAR, boldItalic=BOLD)


def write_line(
    canvas: Canvas,
    place: tuple[float, float],
    words: str,
    size: float,
    *,
    font: str = REGULAR,
    color: Color = INK,
    align: Literal["left", "center", "right"] = "left",
) -> None:
    """Write one line of text.

    Parameters
    ----------
    canvas : Canvas
        The page.
    place : (float, float)
        Where its base line begins, has its middle, or ends, pt from the page's lower left corner.
    words : str
        The text.
    size : float
        Size of the font, pt.
    font : str
        `REGULAR` or `BOLD`.
    color : Color
        Of the text.
    align : `left`, `center` or `right`
        What of the line lies at `place`.
    """
    canvas.setFont(font, size)
    canvas.setFillColor(color)
    draw = {"left": canvas.drawString, "center": canvas.drawCentredString, "right": canvas.drawRightString}
    draw[align](*place, words)


def wrapped(words: str, width: float, size: float) -> tuple[Paragraph, float]:
    """Break text into lines.

    Parameters
    ----------
    words : str
        The text, in reportlab's markup: what comes from elsewhere must be escaped.
    width : float
        Of the lines, pt.
    size : float
        Size of the font, pt.

    Returns
    -------
    Paragraph
        Ready to be drawn.
    float
        Its height, pt.
    """
    style = ParagraphStyle("text", fontName=REGULAR, fontSize=size, leading=size * _LEADING, textColor=INK)
    paragraph = Paragraph(words, style)
    return paragraph, float(paragraph.wrap(width, _ENDLESS)[1])


def write_paragraph(
    canvas: Canvas, words: str, corner: tuple[float, float], width: float, size: float
) -> float:
    """Write wrapped text.

    Parameters
    ----------
    canvas : Canvas
        The page.
    words : str
        The text, in reportlab's markup.
    corner : (float, float)
        Its upper left corner, pt.
    width : float
        Of the lines, pt.
    size : float
        Size of the font, pt.

    Returns
    -------
    float
        Height at which it ends, pt.
    """
    paragraph, height = wrapped(words, width, size)
    bottom = corner[1] - height
    paragraph.drawOn(canvas, corner[0], bottom)
    return bottom
