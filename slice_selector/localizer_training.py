"""Fine-tuning the localizer on annotated images of a cohort."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training import train
from lsdc.slice_selector.annotated_images import AnnotatedImages
from lsdc.slice_selector.augment import vary
from lsdc.slice_selector.network import PointNetwork, normalize, point_loss
from lsdc.slice_selector.square_images import PRESENT, UNKNOWN

_REMIND = 4
"""In fine-tuning, every so many batches are reminded of the classes."""


def fine_tune(
    network: PointNetwork,
    kind: str,
    annotated: AnnotatedImages,
    held_out: AnnotatedImages,
    recipe: Recipe,
    batch: int,
    most: int | None = None,
) -> History:
    """Fine-tune a network on annotated images, from the present weights, on the CPU.

    Parameters
    ----------
    network : PointNetwork
        Changed in place.
    kind : str
        `sagittal` or `axial`.
    annotated : AnnotatedImages
        At least two images of that kind.
    held_out : AnnotatedImages
        The epoch with the least loss on them is kept; without any, the last one.
    recipe : Recipe
        How to train.
    batch : int
        Images per step.
    most : int, optional
        Images of an epoch, drawn anew for each; by default all.

    Returns
    -------
    History
        The losses by epoch.
    """
    steps, mirror = max(1, len(annotated.images[:most]) // batch), kind == "axial"
    teacher = copy.deepcopy(network).eval()

    def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
        rng = np.random.default_rng([recipe.seed, epoch])
        order = rng.permutation(len(annotated.images))
        for k in range(steps):
            rows = np.sort(order[k * batch : (k + 1) * batch])
            generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
            ready = _augmented(annotated, rows, generator, mirror)
            if network.regions is not None and k % _REMIND == 0:
                # No mark tells the classes, which would be forgotten: the weights of the start tell them.
                with torch.no_grad():
                    classes = teacher(normalize(ready[0]))[1].argmax(1)
                yield (*ready, classes)
            else:
                yield ready

    def judged(network: nn.Module) -> float:
        parts = np.array_split(np.arange(len(held_out.images)), math.ceil(len(held_out.images) / 64))
        with torch.inference_mode():
            return float(np.mean([float(point_loss(network, _batch(held_out, rows))) for rows in parts]))

    judge = judged if len(held_out.images) else None
    return learn_points(network, batches, steps, recipe, description=f"{kind} localizer", evaluate=judge)


def learn_points(
    network: PointNetwork,
    batches: Callable[[int], Iterable[tuple[Tensor, ...]]],
    steps: int,
    recipe: Recipe,
    *,
    description: str,
    device: torch.device | None = None,
    checkpoint: Path | None = None,
    evaluate: Callable[[nn.Module], float] | None = None,
) -> History:
    """Train a network on batches of images, points and states, wherever they come from.

    Parameters
    ----------
    network : PointNetwork
        Changed in place.
    batches : callable
        Epoch to batches as `point_loss` takes them, but with gray values (n, size, size) of any scale.
    steps : int
        Batches per epoch.
    recipe : Recipe
        How to train.
    description : str
        What is trained, for people.
    device : torch.device, optional
        Where to train; by default the CPU.
    checkpoint : Path, optional
        File written after each epoch, from which a run that was killed resumes.
    evaluate : callable, optional
        Network to a score, lower is better; the best epoch is kept. By default the last one is.

    Returns
    -------
    History
        The losses by epoch.
    """
    where = device or torch.device("cpu")

    def ready(epoch: int) -> Iterator[tuple[Tensor, ...]]:
        for images, *known in batches(epoch):
            yield tuple(item.to(where) for item in (normalize(images), *known))

    return train(
        network, ready, point_loss, recipe, steps_per_epoch=steps, device=where, evaluate=evaluate,
        checkpoint=checkpoint, description=description,
    )  # fmt: skip


def _batch(annotated: AnnotatedImages, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor]:
    """Give some images, unchanged, as `point_loss` takes them."""
    state = torch.from_numpy(annotated.state[rows].astype(np.int64))
    return (
        normalize(torch.from_numpy(annotated.images[rows])),
        torch.from_numpy(annotated.points[rows]),
        state,
    )


def _augmented(
    annotated: AnnotatedImages, rows: NDArray[np.intp], generator: torch.Generator, mirror: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Vary some images with their points, which mirroring swaps: the states follow from the points."""
    images, points = torch.from_numpy(annotated.images[rows]), torch.from_numpy(annotated.points[rows])
    changed, moved = vary(images, points, generator, mirror=mirror)
    state = torch.from_numpy(annotated.state[rows].astype(np.int64))
    marked = torch.isfinite(moved).all(dim=-1)
    state = torch.where(marked, PRESENT, torch.where(state == PRESENT, UNKNOWN, state))
    return changed, moved, state
