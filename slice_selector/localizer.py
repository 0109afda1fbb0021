"""The localizer: level points on sagittal images, recess points on axial ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History, Recipe
from lsdc.slice_selector.annotated_images import AnnotatedImages
from lsdc.slice_selector.heatmap_decoding import Maps, probabilities, softmax
from lsdc.slice_selector.point_model import ARCHITECTURES, PointModel
from lsdc.slice_selector.square_images import AXIAL_PX, N_LEVELS, SAGITTAL_PX
from lsdc.slice_selector.vertebra_classes import weigh_by_disc

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from lsdc.slice_selector.network import PointNetwork
    from lsdc.slice_selector.training_example import SelectorExample

KINDS = ("sagittal", "axial")
"""The kinds of localizers."""
CHANNELS = {kind: ARCHITECTURES[kind].channels for kind in KINDS}
"""Number of points of each kind."""
BACKBONES = {kind: ARCHITECTURES[kind].backbone for kind in KINDS}
"""The timm model of each kind."""


class Localizer:
    """Finds points on one kind of image.

    Parameters
    ----------
    kind : str
        `sagittal` (10 points: the canal, then the foramen of the five levels) or `axial` (2 points: the patient's left
        and right recess).

    model : PointModel, optional
        The network's weights; by default random ones that are the same every time.
    """

    def __init__(self, kind: str, model: PointModel | None = None) -> None:
        self.kind, self._model = kind, model or PointModel(kind)

    @property
    def network(self) -> PointNetwork:
        """The network as torch has it, which may be trained; from now on it is what computes."""
        return self._model.network

    def fit(
        self,
        examples: Sequence[SelectorExample],
        recipe: Recipe,
        *,
        batch: int = 32,
        judge: Sequence[SelectorExample] = (),
        most: int | None = None,
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
        most : int, optional
            Images of an epoch, drawn anew for each; by default all.

        Returns
        -------
        History
            The losses by epoch.
        """
        annotated, held_out = self._images(examples), self._images(judge)
        if len(annotated.images) < 2:
            return History()
        from lsdc.slice_selector.localizer_training import fine_tune

        return fine_tune(self.network, self.kind, annotated, held_out, recipe, batch, most)

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
        from lsdc.slice_selector.localizer_training import learn_points

        return learn_points(
            self.network, batches, steps, recipe, description=f"{self.kind} localizer",
            device=device, checkpoint=checkpoint, evaluate=evaluate,
        )  # fmt: skip

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
        logits, scores = self._model.logits(images)
        maps, presence = probabilities(logits)
        if scores is None:
            return maps, presence, None
        classes = softmax(scores, axis=1)
        maps[:, :N_LEVELS] = weigh_by_disc(maps[:, :N_LEVELS], classes)
        return maps, presence, classes

    def save(self, path: PathLike) -> None:
        """Write the weights as half-precision safetensors.

        Parameters
        ----------
        path : path
            The file; what is there is replaced.
        """
        self._model.save(Path(path))

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
        return cls(kind, PointModel.load(Path(path), kind))
