"""Training the second look on close-ups of marks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training import train
from lsdc.slice_selector.augment import vary
from lsdc.slice_selector.closeups import CLOSEUP_MM, LOOK_MM, LOOK_PX, Closeups
from lsdc.slice_selector.network import PointNetwork, normalize, point_loss
from lsdc.slice_selector.square_images import ABSENT, PRESENT

_OFF_MM = 10.0
"""In training the point is at most so far from the middle of the crop, across and down."""


def train_second_look(
    network: PointNetwork,
    closeups: Closeups,
    recipe: Recipe,
    start: PointNetwork,
    batch: int,
    judge: Closeups | None,
    most: int | None = None,
) -> History:
    """Train the network of a second look on close-ups of marks, from the weights of a localizer.

    Parameters
    ----------
    network : PointNetwork
        Changed in place.
    closeups : Closeups
        At least `batch`.
    recipe : Recipe
        How to train.
    start : PointNetwork
        With the same backbone; all of its weights but those of its last layers are taken over.
    batch : int
        Crops per step.
    judge : Closeups or None
        Of other studies; the epoch with the least loss on them is kept.
    most : int, optional
        Close-ups of an epoch, drawn anew for each; by default all.

    Returns
    -------
    History
        The losses by epoch.
    """
    mine, theirs = network.state_dict(), start.state_dict()
    same = {name for name, value in mine.items() if theirs[name].shape == value.shape}
    network.load_state_dict({name: (theirs if name in same else mine)[name] for name in mine})
    steps = max(1, len(closeups.images[:most]) // batch)

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
        network, batches, point_loss, recipe, steps_per_epoch=steps, device=torch.device("cpu"),
        evaluate=None if judge is None or not len(judge.images) else judged, description="second look",
    )  # fmt: skip


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
