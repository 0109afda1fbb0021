"""What a page of figures and tables is made of: sections that hold panels, tables and sentences, in reading order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lsdc.report.pages.figures import svg_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_USUAL_INCHES = 5.0
Cell = str | int | Markup | tuple[float, str]
"""What a cell of a table holds; numbers with decimals are written out as text first."""
Row = tuple[Cell, ...]
"""The cells of one row."""


@dataclass(frozen=True)
class Panel:
    """One plot, small enough to be read on a phone.

    Parameters
    ----------
    name : str
        File name without ending, such as `calibration_spinal`.
    figure : Figure
        The plot.
    alternative : str
        What it shows, in a sentence with its main numbers, for those who cannot see it.
    """

    name: str
    figure: Figure
    alternative: str

    @property
    def is_wide(self) -> bool:
        """Whether it needs a row of its own, in which it scrolls where the page is narrow."""
        return bool(self.figure.get_figwidth() > _USUAL_INCHES)

    @property
    def svg(self) -> Markup:
        """The plot as an element of the page."""
        return svg_of(self.figure, self.alternative)


@dataclass(frozen=True)
class Drawing:
    """Panels that belong together, and how to read them.

    Parameters
    ----------
    title : str
        What is plotted.
    panels : tuple of Panel
        Side by side where the page is wide enough, else one below the other.
    reading : str
        How to read them, in plain words.
    """

    title: str
    panels: tuple[Panel, ...]
    reading: str


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    title : str
        What it holds.
    columns : tuple of str or (str, str)
        Names of its columns, with `number` where they are set flush right; the first one names the rows.
    rows : tuple of tuple of Cell
        Its cells, as they are shown, or pairs of a number to sort by and what is shown.
    reading : str
        How to read it; empty by default.
    folded : bool, default False
        Whether it is closed until it is asked for.
    sortable : bool, default False
        Whether its headings sort it.
    """

    title: str
    columns: tuple[str | tuple[str, str], ...]
    rows: tuple[Row, ...]
    reading: str = ""
    folded: bool = False
    sortable: bool = False


@dataclass(frozen=True)
class Listing:
    """Findings in words, one below the other.

    Parameters
    ----------
    title : str
        What they are about.
    items : tuple of str
        Sentences.
    reading : str
        How to read them; empty by default.
    """

    title: str
    items: tuple[str, ...]
    reading: str = ""


@dataclass(frozen=True)
class Section:
    """A chapter of a page.

    Parameters
    ----------
    anchor : str
        Its name in the page's address.
    title : str
        Its heading.
    parts : tuple of Drawing, Table or Listing
        What it shows, in this order; empty where it cannot be shown.
    lead : str
        Sentences before the parts.
    absent : str
        What cannot be shown, why, and what makes it possible; empty where all is there.
    """

    anchor: str
    title: str
    parts: tuple[Drawing | Table | Listing, ...] = ()
    lead: str = ""
    absent: str = ""


def figures_of(sections: Iterable[Section]) -> dict[str, Figure]:
    """Gather the plots of a page, for `save_plots`.

    Parameters
    ----------
    sections : iterable of Section
        The page.

    Returns
    -------
    dict of str to Figure
        By name.
    """
    drawings = (part for section in sections for part in section.parts if isinstance(part, Drawing))
    return {panel.name: panel.figure for drawing in drawings for panel in drawing.panels}
