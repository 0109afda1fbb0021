"""Which slice shows a target best: rows for the ranker from descriptors and geometry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from lsdc.cohort.mean_positions import slice_fraction
from lsdc.cohort.vocabulary import TARGETS, Family, Level, Side, Target, View
from lsdc.runtime.estimators import load_estimator, save_estimator
from lsdc.slice_selector.ranker import EnsembleRanker
from lsdc.slice_selector.training_example import SelectorExample

AXIAL_REACH = 15.0
"""mm from a level within which axial slices are considered."""
_SPREAD = {Family.SPINAL: 3.5, Family.FORAMINAL: 3.5, Family.SUBARTICULAR: 3.0}
"""mm from the annotated slice at which relevance has fallen to exp(-1/2)."""
_MOST_ROWS = 4000
_COMPONENTS = 20


def geometry(target: Target, offset: NDArray, fraction: NDArray, distance: NDArray) -> NDArray[np.float64]:
    """Geometric features of slices for a target; (n, 5).

    Right-sided targets see mirrored offsets, so that left and right share a ranker.

    Parameters
    ----------
    target : Target
        Decides side and level.
    offset, fraction : (n,) float
        See `SelectorExample`.
    distance : (n,) float
        Signed distance to the level, mm, for axial slices.
    """
    level = np.full(len(offset), list(Level).index(target.level), float)
    if target.condition.family is Family.SUBARTICULAR:
        order = np.abs(distance).argsort().argsort()
        return np.stack([distance / 5, np.abs(distance) / 5, order, level, fraction], axis=1)
    sign = -1.0 if target.condition.side is Side.RIGHT else 1.0
    part = fraction if sign > 0 else 1 - fraction
    return np.stack([sign * offset / 10, np.abs(offset) / 10, part, level, np.abs(part - 0.5)], axis=1)


class SliceRanking:
    """The ranker of one family of conditions with the compression of its descriptors.

    Parameters
    ----------
    family : Family
        Which targets.
    seed : int
        Of everything random.
    """

    def __init__(self, family: Family, seed: int = 0) -> None:
        self.family, self.seed = family, seed
        self.pca: PCA | None = None
        self.ranker: EnsembleRanker | None = None

    def fit(self, examples: Sequence[SelectorExample]) -> Self:
        """Fit on annotated slices; without any, the geometry alone ranks."""
        rng = np.random.default_rng(self.seed)
        rows = [row for k, example in enumerate(examples) for row in self._rows(example, k)]
        if not rows:
            return self
        parts = [np.concatenate(part) for part in zip(*rows)]
        take = rng.permutation(len(parts[0]))[:_MOST_ROWS]
        descriptors, places, relevance, groups = (part[take] for part in parts)
        if len(np.unique(groups)) < 2 or len(take) < 4 * _COMPONENTS:
            return self
        self.pca = PCA(_COMPONENTS, random_state=self.seed).fit(descriptors)
        features = np.concatenate([places, self.pca.transform(descriptors)], axis=1)
        self.ranker = EnsembleRanker(random_state=self.seed).fit(features, relevance, groups)
        return self

    def _rows(self, example: SelectorExample, group: int) -> list[tuple[NDArray, NDArray, NDArray, NDArray]]:
        result = []
        for k, target in enumerate(TARGETS):
            if target.condition.family is not self.family or example.annotated[k] < 0:
                continue
            wanted = int(example.annotated[k])
            near = example.series == example.series[wanted]
            level = list(Level).index(target.level)
            distance = example.distance[:, level]
            if self.family is Family.SUBARTICULAR:
                near = (example.view == list(View).index(View.AXIAL_T2)) & (np.abs(distance) < AXIAL_REACH)
                away = distance - distance[wanted]
            else:
                away = example.offset - example.offset[wanted]
            place = geometry(target, example.offset[near], example.fraction[near], distance[near])
            if not near.any() or not np.isfinite(place).all() or not np.isfinite(away[near]).all():
                continue
            relevance = np.exp(-0.5 * (away[near] / _SPREAD[self.family]) ** 2)
            result.append((example.descriptors[near], place, relevance, np.full(near.sum(), group)))
        return result

    def score(
        self,
        targets: Sequence[Target],
        descriptors: NDArray,
        offset: NDArray,
        fraction: NDArray,
        distance: NDArray,
    ) -> NDArray[np.float64]:
        """Relevance of n slices for each target; (targets, n), larger is better."""
        if self.ranker is None or self.pca is None:
            if self.family is Family.SUBARTICULAR:
                return np.stack([-np.abs(distance) for _ in targets])
            return np.stack([-np.abs(fraction - slice_fraction(target)) for target in targets])
        places = np.concatenate([geometry(target, offset, fraction, distance) for target in targets])
        compressed = np.tile(self.pca.transform(descriptors), (len(targets), 1))
        return self.ranker.predict(np.concatenate([places, compressed], axis=1)).reshape(len(targets), -1)

    def save(self, folder: Path) -> None:
        """Write into a folder; an unfitted ranking leaves nothing."""
        if self.ranker is not None:
            save_estimator(folder / f"{self.family}_ranker.skops", self.ranker)
            save_estimator(folder / f"{self.family}_pca.skops", self.pca)

    @classmethod
    def load(cls, folder: Path, family: Family) -> Self:
        """Read what `save` wrote."""
        ranking = cls(family)
        if (folder / f"{family}_ranker.skops").is_file():
            ranking.ranker = load_estimator(folder / f"{family}_ranker.skops")
            ranking.pca = load_estimator(folder / f"{family}_pca.skops")
        return ranking
