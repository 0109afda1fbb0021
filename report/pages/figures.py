"""Matplotlib figures inside of a page: small SVG that follows the page's font and its light or dark colors."""

from __future__ import annotations

import hashlib
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lsdc.report.pages.grade_marks import GRADE_MARKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SERIES_COLORS = ("#4a8fc2", "#d9972f", "#bc3a66", "#2f9e77", "#8a6fc4", "#7f8790", "#c4683a", "#3aa6b9")
"""Colors of lines and bars that are not grades, in this order; each is visible on white and on black. Give lines other
markers or dashes as well, since no color may stand alone."""
PLOT_STYLE: Any = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "font.size": 9,
    "grid.color": "#8b93a0",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.constrained_layout.use": True,
}
"""For `matplotlib.rc_context` around the making of a figure, so that all plots look alike; a dict of settings, whose
names matplotlib types as literals."""
_THEMED = {"#000000": "currentColor", "#ffffff": "var(--surface)"} | {
    mark.color: f"var(--grade-{number})" for number, mark in enumerate(GRADE_MARKS.values())
}


_SMALLEST = 0.65
"""To which part of its width a figure is shrunk on a phone; from there on it scrolls, for its text must be read."""


def svg_of(figure: Figure, alternative: str) -> Markup:
    """Draw a figure as SVG to be put into a page.

    Black becomes the color of the page's text, white that of its ground, and the colors of grades those of the style
    sheet, so that the figure can be read in the dark. The same figure gives the same text. Ids are the figure's own:
    several figures, if they differ, do not disturb each other on a page.

    Parameters
    ----------
    figure : Figure
        Made without `pyplot` (`matplotlib.figure.Figure`), best within `matplotlib.rc_context(PLOT_STYLE)`.
    alternative : str
        What the figure shows, in a sentence, for those who cannot see it.

    Returns
    -------
    Markup
        An `<svg>` element with `role="img"`, at most as wide as the figure; for the kit's `figure` macro.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> svg_of(Figure(figsize=(2, 1)), "Nothing at all.")[:50]
    Markup('<svg role="img" aria-label="Nothing at all." style')
    """
    import matplotlib as mpl

    file = StringIO()
    with mpl.rc_context({"svg.hashsalt": "lsdc", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda found: _THEMED.get(found[0], found[0]), text)
    text = re.sub(r"\s*\n\s*", "\n", _with_own_ids(text.replace("xlink:href", "href")))
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    width, height = size.groups() if size else ("400", "300")
    # Joins and caps are what the style element said that was taken out: it would have ruled the whole page.
    root = Markup(
        '<svg role="img" aria-label="{}" style="max-width:{}pt;min-width:{:.0f}pt" viewBox="0 0 {} {}" '
        'fill="currentColor" stroke-linejoin="round" stroke-linecap="butt">'
    ).format(alternative, width, _SMALLEST * float(width), width, height)
    return root + Markup(text[text.index(">") + 1 :].strip())


def _with_own_ids(text: str) -> str:
    """Drop the ids that nothing refers to, and put a mark of this figure before the others."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    mark = f"f{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    text = re.sub(
        r' id="([^"]*)"', lambda found: f' id="{mark}-{found[1]}"' if found[1] in used else "", text
    )
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}-", text)
