"""The localizer: level points on sagittal slices, side points on axial ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import write_weights
from lsdc.runtime.training import History, Recipe, train
from lsdc.slice_selector.augment import disturb
from lsdc.slice_selector.heatmap_decoding import Maps, probabilities
from lsdc.slice_selector.network import PointNetwork, normalize, point_loss
from lsdc.slice_selector.training_example import N_LEVELS, PRESENT, UNKNOWN, SelectorExample
from lsdc.slice_selector.vertebra_classes import REGIONS, supported

Batch = tuple[Tensor, Tensor, Tensor]
CHANNELS = {"sagittal": 10, "axial": 2}
BACKBONES = {"sagittal": "mobilenetv3_small_100", "axial": "mobilenetv3_small_050"}


class Localizer:
    """A point network for one kind of picture.

    Parameters
    ----------
    kind : str
        `sagittal` (10 channels: canal then foramen of the five levels) or `axial` (the patient's left, right).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        torch.manual_seed(0)
        self.network = PointNetwork(CHANNELS[kind], BACKBONES[kind], REGIONS if kind == "sagittal" else 0)

    def fit(
        self,
        examples: Sequence[SelectorExample],
        recipe: Recipe,
        *,
        batch: int = 16,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
    ) -> History:
        """Train on the pictures of examples; goes on from the present weights.

        Parameters
        ----------
        examples : sequence of SelectorExample
            Those without pictures add nothing.
        recipe : Recipe
            How to train.
        batch : int
            Pictures per step.
        device : torch.device, optional
            Default: the best there is.
        checkpoint : Path, optional
            To go on after a kill.
        """
        pictures = np.concatenate([getattr(item, self.kind) for item in examples])
        points = np.concatenate([getattr(item, f"{self.kind}_points") for item in examples])
        state = np.concatenate([getattr(item, f"{self.kind}_state") for item in examples])
        if len(pictures) < 2:
            return History()
        steps = max(1, len(pictures) // batch)

        def batches(epoch: int) -> Iterator[Batch]:
            rng = np.random.default_rng([recipe.seed, epoch])
            order = rng.permutation(len(pictures))
            for k in range(steps):
                rows = np.sort(order[k * batch : (k + 1) * batch])
                generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
                here = torch.from_numpy(pictures[rows]), torch.from_numpy(points[rows])
                changed, moved = disturb(*here, generator, mirror=self.kind == "axial")
                known = torch.from_numpy(state[rows].astype(np.int64))
                seen = torch.isfinite(moved).all(dim=-1)  # mirroring has swapped the sides
                known = torch.where(seen, PRESENT, torch.where(known == PRESENT, UNKNOWN, known))
                yield changed, moved, known

        return self.learn(batches, steps, recipe, device=device, checkpoint=checkpoint)

    def learn(
        self,
        batches: Callable[[int], Iterable[tuple[Tensor, ...]]],
        steps: int,
        recipe: Recipe,
        *,
        device: torch.device | None = None,
        checkpoint: Path | None = None,
    ) -> History:
        """Train on batches of pictures, points and states; arguments as those of `runtime.training.train`.

        Parameters
        ----------
        batches : callable
            Epoch to what `point_loss` takes, but with gray values (n, size, size) of any scale.
        steps : int
            Batches per epoch.
        recipe, device, checkpoint
            As those of `fit`.
        """
        where = device or torch.device("cpu")

        def ready(epoch: int) -> Iterator[tuple[Tensor, ...]]:
            for pictures, *known in batches(epoch):
                yield tuple(item.to(where) for item in (normalize(pictures), *known))

        return train(
            self.network, ready, point_loss, recipe, steps_per_epoch=steps, device=where,
            checkpoint=checkpoint, description=f"{self.kind} localizer",
        )  # fmt: skip

    @torch.inference_mode()
    def predict(self, pictures: NDArray[np.uint8]) -> tuple[Maps, NDArray[np.float32]]:
        """Locate points on pictures (n, size, size).

        Returns
        -------
        maps : (n, channels, cells, cells) float32
            Probability of each cell; those of the canal after `supported`.
        presence : (n, channels) float32
            Probability that the point is on the picture.
        """
        self.network.eval().cpu()
        logits, regions = self.network(normalize(torch.from_numpy(np.array(pictures))))
        maps, presence = probabilities(logits.float().numpy())
        if self.kind == "sagittal":
            canal = torch.from_numpy(maps[:, :N_LEVELS])
            maps[:, :N_LEVELS] = supported(canal, regions.float().softmax(1)).numpy()
        return maps, presence

    def save(self, path: Path) -> None:
        """Write the weights as half-precision safetensors."""
        write_weights(path, self.network.state_dict())

    @classmethod
    def load(cls, path: Path, kind: str) -> Self:
        """Read weights.

        Raises
        ------
        ArtefactError
            When the file is absent, damaged, or of another network.
        """
        localizer = cls(kind)
        try:
            state = {name: value.float() if value.is_floating_point() else value
                     for name, value in load_file(path).items()}  # fmt: skip
            localizer.network.load_state_dict(state)
        except FileNotFoundError:
            raise ArtefactError(f"{path}: no such file") from None
        except Exception as error:  # safetensors and torch have no common error
            raise ArtefactError(
                f"{path}: not weights of the {kind} localizer, or of another version of lsdc; make them, or extract "
                f"the store, again ({error})"
            ) from error
        localizer.network.eval()
        return localizer
