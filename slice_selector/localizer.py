"""The localizer: level points on sagittal images, recess points on axial ones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.runtime.artifact import write_weights
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training import train
from lsdc.slice_selector.annotated_images import AnnotatedImages
from lsdc.slice_selector.augment import vary
from lsdc.slice_selector.heatmap_decoding import Maps, probabilities
from lsdc.slice_selector.network import PointNetwork, load_weights, normalize, point_loss
from lsdc.slice_selector.square_images import AXIAL_PX, N_LEVELS, PRESENT, SAGITTAL_PX, UNKNOWN
from lsdc.slice_selector.training_example import SelectorExample
from lsdc.slice_selector.vertebra_classes import N_CLASSES, weigh_by_disc

CHANNELS = {"sagittal": 10, "axial": 2}
"""Number of points of each kind of localizer."""
BACKBONES = {"sagittal": "mobilenetv3_small_100", "axial": "mobilenetv3_small_050"}
"""The timm model of each kind."""

_REMIND = 4
"""In fine-tuning, every so many batches are reminded of the classes."""


class Localizer:
    """Finds points on one kind of image.

    Parameters
    ----------
    kind : str
        `sagittal` (10 points: the canal, then the foramen of the five levels) or `axial` (2 points: the patient's left
        and right recess).

    Attributes
    ----------
    network : PointNetwork
        Starts from random weights that are the same every time.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        torch.manual_seed(0)
        self.network = PointNetwork(CHANNELS[kind], BACKBONES[kind], N_CLASSES if kind == "sagittal" else 0)

    def fit(
        self,
        examples: Sequence[SelectorExample],
        recipe: Recipe,
        *,
        batch: int = 32,
        judge: Sequence[SelectorExample] = (),
    ) -> History:
        """Fine-tune on the images of examples, from the present weights, on the CPU.

        Parameters
        ----------
        examples : sequence of SelectorExample
            Those without images add nothing; with fewer than two images in all, nothing is trained.
        recipe : Recipe
            How to train.
        batch : int
            Images per step.
        judge : sequence of SelectorExample
            Other studies; the epoch with the least loss on their images is kept. Without any, the last one.

        Returns
        -------
        History
            The losses by epoch.
        """
        annotated, held_out = self._images(examples), self._images(judge)
        if len(annotated.images) < 2:
            return History()
        steps, mirror = max(1, len(annotated.images) // batch), self.kind == "axial"
        teacher = copy.deepcopy(self.network).eval()

        def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
            rng = np.random.default_rng([recipe.seed, epoch])
            order = rng.permutation(len(annotated.images))
            for k in range(steps):
                rows = np.sort(order[k * batch : (k + 1) * batch])
                generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
                ready = _augmented(annotated, rows, generator, mirror)
                if self.network.regions is not None and k % _REMIND == 0:
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

        return self.learn(batches, steps, recipe, evaluate=judged if len(held_out.images) else None)

    def _images(self, examples: Sequence[SelectorExample]) -> AnnotatedImages:
        """Join the images of this kind."""
        px, channels = (SAGITTAL_PX if self.kind == "sagittal" else AXIAL_PX), CHANNELS[self.kind]
        images: list[NDArray] = [getattr(item, self.kind) for item in examples]
        points: list[NDArray] = [getattr(item, f"{self.kind}_points") for item in examples]
        state: list[NDArray] = [getattr(item, f"{self.kind}_state") for item in examples]
        return AnnotatedImages(
            np.concatenate([np.zeros((0, px, px), np.uint8), *images]),
            np.concatenate([np.zeros((0, channels, 2), np.float32), *points]),
            np.concatenate([np.zeros((0, channels), np.int8), *state]),
        )

    def learn(
        self,
        batches: Callable[[int], Iterable[tuple[Tensor, ...]]],
        steps: int,
        recipe: Recipe,
        *,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
        evaluate: Callable[[nn.Module], float] | None = None,
    ) -> History:
        """Train on batches of images, points and states, wherever they come from.

        Parameters
        ----------
        batches : callable
            Epoch to batches as `point_loss` takes them, but with gray values (n, size, size) of any scale.
        steps : int
            Batches per epoch.
        recipe : Recipe
            How to train.
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
            self.network, ready, point_loss, recipe, steps_per_epoch=steps, device=where, evaluate=evaluate,
            checkpoint=checkpoint, description=f"{self.kind} localizer",
        )  # fmt: skip

    @torch.inference_mode()
    def predict(self, images: NDArray[np.uint8]) -> tuple[Maps, NDArray[np.float32]]:
        """Compute where the points are on images.

        Parameters
        ----------
        images : (n, size, size) uint8
            As `SquareImages` cuts them; size is a multiple of 32.

        Returns
        -------
        maps : (n, channels, cells, cells) float32
            Probability of each cell, which is 4 px wide; those of the canal after `weigh_by_disc`.
        presence : (n, channels) float32
            Probability that the point is on the image.
        """
        maps, presence, _ = self.look(images)
        return maps, presence

    @torch.inference_mode()
    def look(self, images: NDArray[np.uint8]) -> tuple[Maps, NDArray[np.float32], NDArray[np.float32] | None]:
        """Compute where the points are on images, and which vertebrae are seen.

        Parameters
        ----------
        images : (n, size, size) uint8
            As for `predict`.

        Returns
        -------
        maps : (n, channels, cells, cells) float32
            As `predict` gives them.
        presence : (n, channels) float32
            As `predict` gives it.
        classes : (n, N_CLASSES, cells, cells) float32 or None
            Probability of each class of `vertebra_classes`; None for axial images.
        """
        self.network.eval().cpu()
        logits, regions = self.network(normalize(torch.from_numpy(np.array(images))))
        maps, presence = probabilities(logits.float().numpy())
        if self.kind != "sagittal":
            return maps, presence, None
        classes = regions.float().softmax(1)
        maps[:, :N_LEVELS] = weigh_by_disc(torch.from_numpy(maps[:, :N_LEVELS]), classes).numpy()
        return maps, presence, classes.numpy()

    def save(self, path: PathLike) -> None:
        """Write the weights as half-precision safetensors.

        Parameters
        ----------
        path : path
            The file; what is there is replaced.
        """
        write_weights(Path(path), self.network.state_dict())

    @classmethod
    def load(cls, path: PathLike, kind: str) -> Self:
        """Read weights.

        Parameters
        ----------
        path : path
            What `save` wrote.
        kind : str
            `sagittal` or `axial`.

        Returns
        -------
        Localizer
            In single precision, on the CPU.

        Raises
        ------
        ArtifactError
            When the file is absent, damaged, or of another network.
        """
        localizer = cls(kind)
        load_weights(localizer.network, Path(path), f"the {kind} localizer")
        return localizer


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
