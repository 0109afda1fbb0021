"""A made-up folder in the layout of the real pictures that weights may be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

DISCS = 6
"""Drawn discs, one more than the lumbar ones."""
PITCH, HEIGHT, FIRST_ROW = 35, 9, 40
FRONT, BACK, CANAL_BACK = 60, 100, 114
"""Columns where discs begin, where they end, and where the canal ends."""


def drawn_mask() -> NDArray[np.uint8]:
    """A straight spine of 1 mm pixels: six discs, the bodies between them, the canal, spinous processes."""
    mask = np.zeros((260, 180), np.uint8)
    mask[10:230, BACK + 2 : CANAL_BACK] = 150
    for k in range(DISCS):
        top = FIRST_ROW + k * PITCH
        mask[top : top + HEIGHT, FRONT:BACK] = 29
        mask[top - PITCH + HEIGHT + 1 : top - 1, FRONT:BACK] = 76
        mask[top - 20 : top - 8, CANAL_BACK + 6 : CANAL_BACK + 30] = 76
    return mask


def write_pictures(folder: Path, patients: int = 8) -> Path:
    """Patients 1 to n with six graded discs each: crops, noise for slices, and a mask for every patient."""
    rng = np.random.default_rng(0)
    for part in ("discs", "midsagittal", "space/images", "space/masks"):
        (folder / part).mkdir(parents=True)
    rows, series = [], []
    mask = drawn_mask()
    for patient in range(1, patients + 1):
        bad = rng.random(DISCS) < 0.5
        bad[:2] = False, True
        for k in range(DISCS):
            noted = int(bad[k])
            rows.append(
                {
                    "patient": patient, "ivd_label": DISCS - k, "disc_from_top": k + 1, "modic": 2 * noted,
                    "up_endplate": noted, "low_endplate": noted, "spondylolisthesis": 0, "herniation": noted,
                    "narrowing": noted, "bulging": noted, "pfirrmann": 1 + 3 * noted,
                }
            )  # fmt: skip
            gray = rng.integers(40, 80, (20 + k, 50), np.uint8) + 100 * np.uint8(1 - noted)
            Image.fromarray(gray).save(folder / "discs" / f"{patient}_t2_disc_{k + 1}.png")
        noise = rng.integers(0, 255, (200, 180), np.uint8)
        Image.fromarray(noise).save(folder / "midsagittal" / f"{patient}_t1.png")
        shade = (mask // 2 + rng.integers(0, 30, mask.shape)).astype(np.uint8)
        Image.fromarray(shade).save(folder / "space" / "images" / f"{patient}_t2_SPACE_slice9.png")
        Image.fromarray(mask).save(folder / "space" / "masks" / f"{patient}_t2_SPACE_slice9.png")
        series += [(f"{patient}_{name}", "[1.0, 1.0]") for name in ("t1", "t2_SPACE")]
    pd.DataFrame(rows).to_csv(folder / "gradings.csv", index=False)
    pd.DataFrame(series, columns=["series", "PixelSpacing"]).to_csv(folder / "series.csv", index=False)
    return folder
