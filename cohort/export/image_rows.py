"""The table of an export: from each picture or volume back to its slice, and to where that lies in the patient."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.study import Series, Slice
from lsdc.runtime.safe_text import safe_cell
from lsdc.runtime.whole_files import atomic

IMAGES = "images.csv"
"""The table's name, in the export and in each study's folder."""
COLUMNS = (
    "path", "index", "study_id", "split", "series_id", "part", "view", "slice", "slices", "instance_number", "rows",
    "columns", "row_spacing_mm", "column_spacing_mm", "position_mm", "left_mm", "posterior_mm", "head_mm",
    "row_left", "row_posterior", "row_head", "column_left", "column_posterior", "column_head", "scale", "offset",
    "source",
)  # fmt: skip
"""Its columns."""


def image_row(
    path: str,
    index: int,
    series: Series,
    number: int,
    scale: float,
    offset: float,
    root: Path,
) -> dict[str, Any]:
    """Describe a slice that was written.

    Parameters
    ----------
    path : str
        The picture or volume, below the export's folder.
    index : int
        Its place in a volume, from 0; 0 in pictures.
    series : Series
        The series.
    number : int
        Index of the slice in the series.
    scale, offset : float
        What turns a stored gray value into that of the image: value = gray x scale + offset; exact but for rounding,
        and, in pictures of 8 bits, for what the gray window cuts off.
    root : Path
        The folder below which the source lies.

    Returns
    -------
    dict
        By the names of `COLUMNS`, but for study, split and part: `slice` counts from 1 in anatomical order, `left_mm`
        and so on are the center of the first pixel, `row_left` and so on the direction in which columns grow.
    """
    item = series.slices[number]
    plane = item.plane
    values: list[Any] = [
        path, index, series.series_id, "" if series.view is None else series.view.value, number + 1,
        len(series.slices), item.instance_number, *item.pixels.shape, *plane.spacing,
        float(series.slices[0].plane.normal @ np.asarray(plane.origin)), *plane.origin, *plane.row_direction,
        *plane.column_direction, scale, offset,
        source_below(item, root),
    ]  # fmt: skip
    names = [name for name in COLUMNS if name not in ("study_id", "split", "part")]
    return {name: _rounded(value) for name, value in zip(names, values)}


def source_below(item: Slice, root: Path) -> str:
    """Name a slice's file below the folder that was exported.

    Parameters
    ----------
    item : Slice
        The slice.
    root : Path
        The folder, or that into which an archive was unpacked.

    Returns
    -------
    str
        The file, with `#frame` for multi-frame files; the whole name where it lies elsewhere.
    """
    begin = path_text(root).rstrip("/") + "/"
    return item.source.removeprefix(begin)


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a table of images.

    Parameters
    ----------
    path : Path
        CSV to write.
    rows : iterable of dict
        As `image_row` gives them, with study, split and part.
    """
    with atomic(path) as temporary:
        table = pd.DataFrame(list(rows), columns=list(COLUMNS))
        for name in ("path", "series_id", "study_id", "source"):
            table[name] = table[name].map(safe_cell)
        table.to_csv(temporary, index=False)


def _rounded(value: Any) -> Any:
    """Keep nine digits of numbers: more than any header holds of a position."""
    return float(f"{value:.9g}") if isinstance(value, float | np.floating) else value
