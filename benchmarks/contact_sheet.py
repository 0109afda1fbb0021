"""Real mid-sagittal pictures as studies, what the localizer finds on them, and contact sheets of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from yardsticks import PX, Crops, read_gradings

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family, Level, View
from lsdc.runtime.console import track
from lsdc.slice_selector.selector import SliceSelector

BEHIND_MM = 5.0
"""The simulator marks the canal so far behind the posterior edge of the disc, where readers mark it too."""
HALF_DISC_MM, DISC_MM = 17.0, 48.0
"""From the posterior edge to the middle of a disc, and the side of the crops around it."""


def spacings(data: Path) -> dict[str, tuple[float, float]]:
    """Spacing of rows and columns by series name, mm."""
    rows: Any = pd.read_csv(data / "series.csv").itertuples()
    found = {}
    for row in rows:
        vertical, horizontal, *_ = (float(part) for part in row.PixelSpacing.strip("[]").split(","))
        found[str(row.series)] = (vertical, horizontal)
    return found


def canal_points(selector: SliceSelector, study: Study) -> tuple[NDArray, NDArray]:
    """Column and row of the five canal points (5, 2), and their confidence (5,)."""
    found = [item for item in selector.locate(study) if item.target.condition.family is Family.SPINAL]
    plane = study.series[0].slices[0].plane
    points = np.array([plane.to_pixel(np.array(item.patient))[0] for item in found])
    return points, np.array([item.confidence for item in found])


def forward(points: NDArray, spacing: tuple[float, float], by_mm: float = BEHIND_MM) -> NDArray:
    """Canal points (5, 2) moved across the spine, by default to where they say the discs' posterior edges are."""
    mm = points * spacing[::-1]
    along = np.gradient(mm, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)  # head to foot is down, so this is to the left
    return np.asarray((mm + by_mm * across) / spacing[::-1])


def found_discs(data: Path, selector: SliceSelector, only: str = "") -> tuple[Crops, pd.DataFrame]:
    """Squares of `DISC_MM` around the discs that the localizer finds on mid-sagittal slices, and their gradings."""
    gradings, known = read_gradings(data), spacings(data)
    crops, rows = [], []
    for path in track(sorted((data / "midsagittal").glob(f"*{only}.png")), "finding discs"):
        patient, name = path.stem.rsplit("_", 1)
        view = View.SAGITTAL_T1 if name == "t1" else View.SAGITTAL_T2
        spacing = known.get(path.stem, (0.6, 0.6))
        study = Study.from_images([path], view, spacing=spacing, study_id=path.stem)
        points, _ = canal_points(selector, study)
        cutter = Cutter(study.series[0], view)
        graded = gradings[gradings["patient"] == patient].set_index("ivd_label")
        for level, point in enumerate(forward(points, spacing, BEHIND_MM + HALF_DISC_MM)):
            label = len(Level) - level
            if label in graded.index:
                crops.append(cutter.cut(0, (float(point[0]), float(point[1])), DISC_MM, PX))
                rows.append(graded.loc[label])
    return crops, pd.DataFrame(rows).reset_index(drop=True)


def marked(study: Study, points: NDArray, confidence: NDArray, truth: NDArray | None = None) -> Image.Image:
    """The slice with the points, brighter where surer; crosses at the truth."""
    item = study.series[0].slices[0]
    low, high = np.percentile(item.pixels, [1, 99.5])
    gray = (np.clip((item.pixels - low) / max(high - low, 1), 0, 1) * 255).astype(np.uint8)
    scale = 320 / max(item.pixels.shape)
    picture = (
        Image.fromarray(gray)
        .convert("RGB")
        .resize((round(gray.shape[1] * scale), round(gray.shape[0] * scale)))
    )
    draw = ImageDraw.Draw(picture)
    colors = [(255, 80, 80), (255, 170, 60), (255, 240, 80), (90, 230, 110), (90, 170, 255)]
    for (x, y), sure, color in zip(points * scale, confidence, colors):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=color, width=2 if sure > 0.5 else 1)
        draw.text((x + 7, y - 6), f"{sure:.1f}", fill=color)
    for (x, y), color in zip(truth * scale if truth is not None else (), colors):
        draw.line((x - 4, y, x + 4, y), fill=color)
        draw.line((x, y - 4, x, y + 4), fill=color)
    draw.text((3, 3), study.study_id, fill=(255, 255, 255))
    return picture


def sheet(pictures: list[Image.Image], path: Path, columns: int = 7) -> None:
    """A contact sheet."""
    rows = -(-len(pictures) // columns)
    whole = Image.new("RGB", (columns * 322, rows * 322))
    for k, picture in enumerate(pictures):
        whole.paste(picture, (k % columns * 322, k // columns * 322))
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path)


def contact_sheets(data: Path, selector: SliceSelector, out: Path) -> None:
    """Sheets of all mid-sagittal slices with the located points."""
    known = spacings(data)
    for name, view in (("t1", View.SAGITTAL_T1), ("t2", View.SAGITTAL_T2)):
        pictures = []
        for path in track(sorted((data / "midsagittal").glob(f"*_{name}.png")), f"mid-sagittal {name}"):
            spacing = known.get(path.stem, (0.6, 0.6))
            study = Study.from_images([path], view, spacing=spacing, study_id=path.stem)
            pictures.append(marked(study, *canal_points(selector, study)))
        for part in range(0, len(pictures), 35):
            sheet(pictures[part : part + 35], out / f"midsagittal_{name}_{part // 35}.png")
