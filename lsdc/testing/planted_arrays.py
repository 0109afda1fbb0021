"""Small images in which every target's severity is a bright blob at its location."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Level, Side
from lsdc.models.store_arrays import LOCATION_COLUMNS, StoreArrays
from lsdc.models.targets import AXIAL, CANAL, GRADED_VIEW

CROP, SLICES, PX, PREVIEW = 32, 8, 48, 48
"""Side of a crop, slices of a volume, side of its slices, side of a preview; all but the second in pixels."""
_N = len(TARGETS)
_SLICE_OF_SIDE: dict[Side | None, int] = {Side.LEFT: 6, Side.RIGHT: 1, None: 4}
_PREVIEW_OF_SIDE: dict[Side | None, int] = {None: 0, Side.LEFT: 1, Side.RIGHT: 2}
_COLUMN_OF_SIDE: dict[Side | None, float] = {Side.LEFT: 8.0, Side.RIGHT: -8.0, None: 0.0}
_ROW_OF_LEVEL = [8, 16, 24, 32, 40]
_VIEW_NAMES = ("sagittal_t1", "sagittal_t2", "axial_t2")


def write_arrays(
    folder: Path, severity: NDArray[np.float64], seed: int = 0
) -> tuple[StoreArrays, dict[str, NDArray[np.float32]]]:
    """Write crops, volumes and previews as a feature store has them.

    Parameters
    ----------
    folder : Path
        Where they are written; must not hold any yet.
    severity : (n, 25) float
        Brightness of the targets of n studies; about -2 to 3.
    seed : int
        Decides noise and small shifts.

    Returns
    -------
    arrays : StoreArrays
        Of the n studies.
    locations : dict of str to (25 n,) float32
        The columns `LOCATION_COLUMNS` of the studies' rows.
    """
    rng = np.random.default_rng(seed)
    n = len(severity)
    bright = np.clip(110 + 45 * severity, 40, 250)
    crops = rng.uniform(0, 25, (n, _N, 3, 3, CROP, CROP))
    volumes = rng.uniform(5, 25, (3, n, SLICES, PX, PX))
    previews = rng.uniform(5, 25, (n, 8, PREVIEW, PREVIEW))
    locations = {name: np.full((n, _N), -1.0, np.float32) for name in LOCATION_COLUMNS}
    for k, target in enumerate(TARGETS):
        level, view, side = list(Level).index(target.level), GRADED_VIEW[k], target.condition.side
        axial = view == AXIAL
        x = PX / 2 + (_COLUMN_OF_SIDE[side] if axial else 2)
        y = PX / 2 if axial else _ROW_OF_LEVEL[level]
        at = SLICES - 1 - (level * 3) // 2 if axial else _SLICE_OF_SIDE[side]
        slot = 3 + level if axial else _PREVIEW_OF_SIDE[side]
        for study in range(n):
            jitter = rng.normal(0, 0.7, 2)
            column, row, height = x + jitter[0], y + jitter[1], bright[study, k]
            for neighbor in range(3):
                _paint(crops[study, k, view, neighbor], CROP / 2 - 0.5, CROP / 2 - 0.5, height, 5)
            for near in (at - 1, at, at + 1):
                if 0 <= near < SLICES:
                    _paint(volumes[view, study, near], column, row, height)
            _paint(previews[study, slot], column, row, height)
            values = (at, column, row, slot, column, row, 20 * (at / (SLICES - 1) - 0.5), -30.0 * level)
            for name, value in zip(LOCATION_COLUMNS, values):
                locations[name][study, k] = value
    (folder / "volumes").mkdir(parents=True)
    np.save(folder / "crops.npy", crops.reshape(n * _N, 3, 3, CROP, CROP).astype(np.uint8))
    np.save(folder / "previews.npy", previews.astype(np.uint8))
    for name, volume in zip(_VIEW_NAMES, volumes):
        np.save(folder / "volumes" / f"{name}.npy", volume.astype(np.uint8))
    return StoreArrays(folder, np.arange(n)), {name: value.ravel() for name, value in locations.items()}


def write_mirrored(arrays: StoreArrays, folder: Path) -> StoreArrays:
    """Write what a store would hold of the same patients seen in a mirror, independently of `lsdc.models`.

    Parameters
    ----------
    arrays : StoreArrays
        What `write_arrays` wrote, or some of its studies.
    folder : Path
        Where the mirrored arrays are written; must not hold any yet.

    Returns
    -------
    StoreArrays
        The mirrored studies, in the same order.
    """
    crops = np.load(arrays.folder / "crops.npy").reshape(-1, 5, 5, 3, 3, CROP, CROP)[arrays.studies]
    crops = crops[:, [0, 2, 1, 4, 3]].reshape(-1, _N, 3, 3, CROP, CROP)
    canal = crops[:, CANAL].copy()
    canal[:, :, :2] = canal[:, :, :2, ::-1]
    canal[:, :, 2] = canal[:, :, 2, :, :, ::-1]
    crops[:, CANAL] = canal
    previews = np.load(arrays.folder / "previews.npy")[arrays.studies][:, [0, 2, 1, 3, 4, 5, 6, 7]]
    previews[:, 3:] = previews[:, 3:, :, ::-1].copy()
    (folder / "volumes").mkdir(parents=True)
    np.save(folder / "crops.npy", crops.reshape(-1, 3, 3, CROP, CROP))
    np.save(folder / "previews.npy", previews)
    for name in _VIEW_NAMES:
        volume = np.load(arrays.folder / "volumes" / f"{name}.npy")[arrays.studies]
        volume = volume[..., ::-1] if name.startswith("axial") else volume[:, ::-1]
        np.save(folder / "volumes" / f"{name}.npy", np.ascontiguousarray(volume))
    return StoreArrays(folder, np.arange(len(arrays.studies)))


def mirrored_locations(rows: pd.DataFrame, order: NDArray[np.intp]) -> pd.DataFrame:
    """Move the locations of whole studies to where a mirror shows them.

    Parameters
    ----------
    rows : DataFrame
        n rows with `LOCATION_COLUMNS`; the other columns are left as they are.
    order : (n,) int
        The row whose target stands in each row after mirroring.

    Returns
    -------
    DataFrame
        The rows with mirrored locations.
    """
    rows, axial = rows.copy(), np.tile(GRADED_VIEW == AXIAL, len(rows) // _N)
    for name in LOCATION_COLUMNS:
        rows[name] = rows[name].to_numpy()[order]
    rows["volume_slice"] = np.where(axial, rows["volume_slice"], SLICES - 1 - rows["volume_slice"])
    rows["volume_x"] = np.where(axial, PX - 1 - rows["volume_x"], rows["volume_x"])
    rows["preview_x"] = np.where(axial, PREVIEW - 1 - rows["preview_x"], rows["preview_x"])
    rows["preview"] = rows["preview"].replace({1: 2, 2: 1})
    rows["left_mm"] = -rows["left_mm"]
    return rows


def _paint(image: NDArray[np.float64], column: float, row: float, height: float, radius: float = 2.5) -> None:
    """Brighten an image by a Gaussian blob of this height and radius in pixels, in place."""
    rows, columns = np.mgrid[: image.shape[-2], : image.shape[-1]]
    squared_distance = (rows - row) ** 2 + (columns - column) ** 2
    np.maximum(image, height * np.exp(-squared_distance / (2 * radius**2)), out=image)
