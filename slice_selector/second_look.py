"""The second look: the foramen nearest to the middle of a crop, and whether this is the slice to mark it on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.cropping import Cutter
from lsdc.runtime.artifact import write_weights
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training import train
from lsdc.slice_selector.augment import vary
from lsdc.slice_selector.closeups import CLOSEUP_MM, Closeups
from lsdc.slice_selector.heatmap_decoding import peak, probabilities
from lsdc.slice_selector.network import PointNetwork, load_weights, normalize, point_loss
from lsdc.slice_selector.square_images import ABSENT, PRESENT

LOOK_PX, LOOK_MM = 64, 64.0
"""Side of the crop that the network sees, px and mm."""
_BACKBONE = "mobilenetv3_small_100"
_OFF_MM = 10.0
"""In training the point is at most so far from the middle of the crop, across and down."""
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

    Attributes
    ----------
    network : PointNetwork
        Starts from random weights that are the same every time; `fit` begins with those of a localizer.
    """

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = PointNetwork(1, _BACKBONE)

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
        mine, theirs = self.network.state_dict(), start.state_dict()
        same = {name for name, value in mine.items() if theirs[name].shape == value.shape}
        self.network.load_state_dict({name: (theirs if name in same else mine)[name] for name in mine})
        steps = max(1, len(closeups.images) // batch)

        def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
            rng = np.random.default_rng([recipe.seed, epoch])
            order = rng.permutation(len(closeups.images))
            for k in range(steps):
                rows = order[k * batch : (k + 1) * batch]
                yield _ready(closeups, rows, torch.Generator().manual_seed(int(rng.integers(2**31))))

        def judged(network: torch.nn.Module) -> float:
            assert judge is not None
            rows = np.array_split(np.arange(len(judge.images)), max(1, len(judge.images) // 256))
            with torch.inference_mode():
                losses = [
                    float(point_loss(network, _ready(judge, part, torch.Generator().manual_seed(k))))
                    for k, part in enumerate(rows)
                ]
            return float(np.mean(losses))

        return train(
            self.network, batches, point_loss, recipe, steps_per_epoch=steps, device=torch.device("cpu"),
            evaluate=None if judge is None or not len(judge.images) else judged, description="second look",
        )  # fmt: skip

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

    @torch.inference_mode()
    def _from(
        self, cutter: Cutter, slices: Sequence[int] | NDArray[np.intp], points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Points, masses and probabilities of being marked, as seen on crops around points."""
        centers = [(float(x), float(y)) for x, y in points]
        crops = np.array([cutter.cut(k, center, LOOK_MM, LOOK_PX) for k, center in zip(slices, centers)])
        self.network.eval().cpu()
        maps, marked = probabilities(self.network(normalize(torch.from_numpy(crops)))[0].float().numpy())
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
        write_weights(Path(path), self.network.state_dict())

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
        second = cls()
        load_weights(second.network, Path(path), "the second look")
        return second


def _ready(
    closeups: Closeups, rows: NDArray[np.intp], generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Crops with the mark somewhere near the middle, their points, and whether they are shown."""
    images = torch.from_numpy(closeups.images[rows])
    size = images.shape[-1]
    points = torch.full((len(rows), 1, 2), (size - 1) / 2)
    zoom = LOOK_MM / CLOSEUP_MM
    seen, moved = vary(images, points, generator, size=LOOK_PX, zoom=zoom, shift=_OFF_MM * 2 / CLOSEUP_MM)
    state = torch.where(torch.from_numpy(closeups.marked[rows]), PRESENT, ABSENT)[:, None]
    return normalize(seen), moved, state
