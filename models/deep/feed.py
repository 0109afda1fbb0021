"""Brings studies to a network: reads them ahead of time, mirrors them, and puts them on the network's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.batch import Batch, Inputs
from lsdc.models.examples import Examples
from lsdc.models.store_arrays import StoreArrays
from lsdc.runtime import LsdcError
from lsdc.runtime.reading_ahead import read_ahead

B = TypeVar("B", bound=Batch)
_AHEAD = 2
"""So many batches are read at once, and wait."""
GradedInputs = tuple[Inputs, Tensor]
"""What the network takes of some studies, and the grades of their targets (b, 25)."""


def require_arrays(examples: Examples, member: str) -> StoreArrays:
    """Return the arrays of examples, or say that a member cannot do without them.

    Parameters
    ----------
    examples : Examples
        Rows of whole studies.
    member : str
        Name of the member, for the error.

    Returns
    -------
    StoreArrays
        The crops, volumes and previews of the examples' studies.

    Raises
    ------
    LsdcError
        When the examples have no arrays.
    """
    if examples.arrays is None:
        raise LsdcError(
            f"{member}: learns from images, and these examples have none; take them from a feature store"
        )
    return examples.arrays


def grades_by_study(examples: Examples) -> NDArray[np.int64]:
    """Return the grades with a row per study.

    Parameters
    ----------
    examples : Examples
        Rows of n whole studies.

    Returns
    -------
    (n, 25) int64
        -1 where unlabeled.
    """
    return examples.grades.reshape(-1, len(TARGETS))


@dataclass(frozen=True)
class Feed(Generic[B]):
    """Batches of studies for a network, in order or shuffled.

    Parameters
    ----------
    read : callable
        Examples and (b,) indices of studies to a batch, on the CPU; runs in a separate thread.
    prepare : callable
        A batch on the device, and a random generator or None, to the network's inputs; with a generator it augments.
    device : torch.device
        Where the network is.
    studies : int
        Studies per batch.
    """

    read: Callable[[Examples, NDArray[np.int64]], B]
    prepare: Callable[[B, torch.Generator | None], Inputs]
    device: torch.device
    studies: int

    def steps(self, chosen: NDArray[np.int64]) -> int:
        """Return how many batches some studies make.

        Parameters
        ----------
        chosen : (n,) int64
            Indices of the studies.

        Returns
        -------
        int
            At least 1 unless there are no studies.
        """
        return -(-len(chosen) // self.studies)

    def in_order(
        self, examples: Examples, chosen: NDArray[np.int64], mirrored: bool = False
    ) -> Iterator[GradedInputs]:
        """Yield studies in the given order, not augmented.

        Parameters
        ----------
        examples : Examples
            Rows of whole studies, with arrays.
        chosen : (n,) int64
            Which of the studies.
        mirrored : bool
            Show all of them in a mirror.

        Yields
        ------
        Inputs, (b, 25) Tensor
            What the network takes, and the grades; those of a mirrored study are exchanged between the sides.
        """
        parts = np.array_split(chosen, self.steps(chosen)) if len(chosen) else []
        for batch in read_ahead((partial(self._load, examples, part) for part in parts), _AHEAD, _AHEAD):
            yield self._on_device(batch, mirrored, None)

    def shuffled(
        self, examples: Examples, chosen: NDArray[np.int64], seed: int, epoch: int
    ) -> Iterator[GradedInputs]:
        """Yield studies in random order, augmented; every other batch is shown in a mirror.

        Parameters
        ----------
        examples : Examples
            Rows of whole studies, with arrays.
        chosen : (n,) int64
            Which of the studies.
        seed, epoch : int
            All that is random follows from these two, so that a resumed training repeats nothing.

        Yields
        ------
        Inputs, (b, 25) Tensor
            What the network takes, and the grades.
        """
        steps, rng = self.steps(chosen), np.random.default_rng([seed, epoch])
        parts = np.array_split(rng.permutation(chosen), steps)
        seeds = rng.integers(2**31, size=steps)
        mirrored = rng.random(steps) < 0.5
        jobs = (partial(self._load, examples, np.sort(part)) for part in parts)
        for number, mirror, batch in zip(seeds, mirrored, read_ahead(jobs, _AHEAD, _AHEAD)):
            generator = torch.Generator(self.device).manual_seed(int(number))
            yield self._on_device(batch, bool(mirror), generator)

    def _load(self, examples: Examples, chosen: NDArray[np.int64]) -> B:
        """Read a batch with its grades, on the CPU."""
        grades = torch.from_numpy(grades_by_study(examples)[chosen])
        batch = replace(self.read(examples, chosen), grades=grades)
        return batch.pinned() if self.device.type == "cuda" else batch

    def _on_device(self, batch: B, mirrored: bool, generator: torch.Generator | None) -> GradedInputs:
        """Move a batch to the device, and mirror and prepare it there."""
        moved = batch.to(self.device)
        if mirrored:
            moved = moved.mirrored()
        assert moved.grades is not None
        return self.prepare(moved, generator), moved.grades
