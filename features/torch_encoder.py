"""Embedding by torch: on GPUs, of backbones for which no graph is shipped, and of networks in training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.features.shown_crops import shown
from lsdc.runtime.device import fast_bfloat16

CROPS_PER_BATCH = 256
"""Images that are embedded at once; decides the memory that is needed."""


class StagedCrops(NamedTuple):
    """Crops on their way to a device.

    Parameters
    ----------
    crops : (n, views, 3, P, P) Tensor of uint8
        In memory from which a GPU takes them while it computes.
    present : (n, views) bool
        Which of them are not zero.
    """

    crops: Tensor
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class TorchEncoder:
    """A timm backbone on its device.

    Parameters
    ----------
    network : Module
        Images (n, 3, P, P) to pooled features (n, `head_width`).
    device : torch.device
        Where it runs.
    mean, std : tuple of 3 float
        Normalization that the backbone expects, of gray values in 0 to 1.
    px : int or None
        The size of image that the backbone takes, where it takes but one; images are then resized. None where
        it takes any.
    """

    network: nn.Module
    device: torch.device
    mean: tuple[float, ...]
    std: tuple[float, ...]
    px: int | None

    @classmethod
    def of(cls, network: nn.Module, device: str) -> Self:
        """Put a backbone on a device, in evaluation mode.

        Parameters
        ----------
        network : Module
            What timm made.
        device : str
            Such as `cpu` or `cuda:1`.

        Returns
        -------
        TorchEncoder
            Ready to embed.
        """
        config, where = network.pretrained_cfg, torch.device(device)
        network = network.eval().to(where, memory_format=torch.channels_last)
        px = config["input_size"][-1] if config.get("fixed_input_size") else None
        return cls(network, where, tuple(config["mean"]), tuple(config["std"]), px)

    def about(self) -> dict[str, Any]:
        """Describe the encoder for the graph that is made of it.

        Returns
        -------
        dict of str to JSON value
            Its normalization and its widths.
        """
        widths = {"width": self.width, "head_width": self.head_width}
        return {"mean": list(self.mean), "std": list(self.std), **widths}

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy the weights.

        Returns
        -------
        dict of str to array
            In the precision that they have, named as in the network's `state_dict`.
        """
        return {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        images : (n, 3, P, P) uint8
            Three neighboring slices as channels; n is at least 1.

        Returns
        -------
        (n, F) float32
            The features.
        """
        parts = []
        with torch.inference_mode(), autocast_on(self.device):
            for start in range(0, len(images), CROPS_PER_BATCH):
                batch = torch.from_numpy(images[start : start + CROPS_PER_BATCH]).to(self.device)
                parts.append(self.compute(batch).float().cpu().numpy())
        return np.concatenate(parts)

    def stage(self, crops: NDArray[np.uint8]) -> StagedCrops:
        """Copy crops to memory from which a GPU takes them while it computes; may run in another thread.

        Parameters
        ----------
        crops : (n, views, 3, P, P) uint8
            As a store holds them.

        Returns
        -------
        StagedCrops
            For `begin`.
        """
        copy = torch.empty(crops.shape, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        copy.numpy()[...] = crops
        return StagedCrops(copy, shown(copy.numpy()))

    def begin(self, staged: StagedCrops) -> Tensor:
        """Embed crops without waiting for it, where the device computes by itself.

        All batches have the same number of images, the last one filled up, as how a convolution rounds depends on that
        number: no other image changes what an image's features are.

        Parameters
        ----------
        staged : StagedCrops
            What `stage` gave.

        Returns
        -------
        (m, F) Tensor of float32
            Of the crops that are not zero, on the encoder's device; reading it waits.
        """
        where, parts = np.flatnonzero(staged.present), []
        batches = -(-len(where) // CROPS_PER_BATCH)
        filled = torch.from_numpy(np.resize(where, (batches, CROPS_PER_BATCH)))
        with torch.inference_mode(), autocast_on(self.device):
            images = staged.crops.to(self.device, non_blocking=True).flatten(0, 1)
            for rows in filled.to(self.device, non_blocking=True):
                parts.append(self.compute(images[rows]).float())
        return torch.cat(parts)[: len(where)] if parts else torch.zeros((0, self.width))

    def compute(self, images: Tensor) -> Tensor:
        """Embed a batch of images.

        Parameters
        ----------
        images : (n, 3, P, P) Tensor of uint8
            On the encoder's device.

        Returns
        -------
        (n, F) Tensor of float
            Means of the last but one level, where the network offers it, then what the network pools itself.
        """
        mean, std = self._normalization
        batch = ((images - mean) / std).contiguous(memory_format=torch.channels_last)
        if self.px is not None:
            batch = nn.functional.interpolate(batch, (self.px, self.px), mode="bilinear")
        if not self._fine_width:
            return self.network(batch)
        last, maps = self.network.forward_intermediates(batch, indices=2)
        return torch.cat([maps[0].mean(dim=(2, 3)), self.network.forward_head(last)], dim=1)

    @cached_property
    def _normalization(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of gray values in 0 to 255, on the device: to send them makes it wait."""
        mean, std = (
            torch.tensor(item, device=self.device).view(1, -1, 1, 1) * 255 for item in (self.mean, self.std)
        )
        return mean, std

    @property
    def _fine_width(self) -> int:
        """Channels of the last but one level, which sees smaller things; 0 where the network does not offer it."""
        known = hasattr(self.network, "forward_intermediates") and len(self.network.feature_info) > 1
        return int(self.network.feature_info[-2]["num_chs"]) if known else 0

    @property
    def width(self) -> int:
        """Number of features F per image."""
        return self._fine_width + self.head_width

    @property
    def head_width(self) -> int:
        """How many of the features the network itself pools; they come last."""
        return int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)


def autocast_on(device: torch.device) -> AbstractContextManager[object]:
    """Let networks compute in bfloat16 where the device has instructions for it.

    Parameters
    ----------
    device : torch.device
        Where the networks run.

    Returns
    -------
    context manager
        Does nothing on other devices.
    """
    return torch.autocast(device.type, torch.bfloat16) if fast_bfloat16(device) else nullcontext()
