"""Canal and foramina on sagittal series: the ranker chooses slices, the localizer points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.mean_positions import mean_offsets
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Family, Level, Side, Target
from lsdc.slice_selector.descriptors import Descriptor, describe
from lsdc.slice_selector.heatmap_decoding import STRIDE, agreement, level_doubt, masses, ordered_levels
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.ranking import CandidateSlices, SliceRanking
from lsdc.slice_selector.search_window import find_window
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.square_images import N_LEVELS, SAGITTAL_MM, SAGITTAL_PX
from lsdc.slice_selector.training_example import series_geometry
from lsdc.slice_selector.vertebra_classes import chained_vertebrae

_CELL_MM = SAGITTAL_MM * STRIDE / SAGITTAL_PX
_CANDIDATES = 3
"""The heatmaps of so many best slices are averaged."""
_CANAL_FRACTION = 0.26
"""The canal is sought on slices so near to the middle of their series, as a fraction of it: five times the spread of
readers' marks."""
_BESIDE_MIDLINE_MM = 4.0
"""A slice nearer to the midline than this shows no foramen of either side."""
_BOTH_SIDES_MM = 35.0
"""What is narrower may be one half of a torn series, whose slices all lie on one side."""
_BETWEEN_SIDES_MM = 12.0
"""A gap as between the foramina of both sides: of a series without its middle slices, as readers' marks leave it."""
_MARKED_WEIGHT = 2.0
"""What the second look's probability that a slice is marked counts beside the ranker's relevance, both 0 to 1."""
_SIDES_MM = 8.0
"""Spread of the foramina of one side around where those of both sides together are."""
_NEAR_CANAL_MM = 16.0
"""Spread of foraminal points around the canal's point of their level."""
_LEAST_CONFIDENCE = 0.08
"""Where the mean mass of the points is below this, the heatmaps say nothing, and mean positions are used."""
_MEAN_POSITION_CONFIDENCE = 0.05


@dataclass(frozen=True)
class LevelLocations:
    """The five levels of one condition, located on one series.

    Parameters
    ----------
    series : int
        Index into the study's series.
    slices : (5,) int
        Chosen slice per level.
    points : (5, 2) float64
        Column and row on that slice, px.
    patient : (5, 3) float64
        The same in the patient, mm towards left, posterior, head; without meaning where the series is not placed.
    confidence : (5,) float64
        0 to 1.
    located_by : str
        `network` or `mean_position`.
    doubt : float
        That all levels are one too high or too low, as `level_doubt` tells it; NaN for mean positions.
    """

    series: int
    slices: NDArray[np.intp]
    points: NDArray[np.float64]
    patient: NDArray[np.float64]
    confidence: NDArray[np.float64]
    located_by: str
    doubt: float = float("nan")


class SagittalSearch:
    """Locates conditions on one sagittal series; descriptors and heatmaps are computed once for all of them.

    Parameters
    ----------
    study : Study
        Where the series is.
    index : int
        Index of the series in the study.
    localizer : Localizer or None
        With None, points are mean positions.
    """

    def __init__(self, study: Study, index: int, localizer: Localizer | None) -> None:
        self.study, self.series = study, study.series[index]
        self.index, self.localizer = index, localizer
        self.square = find_window(study, index, localizer)
        offset, fraction = series_geometry(self.series)
        self.slices = CandidateSlices(None, offset, fraction, np.full(len(offset), np.nan))
        self._descriptors: dict[int, Descriptor] = {}
        self._maps: dict[int, NDArray[np.float32]] = {}
        self._chained: list[int] = []

    def _described(self, family: Family) -> CandidateSlices:
        """Describe the slices that may show the family, for a fitted ranking."""
        scored = np.ones(len(self.slices.offset), bool)
        if family is Family.SPINAL:
            off_middle = np.abs(self.slices.fraction - 0.5)
            scored = off_middle <= max(_CANAL_FRACTION, np.sort(off_middle)[:_CANDIDATES][-1])
        descriptors = np.array([self._descriptor(int(k)) for k in np.nonzero(scored)[0]])
        return replace(self.slices, descriptors=descriptors, scored=scored)

    def _descriptor(self, k: int) -> Descriptor:
        """Describe a slice, once."""
        if k not in self._descriptors:
            item = self.series.slices[k]
            self._descriptors[k] = describe(item.pixels, item.plane)
        return self._descriptors[k]

    @property
    def chained(self) -> int:
        """How many neighboring vertebrae follow each other on the best of the slices that were looked at, 0 to 5."""
        return max(self._chained, default=0)

    def midline(self, canal: LevelLocations | None) -> float | None:
        """Find where the patient's midline is in this series.

        Parameters
        ----------
        canal : LevelLocations or None
            The canal's points as another series shows them. Points that this series itself gave say nothing of its
            midline where it has no slice there, so they are not used.

        Returns
        -------
        float or None
            mm from the middle of the series towards the patient's left, which may be outside of the series; None
            where no other series tells.
        """
        if canal is None or canal.series == self.index or not self.series.placed:
            return None
        finite = np.isfinite(canal.patient).all(axis=1)
        other = self.study.series[canal.series]
        if not finite.any() or not self.study.may_share_coordinates(self.series, other):
            return None
        plane = self.series.slices[0].plane
        towards_left = 1.0 if plane.normal[0] > 0 else -1.0
        offsets = self.slices.offset[0] + towards_left * plane.distance(canal.patient[finite])
        return float(np.median(offsets))

    def shows(self, side: Side, midline: float | None) -> bool:
        """Tell whether a slice lies where the foramina of a side are.

        Parameters
        ----------
        side : Side
            The patient's.
        midline : float or None
            From `midline`.

        Returns
        -------
        bool
            True where the midline is not known: `covers_both_sides` tells whether that is to be believed.
        """
        if midline is None:
            return True
        towards_side = 1 if side is Side.LEFT else -1
        return bool((towards_side * (self.slices.offset - midline) >= _BESIDE_MIDLINE_MM).any())

    @property
    def covers_both_sides(self) -> bool:
        """Whether its slices spread as far as those of both sides do, wherever the midline is."""
        positions = np.sort(self.slices.offset)
        return bool(
            np.ptp(positions) >= _BOTH_SIDES_MM or np.diff(positions).max(initial=0) >= _BETWEEN_SIDES_MM
        )

    def find(
        self,
        conditions: Sequence[Condition],
        ranking: SliceRanking,
        near: NDArray[np.float64] | None = None,
        midline: float | None = None,
        second_look: SecondLook | None = None,
    ) -> list[LevelLocations]:
        """Locate the five levels of conditions of a family.

        Parameters
        ----------
        conditions : sequence of Condition
            The canal, or both foramina, whose levels are the same: they are counted on the slices of both sides.
        ranking : SliceRanking
            Of the family; chooses the slices.
        near : (5, 3) float or None
            Canal points, mm, in whose neighborhood foramina are sought; rows of NaN are left out.
        midline : float or None
            From `midline`; by default the middle of the series. A foramen is sought only on slices of its own side
            of it: ask only for sides that the series `shows`.
        second_look : SecondLook or None
            Moves foramina to where it sees them, and has a say in which slices show them.

        Returns
        -------
        list of LevelLocations
            One per condition: by the network; by mean positions where there is no localizer or its heatmaps say
            nothing.
        """
        family = conditions[0].family
        slices = self.slices if ranking.ranker is None else self._described(family)
        targets = [Target(condition, level) for condition in conditions for level in Level]
        every = np.array(ranking.score([(target, slices) for target in targets]))
        scores = list(every.reshape(len(conditions), N_LEVELS, -1))
        best = [np.argsort(score.mean(axis=0))[::-1][:_CANDIDATES] for score in scores]
        # Only one side's slices show a foramen.
        allowed = [self._on_side(condition.side, midline) for condition in conditions]
        scores = [np.where(mine, score, -np.inf) for mine, score in zip(allowed, scores)]
        if self.localizer is None:
            return [self._mean_positions(family, score.argmax(axis=1), near) for score in scores]
        seen = np.stack([self._heatmaps(own, family).mean(axis=0) for own in best])
        together = seen[0]
        if len(conditions) > 1:
            together = agreement(self._heatmaps(np.unique(np.concatenate(best)), family))
        if near is not None:
            neighborhood = self._neighborhood(near, int(best[0][0]))
            seen, together = seen * neighborhood, together * neighborhood
        counted = ordered_levels(together, _CELL_MM)
        doubt = level_doubt(together, counted)
        found = []
        for maps, score, mine in zip(seen, scores, allowed):
            fitted = ranking.ranker is not None
            chosen = score.argmax(axis=1) if fitted else self._showing_most(score, mine, family)
            points, confidence = counted[:, :2], counted[:, 2]
            if len(conditions) > 1:
                points = ordered_levels(maps * self._around(points), _CELL_MM)[:, :2]
                confidence = masses(maps, points)
            if confidence.mean() < _LEAST_CONFIDENCE:
                found.append(self._mean_positions(family, chosen, near))
                continue
            confidence = np.clip(confidence, 0, 1)
            if second_look is None:
                points = self._to_slices(chosen, points)
            else:
                chosen, centers = self._marked_slices(second_look, score, points)
                look = second_look.look(self.square.cutter, chosen, centers)
                points, confidence = look.points, confidence * look.mass
            found.append(self._located(chosen, points, confidence, "network", doubt))
        return found

    def _showing_most(
        self, scores: NDArray[np.float64], allowed: NDArray[np.bool_], family: Family
    ) -> NDArray[np.intp]:
        """Choose, per level, the slice that shows most of it among those of the best mean scores (5, slices)."""
        best = np.argsort(scores.mean(axis=0))[::-1][: min(_CANDIDATES, int(allowed.sum()))]
        return best[self._heatmaps(best, family).sum(axis=(2, 3)).argmax(axis=0)]

    def _marked_slices(
        self, second_look: SecondLook, scores: NDArray[np.float64], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Choose, per level, among the slices of the best scores (5, slices) where a reader would mark the foramen.

        What a glance found there, (5, 2) px, is given too.
        """
        order = np.argsort(-scores, axis=1, kind="stable")[:, :_CANDIDATES]
        rows, slices = np.repeat(np.arange(N_LEVELS), order.shape[1]), order.ravel()
        glance = second_look.glance(self.square.cutter, slices, self._to_slices(slices, points[rows]))
        total = np.take_along_axis(scores, order, axis=1) + _MARKED_WEIGHT * glance.marked.reshape(
            order.shape
        )
        best = np.arange(N_LEVELS), total.argmax(axis=1)
        return order[best], glance.points.reshape(*order.shape, 2)[best]

    def _on_side(self, side: Side | None, midline: float | None) -> NDArray[np.bool_]:
        """Which slices (n,) lie on the patient's side; all where no side is asked for, or a single slice is all."""
        offset, middle = np.asarray(self.slices.offset), midline or 0.0
        on_side = offset > middle if side is Side.LEFT else offset < middle
        return on_side if side is not None and on_side.any() else np.ones(len(offset), bool)

    def _mean_positions(
        self, family: Family, chosen: NDArray[np.intp], near: NDArray[np.float64] | None
    ) -> LevelLocations:
        """Take the canal's points where they are known, else the mean positions of the real cohort."""
        if near is not None and np.isfinite(near).all():
            points = np.array([
                self.series.slices[int(k)].plane.to_pixel(point)[0] for k, point in zip(chosen, near)
            ])  # fmt: skip
        else:
            px_per_mm = SAGITTAL_PX / SAGITTAL_MM
            points = self._to_slices(chosen, mean_offsets(family) * px_per_mm + (SAGITTAL_PX - 1) / 2)
        confidence = np.full(N_LEVELS, _MEAN_POSITION_CONFIDENCE)
        return self._located(chosen, points, confidence, "mean_position")

    def _heatmaps(self, slices: NDArray[np.intp], family: Family) -> NDArray[np.float32]:
        """Compute heatmaps (slices, 5, cells, cells) of a family's levels."""
        assert self.localizer is not None
        new = [int(k) for k in slices if int(k) not in self._maps]
        if new:
            maps, _, classes = self.localizer.look(np.array([self.square.cut(k) for k in new]))
            self._maps |= dict(zip(new, maps))
            self._chained += (
                [] if classes is None else [chained_vertebrae(item, _CELL_MM) for item in classes]
            )
        first = N_LEVELS if family is Family.FORAMINAL else 0
        return np.array([self._maps[int(k)][first : first + N_LEVELS] for k in slices])

    def _neighborhood(self, near: NDArray[np.float64], index: int) -> NDArray[np.float64]:
        """Compute weights (5, cells, cells) that fall with the distance from each level's canal point on a slice."""
        plane, cells = self.series.slices[index].plane, SAGITTAL_PX // STRIDE
        result = np.ones((N_LEVELS, cells, cells))
        for level, point in enumerate(near):
            if np.isfinite(point).all():
                result[level] = self.square.closeness(index, plane.to_pixel(point)[0], _NEAR_CANAL_MM)
        return result

    def _around(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute weights (5, cells, cells) that fall with the distance from points (5, 2) px of the image."""
        return np.stack([self.square.closeness_to(x, y, _SIDES_MM) for x, y in points])

    def _to_slices(self, chosen: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([self.square.to_slice(int(k), point) for k, point in zip(chosen, points)])

    def _located(
        self,
        chosen: NDArray,
        points: NDArray,
        confidence: NDArray,
        located_by: str,
        doubt: float = float("nan"),
    ) -> LevelLocations:
        patient = np.array([
            self.series.slices[int(k)].plane.to_patient([point])[0] for k, point in zip(chosen, points)
        ])  # fmt: skip
        return LevelLocations(self.index, chosen, points, patient, confidence, located_by, doubt)
