"""Batches for pretraining: patches under two acquisitions each, with the right answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.label_patches import LabelPatches
from lsdc.pretraining.encoder.random_acquisition import (
    Choice,
    RandomImages,
    choose,
    draw_frames,
    draw_images,
)
from lsdc.pretraining.encoder.real_crops import RealBatch, RealCrops
from lsdc.pretraining.encoder.right_answers import Answers, RightAnswers

_IMAGES_AT_ONCE = 96


@dataclass(frozen=True)
class Batch:
    """Images and what is right about them; the second half shows the same patches as the first.

    Parameters
    ----------
    images : (2n, 3, px, px) Tensor of uint8
        Gray values.
    seen : (2n, px / 4, px / 4) Tensor of int64
        The tissue at every fourth pixel of the middle slice.
    t2 : (2n,) Tensor of bool
        Whether an image is T2-weighted.
    answers : Answers
        About the patches, 2n rows.
    real : RealBatch, optional
        Crops of real pictures that are shown in the same step.
    """

    images: Tensor
    seen: Tensor
    t2: Tensor
    answers: Answers
    real: RealBatch | None = None

    def tensors(self) -> tuple[Tensor, ...]:
        """List all that the batch holds; `of` puts it together again.

        Returns
        -------
        tuple of Tensor
            Of the patches, then of the real crops, where there are such.
        """
        real = () if self.real is None else (self.real.images, self.real.gradings, self.real.t2)
        return (self.images, self.seen, self.t2, *self.answers, *real)

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> Self:
        """Make a batch of what `tensors` listed.

        Parameters
        ----------
        tensors : sequence of Tensor
            In the same order.

        Returns
        -------
        Batch
            On their device.
        """
        end = 3 + len(Answers._fields)
        real = RealBatch(*tensors[end:]) if len(tensors) > end else None
        return cls(tensors[0], tensors[1], tensors[2], Answers(*tensors[3:end]), real)


@dataclass(frozen=True)
class BatchMaker:
    """Draws images of patches under random acquisitions, and knows what they show.

    Parameters
    ----------
    patches : LabelPatches
        What images are painted from.
    px : int
        Side of the images; divisible by 4.
    painter : Painter
        How varied the acquisitions are.
    boxes : float
        Fraction of midline crops that show the disc's box instead of a square around the canal.
    real : RealCrops, optional
        Real discs that are shown beside the patches.
    """

    patches: LabelPatches
    px: int
    painter: Painter
    boxes: float
    real: RealCrops | None = None

    def batch(self, rows: NDArray[np.int64], answers: RightAnswers, n: int, seed: tuple[int, ...]) -> Batch:
        """Draw one batch: patches under two acquisitions each.

        Parameters
        ----------
        rows : (m,) int
            Rows of the patches to draw from.
        answers : RightAnswers
            About all patches.
        n : int
            Number of patches; the batch has 2n images, and half as many of real discs, where there are such.
        seed : tuple of int
            The same seed gives the same batch.

        Returns
        -------
        Batch
            On the CPU.
        """
        rng = np.random.default_rng(seed)
        choice = choose(self.patches.rows.iloc[rows], n, rng, self.boxes)
        labels = self.patches.labels[choice.rows]
        first, second = (self._draw(labels, choice, rng) for _ in range(2))
        known = Answers(*(torch.cat([value, value]) for value in answers.about(choice)))
        images, seen, t2 = (torch.cat(pair) for pair in zip(first, second))
        real = None if self.real is None else self.real.batch(max(2, n // 2), self.px, rng)
        return Batch(images.byte(), seen, t2, known, real)

    def images(self, choice: Choice, seed: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
        """Draw one image of each chosen patch, a few at a time.

        Parameters
        ----------
        choice : Choice
            Patches and how they are framed.
        seed : tuple of int
            The same seed gives the same images.

        Yields
        ------
        (k, 3, px, px) uint8
            Images of the next patches of the choice.
        """
        rng, n = np.random.default_rng(seed), len(choice.rows)
        for part in np.array_split(np.arange(n), max(1, n // _IMAGES_AT_ONCE)):
            some = Choice(choice.rows[part], choice.frame[part], choice.right[part])
            yield self._draw(self.patches.labels[some.rows], some, rng).images.numpy().astype(np.uint8)

    def _draw(self, labels: NDArray[np.uint8], choice: Choice, rng: np.random.Generator) -> RandomImages:
        rows = self.patches.rows
        tissues = self.patches.tissues[rows["patient"].to_numpy()[choice.rows]]
        frames = draw_frames(rows, choice, rng)
        return draw_images(labels, tissues, choice, frames, self.px, rng, self.painter)
