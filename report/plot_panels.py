"""How the plots of all pages are begun and finished: one axis to a figure, sized for a phone, in the pages' style."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, Level
from lsdc.report.pages.figures import PLOT_STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
R = TypeVar("R")
WIDTH, HEIGHT = 4.4, 3.4
"""Inches of a usual panel: 317 by 245 points, about what a phone shows at full width."""
FAMILY_NAMES: dict[Family, str] = {
    Family.SPINAL: "Spinal canal",
    Family.FORAMINAL: "Neural foramina",
    Family.SUBARTICULAR: "Subarticular recesses",
}
"""What the pages call the families."""
LEVEL_NAMES: dict[Level, str] = {level: level.title for level in Level}
"""What the pages call the levels, such as `L4/L5`."""
CONDITION_NAMES: dict[Condition, str] = {
    Condition.SPINAL_CANAL_STENOSIS: "Canal",
    Condition.LEFT_NEURAL_FORAMINAL_NARROWING: "Left foramen",
    Condition.RIGHT_NEURAL_FORAMINAL_NARROWING: "Right foramen",
    Condition.LEFT_SUBARTICULAR_STENOSIS: "Left recess",
    Condition.RIGHT_SUBARTICULAR_STENOSIS: "Right recess",
}
"""What the pages call the conditions."""
DARK_INK, LIGHT_INK = "#101010", "#fefefe"
"""Text on filled cells, which is the same in the light and in the dark; pure black and white follow the page."""


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw in the pages' style.

    Parameters
    ----------
    draw : callable
        Makes one or more figures.

    Returns
    -------
    callable
        The same within `PLOT_STYLE`.
    """

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        style: Any = PLOT_STYLE  # Matplotlib types its keys one by one
        with mpl.rc_context(style):
            return draw(*args, **kwargs)

    return drawn


def new_panel(title: str, width: float = WIDTH, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Begin a figure with one axis.

    Parameters
    ----------
    title : str
        Title of the axis.
    width, height : float
        Size in inches.

    Returns
    -------
    Figure
        The figure.
    Axes
        Its axis.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axis = figure.subplots()
    axis.set_title(title)
    return figure, axis


def draw_cells(
    axis: Axes,
    shade: NDArray[Any],
    words: Sequence[Sequence[str]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    colors: str = "Blues",
    low: float = 0.0,
    high: float = 1.0,
    size: float = 9.0,
) -> None:
    """Draw a matrix of shaded cells with words in them.

    Parameters
    ----------
    axis : Axes
        Where to.
    shade : (rows, columns) float
        What decides the color; NaN stays empty.
    words : sequence of sequence of str
        What stands in the cells.
    rows, columns : sequence of str
        Their names.
    colors : str
        Matplotlib's name of the color map.
    low, high : float
        Values of its ends.
    size : float
        Of the words, points.
    """
    import matplotlib as mpl

    axis.grid(False)
    axis.pcolormesh(shade, cmap=colors, vmin=low, vmax=high, edgecolors="#8b93a0", linewidth=0.5)
    axis.invert_yaxis()
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axis.tick_params(length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
    palette = mpl.colormaps[colors]
    for (row, column), value in np.ndenumerate(shade):
        if np.isfinite(value):
            red, green, blue, _ = palette((value - low) / (high - low))
            ink = LIGHT_INK if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else DARK_INK
            axis.text(
                column + 0.5,
                row + 0.5,
                words[row][column],
                ha="center",
                va="center",
                color=ink,
                fontsize=size,
            )
