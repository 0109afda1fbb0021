"""Canal and foramina on sagittal series: the ranker chooses slices, the localizer points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.mean_positions import mean_offsets
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import Condition, Family, Level, Target, View
from lsdc.slice_selector.descriptors import describe
from lsdc.slice_selector.heatmap_decoding import ordered_levels
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.network import STRIDE
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.training_example import (
    N_LEVELS,
    SAGITTAL_MM,
    SAGITTAL_PX,
    image_center,
    series_geometry,
)

_CANDIDATES = 3
_NEAR_CANAL_MM = 16.0
"""Spread of foraminal points around the canal's point of their level, mm."""
_LEAST_CONFIDENCE = 0.08
"""Below this mean mass the heatmaps say nothing, and mean positions are used."""


@dataclass(frozen=True)
class Found:
    """The five levels of one condition, found on one series.

    Parameters
    ----------
    series : int
        Index into the study's series.
    slices : (5,) int
        Chosen slice per level.
    points : (5, 2) float
        Column and row on that slice, px.
    patient : (5, 3) float
        mm.
    confidence : (5,) float
        0 to 1.
    located_by : str
        `network` or `mean_position`.
    """

    series: int
    slices: NDArray[np.intp]
    points: NDArray[np.float64]
    patient: NDArray[np.float64]
    confidence: NDArray[np.float64]
    located_by: str


def fullest(study: Study, *views: View) -> int | None:
    """Index of a series of the first view that is there: one whose place is known, with most slices; or None."""
    for view in views:
        found = [k for k, series in enumerate(study.series) if series.view is view]
        if found:
            return max(found, key=lambda k: _rank(study.series[k]))
    return None


def _rank(series: Series) -> tuple[bool, int, int]:
    return series.placed, len(series.slices), series.slices[0].pixels.size


class SagittalSearch:
    """Finds targets on one sagittal series.

    Parameters
    ----------
    study : Study
        Where the series is.
    index : int
        Which series.
    localizer : Localizer or None
        None: mean positions.
    """

    def __init__(self, study: Study, index: int, localizer: Localizer | None) -> None:
        self.series: Series = study.series[index]
        self.index, self.localizer = index, localizer
        self.cutter = Cutter(self.series, self.series.view or View.SAGITTAL_T2)
        self.offset, self.fraction = series_geometry(self.series)
        self.descriptors = np.array([describe(item.pixels, item.plane) for item in self.series.slices])
        self._maps: dict[int, NDArray[np.float32]] = {}

    def find(self, condition: Condition, ranking: SliceRanking, near: NDArray[np.float64] | None) -> Found:
        """Find the five levels of a condition.

        Parameters
        ----------
        condition : Condition
            The canal or a foramen.
        ranking : SliceRanking
            Of its family.
        near : (5, 3) float or None
            Canal points, mm, in whose neighborhood foramina are sought.
        """
        nowhere = np.full(len(self.offset), np.nan)
        targets = [Target(condition, level) for level in Level]
        scores = ranking.score(targets, self.descriptors, self.offset, self.fraction, nowhere)
        candidates = np.argsort(scores.mean(axis=0))[::-1][:_CANDIDATES]
        foraminal = condition.family is Family.FORAMINAL
        first = N_LEVELS if foraminal else 0
        maps = self._heatmaps(candidates)[:, first : first + N_LEVELS]
        chosen = scores.argmax(axis=1)
        if ranking.ranker is None and len(maps):
            chosen = candidates[maps.sum(axis=(2, 3)).argmax(axis=0)]
        if len(maps):
            together = maps.mean(axis=0)
            if near is not None:
                together = together * self._neighborhood(near, int(candidates[0]))
            levels = ordered_levels(together, SAGITTAL_MM * STRIDE / SAGITTAL_PX)
            if levels[:, 2].mean() >= _LEAST_CONFIDENCE:
                points = np.array([self._to_slice(int(k), level[:2]) for k, level in zip(chosen, levels)])
                return self._found(chosen, points, np.clip(levels[:, 2], 0, 1), "network")
        return self._mean_position(condition.family, chosen, near)

    def _mean_position(self, family: Family, chosen: NDArray[np.intp], near: NDArray | None) -> Found:
        if near is not None and np.isfinite(near).all():
            points = np.array([
                self.series.slices[int(k)].plane.to_pixel(point)[0] for k, point in zip(chosen, near)
            ])  # fmt: skip
            return self._found(chosen, points, np.full(N_LEVELS, 0.05), "mean_position")
        px = SAGITTAL_PX / SAGITTAL_MM
        places = mean_offsets(family) * px + (SAGITTAL_PX - 1) / 2
        points = np.array([self._to_slice(int(k), place) for k, place in zip(chosen, places)])
        return self._found(chosen, points, np.full(N_LEVELS, 0.05), "mean_position")

    def _heatmaps(self, slices: NDArray[np.intp]) -> NDArray[np.float32]:
        if self.localizer is None:
            return np.zeros((0, 2 * N_LEVELS, 1, 1), np.float32)
        new = [int(k) for k in slices if int(k) not in self._maps]
        if new:
            pictures = [
                self.cutter.cut(k, image_center(self.series, k), SAGITTAL_MM, SAGITTAL_PX) for k in new
            ]
            self._maps |= dict(zip(new, self.localizer.predict(np.array(pictures))[0]))
        return np.array([self._maps[int(k)] for k in slices])

    def _neighborhood(self, near: NDArray[np.float64], slice_: int) -> NDArray[np.float64]:
        plane, center = self.series.slices[slice_].plane, image_center(self.series, slice_)
        side = SAGITTAL_PX // STRIDE
        cells = np.arange(side) * STRIDE + (STRIDE - 1) / 2
        result = np.ones((N_LEVELS, side, side))
        for level, point in enumerate(near):
            if not np.isfinite(point).all():
                continue
            pixel = plane.to_pixel(point)[0]
            x, y = self.cutter.place(slice_, center, (pixel[0], pixel[1]), SAGITTAL_MM, SAGITTAL_PX)
            away = ((cells[None] - x) ** 2 + (cells[:, None] - y) ** 2) * (SAGITTAL_MM / SAGITTAL_PX) ** 2
            result[level] = np.exp(-0.5 * away / _NEAR_CANAL_MM**2)
        return result

    def _to_slice(self, slice_: int, place: NDArray[np.float64]) -> tuple[float, float]:
        center = image_center(self.series, slice_)
        return self.cutter.unplace(slice_, center, (place[0], place[1]), SAGITTAL_MM, SAGITTAL_PX)

    def _found(self, chosen: NDArray, points: NDArray, confidence: NDArray, located_by: str) -> Found:
        patient = np.array([
            self.series.slices[int(k)].plane.to_patient([point])[0] for k, point in zip(chosen, points)
        ])  # fmt: skip
        return Found(self.index, chosen, points, patient, confidence, located_by)
