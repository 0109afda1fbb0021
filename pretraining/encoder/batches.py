"""Batches for pretraining: patches under two acquisitions each, with the right answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.label_patches import Patches
from lsdc.pretraining.encoder.random_acquisition import Choice, choose, frames_of, shoot
from lsdc.pretraining.encoder.tasks import Goals


@dataclass(frozen=True)
class Teacher:
    """Takes pictures of patches and knows what they show.

    Parameters
    ----------
    patches : Patches
        What pictures are taken of.
    px : int
        Side of the pictures.
    painter : Painter
        How varied the acquisitions are.
    boxes : float
        Share of midline crops that show the disc's own box.
    """

    patches: Patches
    px: int
    painter: Painter
    boxes: float

    def lesson(
        self, rows: NDArray[np.int64], goals: Goals, n: int, seed: tuple[int, ...]
    ) -> dict[str, Tensor]:
        """One batch: `n` patches out of `rows`, each under two acquisitions, and the right answers.

        The second half of the batch shows the same patches as the first.
        """
        rng = np.random.default_rng(seed)
        choice = choose(self.patches.rows.iloc[rows], n, rng, self.boxes)
        labels = self.patches.labels[choice.rows]
        first, second = (self._take(labels, choice, rng) for _ in range(2))
        batch = {name: torch.cat([value, value]) for name, value in goals.tensors(choice).items()}
        for name, a, b in zip(("pictures", "seen", "t2"), first, second):
            batch[name] = torch.cat([a, b])
        return batch

    def pictures(self, choice: Choice, seed: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
        """Pictures of a choice, in parts."""
        rng = np.random.default_rng(seed)
        for part in np.array_split(np.arange(len(choice.rows)), max(1, len(choice.rows) // 96)):
            some = Choice(choice.rows[part], choice.frame[part], choice.right[part])
            yield self._take(self.patches.labels[some.rows], some, rng)[0].numpy().astype(np.uint8)

    def _take(
        self, labels: NDArray[np.uint8], choice: Choice, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        rows = self.patches.rows
        tissues = self.patches.tissues[rows["patient"].to_numpy()[choice.rows]]
        return shoot(labels, tissues, choice, frames_of(rows, choice, rng), self.px, rng, self.painter)
