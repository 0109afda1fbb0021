"""The second look: the foramen nearest to the middle of a crop, and whether this is the slice to mark it on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History, Recipe
from lsdc.slice_selector.closeups import LOOK_MM, LOOK_PX, Closeups
from lsdc.slice_selector.heatmap_decoding import peak, probabilities
from lsdc.slice_selector.point_model import PointModel

if TYPE_CHECKING:
    from lsdc.slice_selector.network import PointNetwork

_AROUND_PX = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]) * 5
"""Where the crops of a second look are, seen from the point (5 mm); what they find is averaged."""
_MARGIN_PX = int(_AROUND_PX.max())
_MARGIN_MM = _MARGIN_PX * LOOK_MM / LOOK_PX
"""By so much a crop that holds all of them is larger at each side."""


class Glance(NamedTuple):
    """What one crop around each point shows.

    Parameters
    ----------
    points : (n, 2) float64
        Column and row in the slice, px, of the foramen nearest to the middle of the crop.
    marked : (n,) float64
        Probability that readers mark the foramen on this slice and on none of its neighbors.
    """

    points: NDArray[np.float64]
    marked: NDArray[np.float64]


class Look(NamedTuple):
    """What a second look found.

    Parameters
    ----------
    points : (n, 2) float64
        Column and row in the slice, px.
    mass : (n,) float64
        Probability, given that the foramen is there, that it is where the point is (10 mm to each side).
    """

    points: NDArray[np.float64]
    mass: NDArray[np.float64]


class SecondLook:
    """Finds a foramen more exactly, on crops around the point where the localizer has put it.

    Parameters
    ----------
    model : PointModel, optional
        The network's weights; by default random ones that are the same every time. `fit` begins with those of a
        localizer.
    """

    def __init__(self, model: PointModel | None = None) -> None:
        self._model = model or PointModel("second_look")

    @property
    def network(self) -> PointNetwork:
        """The network as torch has it, which may be trained; from now on it is what computes."""
        return self._model.network

    def fit(
        self,
        closeups: Closeups,
        recipe: Recipe,
        *,
        start: PointNetwork,
        batch: int = 64,
        judge: Closeups | None = None,
        most: int | None = None,
    ) -> History:
        """Train on close-ups of marks, from the weights of a localizer.

        Parameters
        ----------
        closeups : Closeups
            At least `batch`.
        recipe : Recipe
            How to train.
        start : PointNetwork
            With the same backbone; all of its weights but those of its last layers are taken over.
        batch : int
            Crops per step.
        judge : Closeups, optional
            Of other studies; the epoch with the least loss on them is kept.
        most : int, optional
            Close-ups of an epoch, drawn anew for each; by default all.

        Returns
        -------
        History
            The losses by epoch.
        """
        from lsdc.slice_selector.second_look_training import train_second_look

        return train_second_look(self.network, closeups, recipe, start, batch, judge, most)

    def glance(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> Glance:
        """Look once at points of a series, to tell slices apart and to center what `look` looks at.

        Parameters
        ----------
        cutter : Cutter
            Of the series.
        slices : (n,) int
            Slice of each point.
        points : (n, 2) float
            Column and row in that slice, px, at most about 15 mm wrong.

        Returns
        -------
        Glance
            Of the n points.
        """
        centers = _centers(points)
        crops = np.array([cutter.cut(k, center, LOOK_MM, LOOK_PX) for k, center in zip(slices, centers)])
        peaks, shown = self._peaks(crops)
        places = [
            cutter.unplace(k, center, (float(x), float(y)), LOOK_MM, LOOK_PX)
            for k, center, (x, y, _) in zip(slices, centers, peaks)
        ]
        return Glance(np.array(places), shown)

    def look(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> Look:
        """Look from five places around points that a glance has centered.

        Parameters
        ----------
        cutter : Cutter
            Of the series.
        slices : (n,) int
            Slice of each point.
        points : (n, 2) float
            Column and row in that slice, px, as `glance` gives them.

        Returns
        -------
        Look
            Of the n points.
        """
        centers, mm, px = _centers(points), LOOK_MM + 2 * _MARGIN_MM, LOOK_PX + 2 * _MARGIN_PX
        wide = np.array([cutter.cut(k, center, mm, px) for k, center in zip(slices, centers)])
        crops = [wide[:, top : top + LOOK_PX, left : left + LOOK_PX] for left, top in _AROUND_PX + _MARGIN_PX]
        peaks, shown = self._peaks(np.concatenate(crops))
        seen = peaks.reshape(len(crops), len(centers), 3)
        found = (seen[..., :2] + (_AROUND_PX + _MARGIN_PX)[:, None]).mean(axis=0)
        places = [
            cutter.unplace(k, center, (float(x), float(y)), mm, px)
            for k, center, (x, y) in zip(slices, centers, found)
        ]
        mass = seen[..., 2] / np.maximum(shown.reshape(seen.shape[:2]), 1e-9)
        return Look(np.array(places), mass.mean(axis=0))

    def _peaks(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Peaks (n, 3) on crops, as `peak` gives them, and probabilities (n,) that these slices are marked."""
        maps, marked = probabilities(self._model.logits(crops)[0])
        return np.array([peak(heatmap[0]) for heatmap in maps]), marked[:, 0].astype(float)

    def save(self, path: PathLike) -> None:
        """Write the weights as half-precision safetensors.

        Parameters
        ----------
        path : path
            The file; what is there is replaced.
        """
        self._model.save(Path(path))

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read weights.

        Parameters
        ----------
        path : path
            What `save` wrote.

        Returns
        -------
        SecondLook
            In single precision, on the CPU.

        Raises
        ------
        ArtifactError
            When the file is absent, damaged, or of another network.
        """
        return cls(PointModel.load(Path(path), "second_look"))


def _centers(points: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Points (n, 2) as a cutter takes them."""
    return [(float(x), float(y)) for x, y in points]
