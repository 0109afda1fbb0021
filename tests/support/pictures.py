"""Small pictures in which every target's severity is a bright projection at its place."""

import numpy as np

from lsdc.cohort.vocabulary import TARGETS, Side
from lsdc.models.store_arrays import PLACES, Pictures
from lsdc.models.targets import AXIAL, CANAL, OWN_VIEW

CROP, SLICES, PX, PREVIEW = 32, 8, 48, 48
SLICE = {"left": 6, "right": 1, None: 4}
_LEVEL_ROWS = [8, 16, 24, 32, 40]


def _spot(picture, column, row, height, radius=2.5):
    rows, columns = np.mgrid[: picture.shape[-2], : picture.shape[-1]]
    away = (rows - row) ** 2 + (columns - column) ** 2
    np.maximum(picture, height * np.exp(-away / (2 * radius**2)), out=picture)


def write_pictures(folder, severity, seed=0):
    """Write crops, volumes and previews of studies with this severity (n, 25), about -2 to 3.

    Returns the pictures, and the places of the targets in them by column name.
    """
    rng = np.random.default_rng(seed)
    n = len(severity)
    bright = np.clip(110 + 45 * severity, 40, 250)
    crops = rng.uniform(0, 25, (n, 25, 3, 3, CROP, CROP))
    volumes = rng.uniform(5, 25, (3, n, SLICES, PX, PX))
    previews = rng.uniform(5, 25, (n, 8, PREVIEW, PREVIEW))
    places = {name: np.full((n, 25), -1.0, np.float32) for name in PLACES}
    for k, target in enumerate(TARGETS):
        level, view, side = k % 5, OWN_VIEW[k], target.condition.side
        x = PX / 2 + {Side.LEFT: 8, Side.RIGHT: -8, None: 0}[side] if view == AXIAL else PX / 2 + 2
        y = PX / 2 if view == AXIAL else _LEVEL_ROWS[level]
        at = SLICES - 1 - (level * 3) // 2 if view == AXIAL else SLICE[side]
        slot = 3 + level if view == AXIAL else {None: 0, Side.LEFT: 1, Side.RIGHT: 2}[side]
        for study in range(n):
            jitter = rng.normal(0, 0.7, 2)
            column, row, height = x + jitter[0], y + jitter[1], bright[study, k]
            for neighbor in range(3):
                _spot(crops[study, k, view, neighbor], CROP / 2 - 0.5, CROP / 2 - 0.5, height, 5)
            for near in (at - 1, at, at + 1):
                if 0 <= near < SLICES:
                    _spot(volumes[view, study, near], column, row, height)
            _spot(previews[study, slot], column, row, height)
            values = (at, column, row, slot, column, row, 20 * (at / (SLICES - 1) - 0.5), -30.0 * level)
            for name, value in zip(PLACES, values):
                places[name][study, k] = value
    (folder / "volumes").mkdir(parents=True)
    np.save(folder / "crops.npy", crops.reshape(n * 25, 3, 3, CROP, CROP).astype(np.uint8))
    np.save(folder / "previews.npy", previews.astype(np.uint8))
    for name, volume in zip(("sagittal_t1", "sagittal_t2", "axial_t2"), volumes):
        np.save(folder / "volumes" / f"{name}.npy", volume.astype(np.uint8))
    return Pictures(folder, np.arange(n)), {name: value.ravel() for name, value in places.items()}


def write_mirrored(pictures, folder):
    """Write what the store would hold of the same patients seen in a mirror, independently of `lsdc.models`."""
    crops = np.load(pictures.folder / "crops.npy").reshape(-1, 5, 5, 3, 3, CROP, CROP)[pictures.studies]
    crops = crops[:, [0, 2, 1, 4, 3]].reshape(-1, 25, 3, 3, CROP, CROP)
    canal = crops[:, CANAL].copy()
    canal[:, :, :2] = canal[:, :, :2, ::-1]
    canal[:, :, 2] = canal[:, :, 2, :, :, ::-1]
    crops[:, CANAL] = canal
    previews = np.load(pictures.folder / "previews.npy")[pictures.studies][:, [0, 2, 1, 3, 4, 5, 6, 7]]
    previews[:, 3:] = previews[:, 3:, :, ::-1].copy()
    (folder / "volumes").mkdir(parents=True)
    np.save(folder / "crops.npy", crops.reshape(-1, 3, 3, CROP, CROP))
    np.save(folder / "previews.npy", previews)
    for name in ("sagittal_t1", "sagittal_t2", "axial_t2"):
        volume = np.load(pictures.folder / "volumes" / f"{name}.npy")[pictures.studies]
        volume = volume[..., ::-1] if name.startswith("axial") else volume[:, ::-1]
        np.save(folder / "volumes" / f"{name}.npy", np.ascontiguousarray(volume))
    return Pictures(folder, np.arange(len(pictures.studies)))


def mirrored_places(rows, order):
    """Places of the mirrored targets, for rows whose order has been swapped already by `order`."""
    rows, axial = rows.copy(), np.tile(OWN_VIEW == AXIAL, len(rows) // 25)
    for name in PLACES:
        rows[name] = rows[name].to_numpy()[order]
    rows["volume_slice"] = np.where(axial, rows.volume_slice, SLICES - 1 - rows.volume_slice)
    rows["volume_x"] = np.where(axial, PX - 1 - rows.volume_x, rows.volume_x)
    rows["preview_x"] = np.where(axial, PREVIEW - 1 - rows.preview_x, rows.preview_x)
    rows["preview"] = rows.preview.replace({1: 2, 2: 1})
    rows["left_mm"] = -rows.left_mm
    return rows
