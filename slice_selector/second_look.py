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

_AROUND_MM = ((0.0, 0.0), (5.0, 0.0), (-5.0, 0.0), (0.0, 5.0), (0.0, -5.0))
"""Where the crops of a second look are, seen from the point; what they find is averaged."""


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

        Returns
        -------
        History
            The losses by epoch.
        """
        from lsdc.slice_selector.second_look_training import train_second_look

        return train_second_look(self.network, closeups, recipe, start, batch, judge)

    def look(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> Look:
        """Look again at points of a series: once to center them, then from five places.

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
        Look
            Of the n points.
        """
        centered, _, _ = self._from(cutter, slices, points)
        views = []
        for across, down in _AROUND_MM:
            plane_points = [
                cutter.unplace(k, (float(x), float(y)), ((LOOK_PX - 1) / 2 + across * LOOK_PX / LOOK_MM,
                               (LOOK_PX - 1) / 2 + down * LOOK_PX / LOOK_MM), LOOK_MM, LOOK_PX)
                for k, (x, y) in zip(slices, centered)
            ]  # fmt: skip
            views.append(self._from(cutter, slices, np.array(plane_points)))
        found, mass, _ = (np.mean(part, axis=0) for part in zip(*views))
        return Look(found, mass)

    def marked(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Tell how likely readers mark foramina on slices.

        Parameters
        ----------
        cutter : Cutter
            Of the series.
        slices : (n,) int
            Which slices.
        points : (n, 2) float
            Column and row of a foramen in that slice, px.

        Returns
        -------
        (n,) float64
            Probability of each slice against its neighbors.
        """
        return self._from(cutter, slices, points)[2]

    def _from(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Points, masses and probabilities of being marked, as seen on crops around points."""
        centers = [(float(x), float(y)) for x, y in points]
        crops = np.array([cutter.cut(k, center, LOOK_MM, LOOK_PX) for k, center in zip(slices, centers)])
        maps, marked = probabilities(self._model.logits(crops)[0])
        peaks = np.array([peak(heatmap[0]) for heatmap in maps])
        places = [
            cutter.unplace(k, center, (float(best[0]), float(best[1])), LOOK_MM, LOOK_PX)
            for k, center, best in zip(slices, centers, peaks)
        ]
        shown = marked[:, 0].astype(float)
        return np.array(places), peaks[:, 2] / np.maximum(shown, 1e-9), shown

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
