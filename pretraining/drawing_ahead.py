"""Batches that other processes draw while the network learns from earlier ones."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.runtime.machine import default_workers
from lsdc.runtime.worker_process import begin_worker

Make = Callable[[int, int], tuple[Tensor, ...]]
"""Draws the batch of an epoch and a step, on the CPU; the same arguments give the same batch."""
_Arrays = tuple[NDArray, ...]
_AHEAD = 2
"""Batches per worker that are drawn or wait."""
_make: list[Make] = []
"""What this worker process draws with."""


class DrawnAhead:
    """Draws batches in other processes, in order, and a little ahead of who takes them.

    A GPU learns from a batch in less time than a core takes to draw it. What comes out is what `make` gives in this
    process, whatever the number of workers.

    Parameters
    ----------
    make : callable
        Epoch and step to tensors on the CPU; it is sent to the workers.
    steps : int
        Batches per epoch.
    epochs : int
        Epochs in all.
    workers : int, optional
        Processes; 1 draws in this one, when a batch is asked for. Default: one per core.
    """

    def __init__(self, make: Make, steps: int, epochs: int, workers: int | None = None) -> None:
        self.make, self.steps, self.epochs = make, steps, epochs
        self.workers = workers or default_workers()
        self._pool: ProcessPoolExecutor | None = None
        self._pending: deque[tuple[tuple[int, int], Future[_Arrays]]] = deque()

    def __enter__(self) -> Self:
        """Start the workers."""
        if self.workers > 1:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=_context(self.make), initializer=_begin, initargs=(self.make,)
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers."""
        self._pending.clear()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, ...]]:
        """Take the batches of an epoch.

        Parameters
        ----------
        number : int
            Which; those after it are drawn in the meantime.

        Yields
        ------
        tuple of Tensor
            As `make` gives them, on the CPU.
        """
        for step in range(self.steps):
            if self._pool is None:
                yield self.make(number, step)
            else:
                yield tuple(torch.from_numpy(array) for array in self._take(self._pool, number, step))

    def _take(self, pool: ProcessPoolExecutor, epoch: int, step: int) -> _Arrays:
        """Wait for a batch, and let the workers draw what comes after it."""
        if not self._pending or self._pending[0][0] != (epoch, step):
            self._pending.clear()
        behind = epoch * self.steps + step + len(self._pending)
        last = min(epoch * self.steps + step + _AHEAD * self.workers, self.epochs * self.steps)
        for number in range(behind, last):
            key = divmod(number, self.steps)
            self._pending.append((key, pool.submit(_draw, key)))
        return self._pending.popleft()[1].result()


def to_device(tensors: tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    """Copy tensors to a device; to a GPU through pinned memory, which does not wait.

    Parameters
    ----------
    tensors : tuple of Tensor
        On the CPU.
    device : torch.device
        Where the network is.

    Returns
    -------
    tuple of Tensor
        In the same order.
    """
    if device.type != "cuda":
        return tuple(tensor.to(device) for tensor in tensors)
    return tuple(tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors)


def drawing_workers(device: torch.device, workers: int | None) -> int | None:
    """Choose how many processes draw batches: on a CPU one, as drawing and learning share its cores anyway.

    Parameters
    ----------
    device : torch.device
        Where the network learns.
    workers : int, optional
        What the caller allows.

    Returns
    -------
    int or None
        For `DrawnAhead`.
    """
    return workers if device.type == "cuda" else 1


def _context(make: Make) -> BaseContext:
    """Choose how workers start: forked from a server that has imported what they need and done nothing else.

    A fork of this process, which has used threads, can hang. Fresh interpreters would start one after the other, as
    each reads what it is sent only when it has imported torch.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, type(make).__module__])
    return context


def _begin(make: Make) -> None:
    begin_worker()
    torch.set_num_threads(1)
    _make[:] = [make]


def _draw(key: tuple[int, int]) -> _Arrays:
    # Arrays, not tensors: these would travel through shared memory, of which containers have little.
    return tuple(np.asarray(tensor.numpy()) for tensor in _make[0](*key))
