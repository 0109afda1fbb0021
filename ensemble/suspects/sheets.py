"""Contact sheets of doubtful rows: the crop in which each is graded, with its label and what was predicted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from lsdc.cohort.vocabulary import Condition, Level, Side
from lsdc.features.store import NEIGHBORS, VIEWS, FeatureStore
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.runtime.artifact import atomic

PER_SHEET, _COLUMNS = 30, 3
_CROP_PX, _GAP, _LINE = 144, 10, 17
_CUTOFF = 0.5
_CELL_WIDTH, _CELL_HEIGHT = NEIGHBORS * _CROP_PX, _CROP_PX + 3 * _LINE
_BACKGROUND, _PLAIN, _LABEL, _PROPOSED = "#202024", "#c8c8c8", "#ffb340", "#5fe36b"


def draw_sheets(ranked: pd.DataFrame, store: FeatureStore, out: Path) -> tuple[Path, ...]:
    """Draw the crops of ranked rows, 30 on a sheet.

    Parameters
    ----------
    ranked : DataFrame
        The rows to draw, as `rank_labels` gives them.
    store : FeatureStore
        Holds the rows' crops.
    out : Path
        Folder for `sheet_01.png` and so on.

    Returns
    -------
    tuple of Path
        The PNG files. Each row shows three neighboring slices of the view in which it is graded; those of right-sided
        targets are mirrored, as everywhere in a store.
    """
    place = {row_id: k for k, row_id in enumerate(store.rows["row_id"])}
    paths = []
    for number, start in enumerate(range(0, len(ranked), PER_SHEET), start=1):
        part = ranked.iloc[start : start + PER_SHEET]
        lines = -(-len(part) // _COLUMNS)
        width = _COLUMNS * (_CELL_WIDTH + _GAP) + _GAP
        sheet = Image.new("RGB", (width, lines * (_CELL_HEIGHT + _GAP) + _GAP), _BACKGROUND)
        rows: list[dict[Any, Any]] = part.to_dict("records")
        for k, row in enumerate(rows):
            corner = (
                k % _COLUMNS * (_CELL_WIDTH + _GAP) + _GAP,
                k // _COLUMNS * (_CELL_HEIGHT + _GAP) + _GAP,
            )
            view = VIEWS.index(Condition(row["condition"]).view)
            _draw_cell(sheet, corner, row, np.asarray(store.crops[place[row["row_id"]], view]))
        paths.append(out / f"sheet_{number:02d}.png")
        with atomic(paths[-1]) as temporary:
            sheet.save(temporary, "PNG")
    return tuple(paths)


def _draw_cell(sheet: Image.Image, corner: tuple[int, int], row: dict[Any, Any], crops: np.ndarray) -> None:
    """Draw one row: two lines of words above three crops, and a line with the probabilities below."""
    left, top = corner
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    texts = list(_captions(row))
    for k, (text, color) in enumerate(texts):
        below = _CROP_PX if k == len(texts) - 1 else 0
        pen.text((left, top + k * _LINE + below), text, fill=color, font=font)
    # Dim series are stretched, so that a person sees as much as the model.
    strip = ImageOps.autocontrast(Image.fromarray(np.hstack(list(crops))), cutoff=_CUTOFF)
    sheet.paste(strip.resize((_CELL_WIDTH, _CROP_PX), Image.Resampling.BICUBIC), (left, top + 2 * _LINE))


def _captions(row: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    """Give three lines of words, each with its color."""
    condition = Condition(row["condition"])
    side = "" if condition.side is None else f"{condition.side.value} "
    mirrored = ", mirrored" if condition.side is Side.RIGHT else ""
    target = f"{side}{condition.family.value} {Level(str(row['level'])).title}"
    yield f"{row['rank']}. {row['study_id']}  {target}{mirrored}", _PLAIN
    yield f"label {row['label']}, wrong with {row['wrong']:.2f}", _LABEL
    yield "true grade: " + "  ".join(f"{name} {row[name]:.2f}" for name in COLUMNS), _PROPOSED
