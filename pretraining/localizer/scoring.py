"""How well a localizer finds the points of simulated patients, and how often it finds some where there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.pretraining.localizer.label_maps import LabelMaps
from lsdc.pretraining.localizer.simulated_images import SIZES, draw_images
from lsdc.pretraining.picture_reading import find_canal
from lsdc.pretraining.real_pictures import RealPictures
from lsdc.slice_selector.heatmap_decoding import STRIDE, ordered_levels, peak
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.square_images import N_LEVELS, PRESENT

_SURE = 0.5
"""Mean confidence from which the points on an image without a lumbar spine count as a false alarm."""
_NEAR_MM = 8.0
_IMAGES_AT_ONCE = 32
_SCORING_EPOCH = 10**6
"""Stands for the epoch in the seeds of the images."""


def score_localizer(
    localizer: Localizer, maps: LabelMaps, chosen: NDArray[np.int64], seed: int = 0
) -> dict[str, float]:
    """Measure a localizer's errors on painted images of patients it has not seen.

    Parameters
    ----------
    localizer : Localizer
        Sagittal or axial.
    maps : LabelMaps
        Of the same kind.
    chosen : (n,) int
        Rows of the maps; two images of each are drawn, one of them turned into something that is no spine.
    seed : int, default 0
        Of the images.

    Returns
    -------
    dict of str to float
        `median_mm`, `p95_mm` and `within_8mm` of the distance between the points that are on the images and those that
        were found; `false_alarms`, the fraction of images without a lumbar spine on which the mean confidence of the
        points is above one half.
    """
    kind, count = localizer.kind, len(chosen)
    size, side = SIZES[kind]
    errors: list[NDArray] = []
    alarms = []
    parts = np.array_split(chosen, max(1, count // _IMAGES_AT_ONCE))
    for number, rows in enumerate(parts):
        rng = np.random.default_rng([seed, _SCORING_EPOCH, number])
        for negatives in (0.0, 1.0):
            images, points, state, _ = (
                part.numpy() for part in draw_images(maps, rows, kind, rng, negatives)
            )
            heatmaps, _ = localizer.predict(images.astype(np.uint8))
            for heatmap, truth, known in zip(heatmaps, points, state):
                found = _found(heatmap, kind, side * STRIDE / size)
                if negatives:
                    alarms.append(found[:5, 2].mean() > _SURE)
                    continue
                distance = np.hypot(*(found[:, :2] - truth).T) * side / size
                errors.append(distance[known == PRESENT])
    distances = np.concatenate(errors)
    return {
        "median_mm": float(np.median(distances)),
        "p95_mm": float(np.quantile(distances, 0.95)),
        "within_8mm": float(np.mean(distances < _NEAR_MM)),
        "false_alarms": float(np.mean(alarms)),
    }


def _found(heatmaps: NDArray[np.float32], kind: str, cell_mm: float) -> NDArray[np.float64]:
    """Column and row (px) and confidence of the points in the heatmaps (channels, cells, cells) of one image."""
    if kind == "axial":
        return np.array([peak(heatmap) for heatmap in heatmaps])
    return np.concatenate([ordered_levels(heatmaps[:5], cell_mm), ordered_levels(heatmaps[5:], cell_mm)])


def score_on_pictures(localizer: Localizer, pictures: RealPictures) -> dict[str, float]:
    """Measure a localizer's errors on the real slices whose discs somebody drew.

    Parameters
    ----------
    localizer : Localizer
        Sagittal.
    pictures : RealPictures
        Of patients it has not seen.

    Returns
    -------
    dict of str to float
        `slices`, how many there are; `median_mm`, `within_8mm` and `whole_slices_right` (all five points within 8 mm)
        of the canal's points; NaN where there is no slice.
    """
    selector = SliceSelector.bundled()
    selector.localizers["sagittal"] = localizer
    errors = []
    for picture in pictures.slices:
        if picture.mask is not None:
            points, _ = find_canal(selector, picture.pixels, picture.spacing)
            errors.append(np.linalg.norm((points - picture.canal) * picture.spacing[::-1], axis=1))
    distances = np.array(errors) if errors else np.full((0, N_LEVELS), np.nan)
    right = distances < _NEAR_MM
    return {
        "slices": float(len(errors)),
        "median_mm": float(np.median(distances)) if errors else float("nan"),
        "within_8mm": float(right.mean()) if errors else float("nan"),
        "whole_slices_right": float(right.all(axis=1).mean()) if errors else float("nan"),
    }
