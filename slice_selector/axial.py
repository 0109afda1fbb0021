"""Recesses on axial series: slices by the nearest plane and the ranker, points by the localizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.mean_positions import RECESS_BEHIND_MM, RECESS_BESIDE_MM
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Level, Side, Target, View
from lsdc.slice_selector.descriptors import describe
from lsdc.slice_selector.heatmap_decoding import peak
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.network import STRIDE
from lsdc.slice_selector.ranking import AXIAL_REACH, SliceRanking
from lsdc.slice_selector.training_example import AXIAL_MM, AXIAL_PX, N_LEVELS, image_center, series_geometry

ACCEPTED_MM = 8.0
"""A slice farther than this from a level does not show it."""
_AROUND_MM = 9.0
"""Spread of recesses around where the canal's point puts them, mm."""


@dataclass(frozen=True)
class Recess:
    """The two recesses of a level on an axial slice.

    Parameters
    ----------
    series, slice : int
        Where.
    points : (2, 2) float
        Column and row of the patient's left and right recess, px.
    patient : (2, 3) float
        The same, mm.
    confidence : (2,) float
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
    """Where the left and right recess lie beside a canal point (3,), mm; shape (2, 3)."""
    return canal + np.array([[sign * RECESS_BESIDE_MM, -RECESS_BEHIND_MM, 0] for sign in (1, -1)])


class AxialSearch:
    """Finds levels on the axial series of a study whose place is known, or on all where none's is.

    Parameters
    ----------
    study : Study
        Any number of axial series.
    localizer : Localizer or None
        None: points by geometry.
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
        self._cutters: dict[int, Cutter] = {}

    @property
    def placed(self) -> bool:
        """Whether points found on sagittal series tell anything about these."""
        return bool(self.series) and self.study.series[self.series[0]].placed

    def spread_levels(self) -> NDArray[np.float64]:
        """Canal points guessed from the stacks alone, where no sagittal series leads there; (5, 3) mm."""
        centers = np.array([
            self.study.series[k].slices[i].plane.to_patient([image_center(self.study.series[k], i)])[0]
            for k, i in self.slices
        ])  # fmt: skip
        order = centers[np.argsort(-centers[:, 2])]
        take = np.round(np.linspace(0.1, 0.9, N_LEVELS) * (len(order) - 1)).astype(int)
        return order[take]

    def find(self, level: Level, canal: NDArray[np.float64], ranking: SliceRanking) -> Recess | None:
        """Find a level's recesses near its canal point (3,), mm; None when no slice comes near enough."""
        away = np.array([self.study.series[k].slices[i].plane.distance(canal)[0] for k, i in self.slices])
        near = np.nonzero(np.abs(away) < AXIAL_REACH)[0]
        if not len(near) or np.abs(away).min() > ACCEPTED_MM:
            return None
        descriptors = np.array([self._describe(int(k)) for k in near])
        target = Target(Condition.LEFT_SUBARTICULAR_STENOSIS, level)
        score = ranking.score([target], descriptors, self.offset[near], self.fraction[near], away[near])[0]
        score = np.where(np.abs(away[near]) > ACCEPTED_MM, -np.inf, score)
        series, index = self.slices[int(near[int(score.argmax())])]
        return self._points(series, index, canal)

    def _describe(self, k: int) -> NDArray[np.float32]:
        if k not in self._descriptors:
            series, index = self.slices[k]
            item = self.study.series[series].slices[index]
            self._descriptors[k] = describe(item.pixels, item.plane)
        return self._descriptors[k]

    def _points(self, series: int, index: int, canal: NDArray[np.float64]) -> Recess:
        found = self.study.series[series]
        plane, center = found.slices[index].plane, image_center(found, index)
        expected = plane.to_pixel(recesses_beside(canal))
        points, confidence, how = expected, np.full(len(Side), 0.3), "geometry"
        if self.localizer is not None:
            cutter = self._cutters.setdefault(series, Cutter(found, View.AXIAL_T2))
            maps = self.localizer.predict(cutter.cut(index, center, AXIAL_MM, AXIAL_PX)[None])[0][0]
            cells = np.arange(AXIAL_PX // STRIDE) * STRIDE + (STRIDE - 1) / 2
            here, mass = [], []
            for side, heatmap in enumerate(maps):
                pixel = (expected[side, 0], expected[side, 1])
                x, y = cutter.place(index, center, pixel, AXIAL_MM, AXIAL_PX)
                away = ((cells[None] - x) ** 2 + (cells[:, None] - y) ** 2) * (AXIAL_MM / AXIAL_PX) ** 2
                best = peak((heatmap * np.exp(-0.5 * away / _AROUND_MM**2)).astype(np.float32))
                here.append(cutter.unplace(index, center, (best[0], best[1]), AXIAL_MM, AXIAL_PX))
                mass.append(best[2])
            if min(mass) > 0.02:
                points, confidence, how = np.array(here), np.clip(mass, 0, 1), "network"
        return Recess(series, index, points, plane.to_patient(points), confidence, how)
