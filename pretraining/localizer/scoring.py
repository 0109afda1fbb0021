"""How well a localizer finds the points of simulated patients, and how often it finds some where there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.pretraining.localizer.label_maps import LabelMaps
from lsdc.pretraining.localizer.simulated_images import SIZES, draw_images
from lsdc.slice_selector.heatmap_decoding import ordered_levels, peak
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.network import STRIDE
from lsdc.slice_selector.square_images import PRESENT

_SURE = 0.5
"""Mean confidence from which the points on an image without a lumbar spine count as a false alarm."""
_IMAGES_AT_ONCE = 32
_SCORING_EPOCH = 10**6
"""Stands for the epoch in the seeds of the images."""


def score_localizer(localizer: Localizer, maps: LabelMaps, seed: int = 0) -> dict[str, float]:
    """Measure a localizer's errors on painted images of patients it has not seen.

    Parameters
    ----------
    localizer : Localizer
        Sagittal or axial.
    maps : LabelMaps
        Of the same kind; two images of each are drawn, one of them turned into something that is no spine.
    seed : int, default 0
        Of the images.

    Returns
    -------
    dict of str to float
        `median_mm`, `p95_mm` and `within_8mm` of the distance between the points that are on the images and those that
        were found; `false_alarms`, the fraction of images without a lumbar spine on which the mean confidence of the
        points is above one half.
    """
    kind, count = localizer.kind, len(maps.labels)
    size, side = SIZES[kind]
    errors: list[NDArray] = []
    alarms = []
    parts = np.array_split(np.arange(count), max(1, count // _IMAGES_AT_ONCE))
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
        "within_8mm": float(np.mean(distances < 8)),
        "false_alarms": float(np.mean(alarms)),
    }


def _found(heatmaps: NDArray[np.float32], kind: str, cell_mm: float) -> NDArray[np.float64]:
    """Column and row (px) and confidence of the points in the heatmaps (channels, cells, cells) of one image."""
    if kind == "axial":
        return np.array([peak(heatmap) for heatmap in heatmaps])
    return np.concatenate([ordered_levels(heatmaps[:5], cell_mm), ordered_levels(heatmaps[5:], cell_mm)])
