"""Recesses on axial series: slices by the nearest plane and the ranker, points by the localizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.mean_positions import RECESS_BESIDE_MM, RECESS_IN_FRONT_MM
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Level, Side, Target, View
from lsdc.slice_selector.descriptors import describe
from lsdc.slice_selector.heatmap_decoding import peak
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.ranking import AXIAL_REACH_MM, CandidateSlices, SliceRanking
from lsdc.slice_selector.square_images import N_LEVELS, SquareImages, image_center
from lsdc.slice_selector.training_example import series_geometry

SHOWN_WITHIN_MM = 8.0
"""A slice farther than this from a level does not show it."""
_CANDIDATES = 3
"""So many of the nearest slices are described, which costs time, and compared."""
_NEAR_GEOMETRY_MM = 9.0
"""Spread of recesses around where the canal's point puts them."""
_GEOMETRY_CONFIDENCE = 0.3
_LEAST_MASS = 0.02
"""Where a recess has less probability than this around its peak, geometry places both."""


@dataclass(frozen=True)
class RecessPair:
    """The two recesses of a level, located on an axial slice.

    Parameters
    ----------
    series, slice : int
        Index into the study's series and into its slices.
    points : (2, 2) float64
        Column and row of the patient's left and right recess, px.
    patient : (2, 3) float64
        The same in the patient, mm towards left, posterior, head; without meaning where the series is not placed.
    confidence : (2,) float64
        0 to 1.
    located_by : str
        `network` or `geometry`.
    """

    series: int
    slice: int
    points: NDArray[np.float64]
    patient: NDArray[np.float64]
    confidence: NDArray[np.float64]
    located_by: str


def recesses_beside(canal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Place the recesses by their mean distance from the canal's point.

    Parameters
    ----------
    canal : (3,) float
        The canal's point at a level, mm towards the patient's left, posterior, head.

    Returns
    -------
    (2, 3) float64
        The patient's left and right recess, mm.

    Examples
    --------
    >>> recesses_beside(np.array([0.0, 0.0, 40.0]))
    array([[ 9., -2., 40.],
           [-9., -2., 40.]])
    """
    return canal + np.array([[sign * RECESS_BESIDE_MM, -RECESS_IN_FRONT_MM, 0] for sign in (1, -1)])


class AxialSearch:
    """Locates recesses on the axial series of a study that are placed in the patient, or on all where none is.

    Parameters
    ----------
    study : Study
        Any number of axial series.
    localizer : Localizer or None
        With None, points are placed by geometry.
    """

    def __init__(self, study: Study, localizer: Localizer | None) -> None:
        self.study, self.localizer = study, localizer
        every = [k for k, series in enumerate(study.series) if series.view is View.AXIAL_T2]
        self.series = [k for k in every if study.series[k].placed] or every
        self.slices = [(k, i) for k in self.series for i in range(len(study.series[k].slices))]
        geometry = [series_geometry(study.series[k]) for k in self.series]
        self.offset = np.concatenate([part[0] for part in geometry]) if geometry else np.zeros(0)
        self.fraction = np.concatenate([part[1] for part in geometry]) if geometry else np.zeros(0)
        self._descriptors: dict[int, NDArray[np.float32]] = {}
        self._square: dict[int, SquareImages] = {}
        self._maps: dict[tuple[int, int], NDArray[np.float32]] = {}

    @property
    def placed(self) -> bool:
        """Whether points located on sagittal series say where these slices are."""
        return bool(self.series) and self.study.series[self.series[0]].placed

    def spread_levels(self) -> NDArray[np.float64]:
        """Guess canal points from the stacks alone, where no sagittal series leads there.

        Returns
        -------
        (5, 3) float64
            Middles of slices, spread evenly from head to foot, mm.
        """
        centers = np.array([
            self.study.series[k].slices[i].plane.to_patient([image_center(self.study.series[k], i)])[0]
            for k, i in self.slices
        ])  # fmt: skip
        order = centers[np.argsort(-centers[:, 2])]
        take = np.round(np.linspace(0.1, 0.9, N_LEVELS) * (len(order) - 1)).astype(int)
        return order[take]

    def find(self, levels: NDArray[np.float64], ranking: SliceRanking) -> list[RecessPair | None]:
        """Locate the recesses of each level near its canal point.

        Parameters
        ----------
        levels : (5, 3) float
            The levels' canal points, mm towards the patient's left, posterior, head.
        ranking : SliceRanking
            Of the subarticular family; chooses among the three slices nearest to a point, within 8 mm.

        Returns
        -------
        list of RecessPair or None
            One per level; None where no slice comes near enough.
        """
        near = [self._near(canal) for canal in levels]
        asked = [
            (Target(Condition.LEFT_SUBARTICULAR_STENOSIS, level), self._candidates(*one, ranking))
            for level, one in zip(Level, near)
            if one is not None
        ]
        scores = iter(ranking.score(asked))
        best = [None if one is None else int(one[0][next(scores).argmax()]) for one in near]
        self._look([k for k in best if k is not None])
        return [None if k is None else self._locate(k, canal) for k, canal in zip(best, levels)]

    def _near(self, canal: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]] | None:
        """Find the slices in reach of a point, and their distances from it, mm; None where none shows it.

        A plane has no end, but an image has: one of a hip does not show the spine beside it.
        """
        distance = np.concatenate([self.study.series[k].distances(canal) for k in self.series])
        near = np.nonzero(np.abs(distance) < AXIAL_REACH_MM)[0]
        near = near[[self._contains(int(k), canal) for k in near]] if len(near) else near
        if not len(near) or np.abs(distance[near]).min() > SHOWN_WITHIN_MM:
            return None
        return near, distance[near]

    def _contains(self, k: int, patient: NDArray[np.float64]) -> bool:
        """Tell whether a point (3,) in mm, projected on a slice, lies in its image."""
        series, index = self.slices[k]
        item = self.study.series[series].slices[index]
        column, row = item.plane.to_pixel(patient)[0]
        return item.contains(float(column), float(row))

    def _candidates(
        self, near: NDArray[np.intp], distance: NDArray[np.float64], ranking: SliceRanking
    ) -> CandidateSlices:
        """Describe, for a fitted ranking, those of the slices near a point that may be chosen."""
        shown = np.abs(distance) <= SHOWN_WITHIN_MM
        shown[np.argsort(np.abs(distance), kind="stable")[_CANDIDATES:]] = False
        fitted = ranking.ranker is not None
        descriptors = np.array([self._describe(int(k)) for k in near[shown]]) if fitted else None
        return CandidateSlices(descriptors, self.offset[near], self.fraction[near], distance, shown)

    def _describe(self, k: int) -> NDArray[np.float32]:
        if k not in self._descriptors:
            series, index = self.slices[k]
            item = self.study.series[series].slices[index]
            self._descriptors[k] = describe(item.pixels, item.plane)
        return self._descriptors[k]

    def _look(self, chosen: Sequence[int]) -> None:
        """Compute the heatmaps (2, cells, cells) of slices, all at once."""
        places = [self.slices[k] for k in dict.fromkeys(chosen)]
        for series in {series for series, _ in places} - self._square.keys():
            self._square[series] = SquareImages.axial(self.study.series[series])
        if self.localizer is not None and places:
            images = np.array([self._square[series].cut(index) for series, index in places])
            self._maps |= dict(zip(places, self.localizer.predict(images)[0]))

    def _locate(self, chosen: int, canal: NDArray[np.float64]) -> RecessPair:
        """Both recesses on a slice: by the network where it is sure enough of both, else by geometry."""
        series, index = self.slices[chosen]
        plane = self.study.series[series].slices[index].plane
        expected = plane.to_pixel(recesses_beside(canal))
        points, confidence, located_by = expected, np.full(len(Side), _GEOMETRY_CONFIDENCE), "geometry"
        if self.localizer is not None:
            peaks, mass = self._peaks(series, index, expected)
            if mass.min() > _LEAST_MASS:
                points, confidence, located_by = peaks, np.clip(mass, 0, 1), "network"
        return RecessPair(series, index, points, plane.to_patient(points), confidence, located_by)

    def _peaks(
        self, series: int, index: int, expected: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Peaks (2, 2) px of the heatmaps near the expected points (2, 2) px, and the mass (2,) around them."""
        square, points, mass = self._square[series], [], []
        for heatmap, point in zip(self._maps[series, index], expected):
            weight = square.closeness(index, point, _NEAR_GEOMETRY_MM)
            best = peak((heatmap * weight).astype(np.float32))
            points.append(square.to_slice(index, best[:2]))
            mass.append(best[2])
        return np.array(points), np.array(mass)
