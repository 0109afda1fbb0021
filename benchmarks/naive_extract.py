"""A study extracted the naive way of notebooks: full resolution, slice by slice, row by row, crop by crop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pydicom
import torch
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops, hog, local_binary_pattern
from skimage.filters import sobel
from skimage.measure import moments_central, moments_hu, moments_normalized, shannon_entropy
from skimage.transform import resize
from torch import nn

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.located_study import LocatedStudy
from lsdc.slice_selector.fitted_ranker import FittedRanker
from lsdc.slice_selector.network import PointNetwork

CROP_MM, CROP_PX, LOCALIZER_PX = 64.0, 96, 192


def read_twice(source: StudySource) -> None:
    """Read each file once to sort the slices, and once more for its pixels."""
    for series in source.series:
        headers = [(pydicom.dcmread(path).InstanceNumber, path) for path in series.files]
        for _, path in sorted(headers, key=lambda item: int(item[0])):
            pydicom.dcmread(path).pixel_array.astype(np.float64)


def describe(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Describe a slice in its own resolution, with scikit-image alone."""
    low, high = np.percentile(pixels, [1, 99])
    image = np.clip((pixels.astype(np.float64) - low) / max(high - low, 1e-9), 0, 1)
    cell = tuple(side // 4 for side in image.shape)
    gray, levels = (image * 255).astype(np.uint8), (image * 15.999).astype(np.uint8)
    patterns = local_binary_pattern(gray, 8, 1, "uniform")
    matrix = graycomatrix(levels, [1], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    names = ("contrast", "homogeneity", "energy", "correlation")
    strength = sobel(image)
    return np.concatenate(
        [
            hog(image, 8, cell, (1, 1))[:128],
            np.bincount(patterns.astype(int).ravel(), minlength=10) / patterns.size,
            *(graycoprops(matrix, name).ravel() for name in names),
            moments_hu(moments_normalized(moments_central(image))),
            [image.mean(), image.std(), shannon_entropy(gray)],
            np.percentile(image, [10, 25, 50, 75, 90]),
            [strength.mean(), strength.std(), np.percentile(strength, 90)],
            [np.corrcoef(image.ravel(), image[:, ::-1].ravel())[0, 1]],
            [np.corrcoef(image.ravel(), image[::-1].ravel())[0, 1]],
        ]
    )


def rank_row_by_row(ranker: FittedRanker, described: Sequence[NDArray[np.float64]]) -> None:
    """Score every slice for every target, one row at a time."""
    for _ in TARGETS:
        for row in described:
            compressed = ranker.transform(row[None])
            ranker.predict(np.concatenate([np.zeros((1, 5)), compressed], axis=1))


def look_slice_by_slice(network: PointNetwork, study: Study) -> None:
    """Show the localizer every slice, one at a time."""
    for series in study.series:
        for item in series.slices:
            image = resize(item.pixels, (LOCALIZER_PX, LOCALIZER_PX), anti_aliasing=True)
            image = (image - image.mean()) / (image.std() + 1e-3)
            with torch.no_grad():
                network(torch.from_numpy(image.astype(np.float32))[None, None])


def embed_crop_by_crop(network: nn.Module, study: Study, locations: Sequence[Location]) -> int:
    """Cut and embed the crops of all targets in all views, one at a time; count them."""
    located, count = LocatedStudy.of(study, locations), 0
    for projections in located.projections:
        for projection in projections.values():
            series = study.series[projection.series]
            near = (projection.slice - 1, projection.slice, projection.slice + 1)
            slices = [series.slices[min(max(k, 0), len(series.slices) - 1)] for k in near]
            crop = np.stack([_cut(item.pixels, projection.point, item.plane.spacing) for item in slices])
            with torch.no_grad():
                network(torch.from_numpy(crop.astype(np.float32))[None])
            count += 1
    return count


def _cut(
    pixels: NDArray[np.float32], point: tuple[float, float], spacing: tuple[float, float]
) -> NDArray[np.float64]:
    """Cut a square around a point, in the gray window of its slice."""
    low, high = np.percentile(pixels, [1, 99])
    half = [round(CROP_MM / 2 / step) for step in spacing]
    padded = np.pad(np.clip((pixels - low) / max(high - low, 1e-9), 0, 1), [(n, n) for n in half])
    row, column = (min(max(round(p), 0), n - 1) for p, n in zip(point[::-1], pixels.shape))
    return np.asarray(
        resize(
            padded[row : row + 2 * half[0], column : column + 2 * half[1]],
            (CROP_PX, CROP_PX),
            anti_aliasing=True,
        )
    )
