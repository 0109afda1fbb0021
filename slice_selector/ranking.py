"""Which slice shows a target best: rows for the ranker from descriptors and geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.mean_positions import slice_fraction
from lsdc.cohort.vocabulary import TARGETS, Family, Level, Side, Target, View
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.paths import PathLike
from lsdc.slice_selector.fitted_ranker import FittedRanker
from lsdc.slice_selector.former_ranker import read_former
from lsdc.slice_selector.training_example import SelectorExample

AXIAL_REACH_MM = 15.0
"""Axial slices within this distance from a level are ranked for it."""
_RELEVANCE_SPREAD_MM = {Family.SPINAL: 3.5, Family.FORAMINAL: 3.5, Family.SUBARTICULAR: 3.0}
"""Distance from the annotated slice at which relevance has fallen to exp(-1/2)."""
_MOST_ROWS = 4000
_COMPONENTS = 20


@dataclass(frozen=True)
class CandidateSlices:
    """Slices of one or more series of a view, among which the best for a target is sought.

    Parameters
    ----------
    descriptors : (m, d) float32 or None
        Of the m slices to be scored, as `lsdc.slice_selector.descriptors.describe` makes them; None for a ranking that
        is not fitted.
    offset : (n,) float
        Position along the series' normal from its middle, mm; towards the patient's left or head.
    fraction : (n,) float
        Position of the slice in its series, 0 to 1.
    distance : (n,) float
        Signed distance from the target's level, mm, for axial slices; NaN for sagittal ones.
    scored : (n,) bool or None
        Which of the slices may be the best, and get a score; the others only say among how many. None for all.
    """

    descriptors: NDArray[np.float32] | None
    offset: NDArray
    fraction: NDArray
    distance: NDArray
    scored: NDArray[np.bool_] | None = None


def geometric_features(target: Target, slices: CandidateSlices) -> NDArray[np.float64]:
    """Compute what the ranker knows of each slice besides its descriptor.

    Right-sided targets see mirrored offsets, so that left and right teach one ranker.

    Parameters
    ----------
    target : Target
        Decides side and level.
    slices : CandidateSlices
        The n slices.

    Returns
    -------
    (n, 5) float64
        Sagittal: offset and its size (cm), fraction, level (0 to 4), distance of the fraction from one half. Axial:
        distance and its size (5 mm), rank by distance, level (0 to 4), fraction.
    """
    level = np.full(len(slices.offset), list(Level).index(target.level), float)
    if target.condition.family is Family.SUBARTICULAR:
        distance = slices.distance
        order = np.abs(distance).argsort().argsort()
        return np.stack([distance / 5, np.abs(distance) / 5, order, level, slices.fraction], axis=1)
    sign = -1.0 if target.condition.side is Side.RIGHT else 1.0
    part = slices.fraction if sign > 0 else 1 - slices.fraction
    offset = slices.offset
    return np.stack([sign * offset / 10, np.abs(offset) / 10, part, level, np.abs(part - 0.5)], axis=1)


class SliceRanking:
    """Scores slices for the targets of one family of conditions, from compressed descriptors and geometry.

    Parameters
    ----------
    family : Family
        Which targets.
    seed : int
        Of the choice of rows, the compression and the ranker.

    Attributes
    ----------
    ranker : FittedRanker or None
        Compression of the descriptors and ranker; None until fitted: then geometry alone ranks.
    """

    def __init__(self, family: Family, seed: int = 0) -> None:
        self.family, self.seed = family, seed
        self.ranker: FittedRanker | None = None

    def fit(self, examples: Sequence[SelectorExample]) -> Self:
        """Fit on annotated slices and their neighbors in the same series.

        Parameters
        ----------
        examples : sequence of SelectorExample
            Studies; with annotations from fewer than two of them, or with fewer than 80 rows, the ranking stays
            unfitted and geometry alone ranks.

        Returns
        -------
        SliceRanking
            Itself.
        """
        # Imported here, as what fits takes longer to import than what was fitted takes to locate a study.
        from sklearn.decomposition import PCA

        from lsdc.slice_selector.ranker import EnsembleRanker

        rng = np.random.default_rng(self.seed)
        rows = [row for k, example in enumerate(examples) for row in self._training_rows(example, k)]
        if not rows:
            return self
        parts = [np.concatenate(part) for part in zip(*rows)]
        take = rng.permutation(len(parts[0]))[:_MOST_ROWS]
        descriptors, geometry, relevance, groups = (part[take] for part in parts)
        if len(np.unique(groups)) < 2 or len(take) < 4 * _COMPONENTS:
            return self
        pca = PCA(_COMPONENTS, random_state=self.seed).fit(descriptors)
        features = np.concatenate([geometry, pca.transform(descriptors)], axis=1)
        ranker = EnsembleRanker(random_state=self.seed).fit(features, relevance, groups)
        self.ranker = ranker.fitted(pca)
        return self

    def _training_rows(
        self, example: SelectorExample, group: int
    ) -> Iterator[tuple[NDArray, NDArray, NDArray, NDArray]]:
        """Descriptors, geometry, relevance and group of the slices near each annotated one."""
        if not len(example.descriptors):
            return
        for k, target in enumerate(TARGETS):
            if target.condition.family is not self.family or example.annotated[k] < 0:
                continue
            wanted = int(example.annotated[k])
            near = example.series == example.series[wanted]
            distance = example.distance[:, list(Level).index(target.level)]
            if self.family is Family.SUBARTICULAR:
                near = (example.view == list(View).index(View.AXIAL_T2)) & (np.abs(distance) < AXIAL_REACH_MM)
                from_wanted = distance - distance[wanted]
            else:
                from_wanted = example.offset - example.offset[wanted]
            slices = CandidateSlices(None, example.offset[near], example.fraction[near], distance[near])
            geometry = geometric_features(target, slices)
            if not near.any() or not np.isfinite(geometry).all() or not np.isfinite(from_wanted[near]).all():
                continue
            relevance = np.exp(-0.5 * (from_wanted[near] / _RELEVANCE_SPREAD_MM[self.family]) ** 2)
            yield example.descriptors[near], geometry, relevance, np.full(near.sum(), group)

    def score(self, asked: Sequence[tuple[Target, CandidateSlices]]) -> list[NDArray[np.float64]]:
        """Score slices for targets of the family, all in one go.

        Parameters
        ----------
        asked : sequence of (Target, CandidateSlices)
            Each target with its n slices, of its view.

        Returns
        -------
        list of (n,) float64
            Relevance; larger is better, minus infinity where none is asked for. Unfitted: minus the distance from the
            level (axial) or from the mean fraction of the target (sagittal).
        """
        masks = [
            np.ones(len(slices.offset), bool) if slices.scored is None else slices.scored
            for _, slices in asked
        ]
        found = []
        for mask, relevance in zip(masks, self._relevance(asked, masks)):
            found.append(np.full(len(mask), -np.inf))
            found[-1][mask] = relevance
        return found

    def _relevance(
        self, asked: Sequence[tuple[Target, CandidateSlices]], masks: Sequence[NDArray[np.bool_]]
    ) -> Sequence[NDArray[np.float64]]:
        """Compute the relevance of the slices that are to be scored, of each target."""
        if self.ranker is None or not asked:
            return [-np.abs(self._off(*one))[mask] for one, mask in zip(asked, masks)]
        described = [slices.descriptors for _, slices in asked if slices.descriptors is not None]
        geometry = [geometric_features(*one)[mask] for one, mask in zip(asked, masks)]
        compressed = self.ranker.transform(np.concatenate(described))
        relevance = self.ranker.predict(np.concatenate([np.concatenate(geometry), compressed], axis=1))
        return np.split(relevance, np.cumsum([mask.sum() for mask in masks])[:-1])

    def _off(self, target: Target, slices: CandidateSlices) -> NDArray[np.float64]:
        """Measure how far slices are from where the target is expected, mm or as a fraction of the series."""
        axial = self.family is Family.SUBARTICULAR
        return slices.distance if axial else slices.fraction - slice_fraction(target)

    def save(self, folder: PathLike) -> None:
        """Write ranker and compression as one file of arrays; an unfitted ranking writes nothing.

        Parameters
        ----------
        folder : path
            Must exist; the file is named after the family.
        """
        if self.ranker is not None:
            self.ranker.save(Path(folder) / f"{self.family}_ranker.safetensors")

    @classmethod
    def load(cls, folder: PathLike, family: Family) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        folder : path
            Where the file is; version 0.1 wrote two skops files, which are read as arrays.
        family : Family
            Whose ranking.

        Returns
        -------
        SliceRanking
            Unfitted where the folder has no ranker of the family.

        Raises
        ------
        ArtifactError
            When a file is damaged.
        """
        ranking, path = cls(family), Path(folder) / f"{family}_ranker.safetensors"
        former = path.with_suffix(".skops")
        try:
            if path.is_file():
                ranking.ranker = FittedRanker.load(path)
            elif former.is_file():
                path = former
                ranking.ranker = read_former(former, former.with_name(f"{family}_pca.skops"))
        except (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise ArtifactError(
                f"{path}: damaged ({ascii(str(error))[1:300]}); make the selector again"
            ) from error
        return ranking
