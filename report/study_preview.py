"""One study of a store on one sheet: the chosen slices with the located points, and the crops."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import GRADES, TARGETS, Condition, Level
from lsdc.features.store import PREVIEWS, VIEWS, FeatureStore
from lsdc.runtime.artifact import atomic, check_output_file
from lsdc.runtime.console import say
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.paths import PathLike

COLORS = dict(zip(Level, ("#ff5c5c", "#ffb340", "#ffe94d", "#5fe36b", "#59b8ff")))
"""Color of each level's points, captions and frames."""
TITLES = (
    "canal (sagittal T2)",
    "left foramina (sagittal T1)",
    "right foramina (sagittal T1)",
    *(f"axial {level.title}" for level in Level),
)
"""Titles of the eight chosen slices, in the order of `preview_slot`."""

_SLICE_PX, _CROP_PX, _GAP, _LINE = 360, 96, 8, 18
"""Sides of a slice and of a crop on the sheet, the gap between them, and the height of a line of text, px."""
_SLICES_PER_ROW = 4
_CELL = len(VIEWS) * _CROP_PX + _GAP
"""Width of the crops of one target, px."""
_CROPS_TOP = _LINE + _GAP + PREVIEWS // _SLICES_PER_ROW * (_SLICE_PX + _LINE + _GAP)
"""Where on the sheet the crops begin, px."""


@dataclass(frozen=True)
class Preview:
    """What `preview` drew.

    Parameters
    ----------
    path : Path
        The PNG file.
    study : str
        The study that it shows.
    located : int
        Targets that were found in the view where they are graded, of 25.
    """

    path: Path
    study: str
    located: int


def preview(store: FeatureStore | PathLike, study: str, out: PathLike) -> Preview:
    """Draw a study of a store on one sheet, to check by eye what was located and cut.

    Parameters
    ----------
    store : FeatureStore or path
        A finished store; DICOM files are not needed.
    study : str
        The study's id.
    out : path
        PNG file to write.

    Returns
    -------
    Preview
        Where the sheet is, and how many targets were located.

    Raises
    ------
    LsdcError
        When the store has no such study, or `out` cannot be written.
    ArtifactError
        When the path is no finished store.
    """
    out = check_output_file(out)
    store = store if isinstance(store, FeatureStore) else FeatureStore.open(store)
    known = store.studies["study_id"].tolist()
    if study not in known:
        raise LsdcError(
            f"{store.path}: no study {study!r}; it holds {len(known)}, such as {', '.join(known[:3])}"
        )
    index = known.index(study)
    targets = slice(index * len(TARGETS), (index + 1) * len(TARGETS))
    rows = store.rows.iloc[targets]
    title = f"study {study} ({rows['split'].iloc[0]})"
    sheet = compose_sheet(rows, store.previews[index], store.crops[targets], title)
    with atomic(out) as temporary:
        sheet.save(temporary, "PNG")
    located = int(((rows["series_id"] != "") | (rows["instance_number"] >= 0)).sum())
    say(f"{out}: {located} of {len(TARGETS)} targets located in the view where they are graded")
    return Preview(out, study, located)


def compose_sheet(
    rows: pd.DataFrame, previews: NDArray[np.uint8], crops: NDArray[np.uint8], title: str
) -> Image.Image:
    """Compose the sheet of one study.

    Parameters
    ----------
    rows : DataFrame
        25 rows of the store.
    previews : (8, px, px) uint8
        The chosen slices.
    crops : (25, 3, 3, P, P) uint8
        The crops by target, view and neighboring slice; the middle neighbor of each view is drawn.
    title : str
        First line of the sheet.

    Returns
    -------
    Image
        RGB: a legend, the eight slices with points, and 25 cells of three crops, levels side by side. Points whose
        place is unsure are broken circles; targets that were not seen have none.
    """
    width = max(_SLICES_PER_ROW * (_SLICE_PX + _GAP), len(Level) * _CELL) + _GAP
    height = _CROPS_TOP + _LINE + len(Condition) * (_CROP_PX + _LINE + _GAP)
    sheet = Image.new("RGB", (width, height), "#202024")
    pen = _Pen(sheet)
    pen.write(
        (_GAP, 3),
        f"{title}    crops: sagittal T1, sagittal T2, axial; right-sided ones mirrored; broken circle: unsure",
    )
    for k, level in enumerate(Level):
        pen.write((width - (len(Level) - k) * 60, 3), level.title, COLORS[level])
    for slot in range(PREVIEWS):
        _draw_slice(pen, slot, previews[slot], rows[rows["preview"] == slot])
    for row in range(len(TARGETS)):
        _draw_crops(pen, row, rows.iloc[row], crops[row])
    return sheet


class _Pen:
    """A sheet, and what writes and draws on it.

    Parameters
    ----------
    sheet : Image
        The RGB image.
    """

    def __init__(self, sheet: Image.Image) -> None:
        self.sheet = sheet
        self.draw = ImageDraw.Draw(sheet)
        self._font = ImageFont.load_default(13)

    def write(self, corner: tuple[int, int], text: str, color: str = "white") -> None:
        """Write one line, its top left corner at (x, y) px."""
        self.draw.text(corner, text, fill=color, font=self._font)


def _draw_slice(pen: _Pen, slot: int, image: NDArray[np.uint8], located: pd.DataFrame) -> None:
    """Draw one chosen slice with its title and a circle around every target located on it."""
    left = _GAP + slot % _SLICES_PER_ROW * (_SLICE_PX + _GAP)
    top = _LINE + _GAP + slot // _SLICES_PER_ROW * (_SLICE_PX + _LINE + _GAP)
    pen.write((left, top), TITLES[slot] + ("" if len(located) else ": absent"))
    enlarged = Image.fromarray(image).resize((_SLICE_PX, _SLICE_PX), Image.Resampling.BICUBIC)
    pen.sheet.paste(enlarged, (left, top + _LINE))
    scale = _SLICE_PX / image.shape[-1]
    for item in located.to_dict("records"):
        x = left + (item["preview_x"] + 0.5) * scale
        y = top + _LINE + (item["preview_y"] + 0.5) * scale
        color = COLORS[Level(item["level"])]
        if _status(item) == Status.NOT_SEEN.value:
            continue
        if _status(item) == Status.SEEN.value:
            pen.draw.ellipse((x - 5, y - 5, x + 5, y + 5), outline=color, width=2)
        else:
            for start in range(0, 360, 60):  # a broken circle: its place is unsure
                pen.draw.arc((x - 6, y - 6, x + 6, y + 6), start, start + 30, fill=color, width=2)
        pen.draw.point((x, y), fill=color)


def _draw_crops(pen: _Pen, index: int, row: pd.Series, crops: NDArray[np.uint8]) -> None:
    """Draw one target's crops with its caption, and a frame around the view where it is graded."""
    target = TARGETS[index]
    left = _GAP + list(Level).index(target.level) * _CELL
    top = _CROPS_TOP + list(Condition).index(target.condition) * (_CROP_PX + _LINE + _GAP)
    pen.write((left, top), _caption(row), COLORS[target.level])
    for k in range(len(VIEWS)):
        crop = Image.fromarray(np.asarray(crops[k, 1])).resize((_CROP_PX, _CROP_PX))
        pen.sheet.paste(crop, (left + k * _CROP_PX, top + _LINE))
    framed = left + VIEWS.index(target.condition.view) * _CROP_PX
    box = (framed, top + _LINE, framed + _CROP_PX - 1, top + _LINE + _CROP_PX - 1)
    pen.draw.rectangle(box, outline=COLORS[target.level])


def _caption(row: pd.Series) -> str:
    """Name the target in short, whether it was seen, with what confidence it was located, and its grade."""
    words = row["condition"].replace("_", " ").replace("neural foraminal narrowing", "foramen")
    words = words.replace("subarticular stenosis", "recess").replace(" canal stenosis", "")
    grade = "" if row["grade"] < 0 else f", {GRADES[row['grade']].replace('_', '/')}"
    return f"{words} {Level(row['level']).title}: {_status(row)} {row['confidence']:.2f}{grade}"


def _status(row: Mapping[Hashable, Any] | pd.Series) -> str:
    """Take the status of a row; stores of earlier versions have none, and all that they located counts as seen."""
    return str(row.get("status", Status.SEEN.value if row["instance_number"] >= 0 else Status.NOT_SEEN.value))
