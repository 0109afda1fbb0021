"""One study of a store on one sheet: the chosen slices with the located points, and the crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lsdc.cohort.vocabulary import GRADES, TARGETS, Condition, Level
from lsdc.features.store import PREVIEWS, VIEWS, FeatureStore
from lsdc.runtime import LsdcError
from lsdc.runtime.artefact import atomic
from lsdc.runtime.console import say

SLICE_PX, CROP_PX, GAP, LINE = 360, 96, 8, 18
COLORS = dict(zip(Level, ("#ff5c5c", "#ffb340", "#ffe94d", "#5fe36b", "#59b8ff")))
TITLES = (
    "canal (sagittal T2)",
    "left foramina (sagittal T1)",
    "right foramina (sagittal T1)",
    *(f"axial {level.title}" for level in Level),
)


@dataclass(frozen=True)
class Picture:
    """What `preview` drew.

    Parameters
    ----------
    path : Path
        The PNG file.
    study : str
        The study shown.
    located : int
        Targets found in their own view, of 25.
    """

    path: Path
    study: str
    located: int


def preview(store: FeatureStore, study: str, out: Path) -> Picture:
    """Draw a study of a store.

    Parameters
    ----------
    store : FeatureStore
        A finished store; DICOM files are not needed.
    study : str
        Its id.
    out : Path
        PNG file to write.

    Raises
    ------
    LsdcError
        When the store has no such study.
    """
    known = store.studies["study_id"].tolist()
    if study not in known:
        raise LsdcError(
            f"{store.path}: no study {study!r}; it holds {len(known)}, such as {', '.join(known[:3])}"
        )
    index = known.index(study)
    rows = store.rows.iloc[index * len(TARGETS) : (index + 1) * len(TARGETS)]
    crops = store.crops[index * len(TARGETS) : (index + 1) * len(TARGETS)]
    sheet = draw(rows, store.previews[index], crops, f"study {study} ({rows['split'].iloc[0]})")
    with atomic(out) as temporary:
        sheet.save(temporary, "PNG")
    located = int((rows["instance_number"] >= 0).sum())
    say(f"{out}: {located} of {len(TARGETS)} targets located in their own view")
    return Picture(out, study, located)


def draw(
    rows: pd.DataFrame, pictures: NDArray[np.uint8], crops: NDArray[np.uint8], title: str
) -> Image.Image:
    """Compose the sheet.

    Parameters
    ----------
    rows : DataFrame
        25 rows of the store.
    pictures : (8, px, px) uint8
        The chosen slices.
    crops : (25, 3, 3, P, P) uint8
        The crops; the middle neighbor of each view is shown.
    title : str
        First line.
    """
    cell = len(VIEWS) * CROP_PX + GAP
    width = max(4 * (SLICE_PX + GAP), len(Level) * cell) + GAP
    top = LINE + GAP + 2 * (SLICE_PX + LINE + GAP)
    height = top + LINE + len(Condition) * (CROP_PX + LINE + GAP)
    sheet = Image.new("RGB", (width, height), "#202024")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    legend = f"{title}    crops: sagittal T1, sagittal T2, axial; right-sided ones are mirrored"
    pen.text((GAP, 3), legend, fill="white", font=font)
    for k, level in enumerate(Level):
        pen.text((width - (5 - k) * 60, 3), level.title, fill=COLORS[level], font=font)
    for slot in range(PREVIEWS):
        x = GAP + slot % 4 * (SLICE_PX + GAP)
        y = LINE + GAP + slot // 4 * (SLICE_PX + LINE + GAP)
        shown = rows[rows["preview"] == slot]
        note = TITLES[slot] + ("" if len(shown) else ": absent")
        pen.text((x, y), note, fill="white", font=font)
        picture = Image.fromarray(pictures[slot]).resize((SLICE_PX, SLICE_PX), Image.Resampling.BICUBIC)
        sheet.paste(picture, (x, y + LINE))
        _points(pen, shown, (x, y + LINE), SLICE_PX / pictures.shape[-1])
    for row, target in enumerate(TARGETS):
        x = GAP + list(Level).index(target.level) * cell
        y = top + list(Condition).index(target.condition) * (CROP_PX + LINE + GAP)
        pen.text((x, y), _caption(rows.iloc[row]), fill=COLORS[target.level], font=font)
        for k in range(len(VIEWS)):
            crop = Image.fromarray(np.asarray(crops[row, k, 1])).resize((CROP_PX, CROP_PX))
            sheet.paste(crop, (x + k * CROP_PX, y + LINE))
        own = x + VIEWS.index(target.condition.view) * CROP_PX
        box = (own, y + LINE, own + CROP_PX - 1, y + LINE + CROP_PX - 1)
        pen.rectangle(box, outline=COLORS[target.level])
    return sheet


def _points(pen: ImageDraw.ImageDraw, shown: pd.DataFrame, corner: tuple[int, int], scale: float) -> None:
    for item in shown.to_dict("records"):
        x = corner[0] + (item["preview_x"] + 0.5) * scale
        y = corner[1] + (item["preview_y"] + 0.5) * scale
        color = COLORS[Level(item["level"])]
        pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=color, width=2)
        pen.point((x, y), fill=color)


def _caption(row: pd.Series) -> str:
    words = row["condition"].replace("_", " ").replace("neural foraminal narrowing", "foramen")
    words = words.replace("subarticular stenosis", "recess").replace(" canal stenosis", "")
    grade = "" if row["grade"] < 0 else f", {GRADES[row['grade']].replace('_', '/')}"
    how = row["located_by"].replace("_", " ")
    return f"{words} {Level(row['level']).title}: {how} {row['confidence']:.2f}{grade}"
