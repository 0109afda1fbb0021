"""Contact sheets of located foramina beside readers' marks: the worst ones, and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from contact_sheet import sheet
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.vocabulary import Level, View

SIDE_MM, PX = 110.0, 320
OURS, READERS = (255, 176, 64), (95, 227, 107)
"""Colors of our point and of the reader's mark."""


def draw(
    sources: Sequence[StudySource],
    marks: Mapping[str, NDArray[np.float64]],
    found: Mapping[str, NDArray[np.float64]],
    out: Path,
    count: int = 60,
) -> list[Path]:
    """Write worst.png and random.png; marks and found are (2, 5, 3) mm by study, NaN where there is none."""
    names = [name for name in marks if name in found]
    apart = np.array([np.linalg.norm((found[name] - marks[name])[..., 1:], axis=-1) for name in names])
    known = np.argwhere(np.isfinite(apart))
    order = apart[tuple(known.T)].argsort()[::-1]
    chosen = {
        "worst": known[order[:count]],
        "random": np.random.default_rng(0).permutation(known)[:count],
    }
    by_name, paths = {source.study_id: source for source in sources}, []
    for title, places in chosen.items():
        pictures = []
        for study, side, level in places:
            name = names[int(study)]
            place = int(side), int(level)
            pictures.append(_picture(by_name[name], marks[name][place], found[name][place], place))
        paths.append(out / f"{title}.png")
        sheet(pictures, paths[-1], columns=10)
    return paths


def _picture(
    source: StudySource, mark: NDArray[np.float64], ours: NDArray[np.float64], place: tuple[int, int]
) -> Image.Image:
    """Our slice around the middle of both points, with our point as a circle and the reader's mark as a cross."""
    study = read_study(source)
    series = next(item for item in study.series if item.view is View.SAGITTAL_T1)
    cutter, index = Cutter(series, View.SAGITTAL_T1), series.nearest(ours)
    plane = series.slices[index].plane
    a, b = plane.to_pixel(ours)[0], plane.to_pixel(mark)[0]
    middle = tuple(float(value) for value in (a + b) / 2)
    picture = Image.fromarray(cutter.cut(index, (middle[0], middle[1]), SIDE_MM, PX)).convert("RGB")
    pen = ImageDraw.Draw(picture)
    x, y = cutter.place(index, (middle[0], middle[1]), (float(a[0]), float(a[1])), SIDE_MM, PX)
    pen.ellipse((x - 6, y - 6, x + 6, y + 6), outline=OURS, width=2)
    x, y = cutter.place(index, (middle[0], middle[1]), (float(b[0]), float(b[1])), SIDE_MM, PX)
    pen.line((x - 6, y, x + 6, y), fill=READERS, width=2)
    pen.line((x, y - 6, x, y + 6), fill=READERS, width=2)
    off = np.linalg.norm((ours - mark)[1:])
    slices = abs(series.nearest(ours) - series.nearest(mark))
    side, level = ("left", "right")[place[0]], list(Level)[place[1]].value
    pen.text((4, 4), f"{study.study_id} {side} {level} {off:.1f} mm, {slices} slices", fill=(255, 255, 255))
    return picture
