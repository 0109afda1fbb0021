"""Batches for pretraining: patches under two acquisitions each, with the right answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
from lsdc.pretraining.encoder.right_answers import Answers, RightAnswers

_IMAGES_AT_ONCE = 96


@dataclass(frozen=True)
class Batch:
    """Images and what is right about them; the second half shows the same patches as the first.

    Parameters
    ----------
    images : (2n, 3, px, px) Tensor of float
        Gray values from 0 to 255.
    seen : (2n, px / 4, px / 4) Tensor of int64
        The tissue at every fourth pixel of the middle slice.
    t2 : (2n,) Tensor of bool
        Whether an image is T2-weighted.
    answers : Answers
        About the patches, 2n rows.
    """

    images: Tensor
    seen: Tensor
    t2: Tensor
    answers: Answers

    def to(self, device: torch.device) -> Batch:
        """Copy the batch to a device.

        Parameters
        ----------
        device : torch.device
            Where the network is.

        Returns
        -------
        Batch
            With the same content.
        """
        images, seen, t2 = (tensor.to(device) for tensor in (self.images, self.seen, self.t2))
        return Batch(images, seen, t2, Answers(*(tensor.to(device) for tensor in self.answers)))


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
    """

    patches: LabelPatches
    px: int
    painter: Painter
    boxes: float

    def batch(self, rows: NDArray[np.int64], answers: RightAnswers, n: int, seed: tuple[int, ...]) -> Batch:
        """Draw one batch: patches under two acquisitions each.

        Parameters
        ----------
        rows : (m,) int
            Rows of the patches to draw from.
        answers : RightAnswers
            About all patches.
        n : int
            Number of patches; the batch has 2n images.
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
        return Batch(images, seen, t2, known)

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
