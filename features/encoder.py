"""The image encoder: a timm backbone that turns crops into embeddings."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lsdc.features.weights_source import load_network
from lsdc.runtime.artifact import write_tensors
from lsdc.runtime.device import fast_bfloat16
from lsdc.runtime.paths import PathLike

CROPS_PER_BATCH = 256
"""Images that are embedded at once; decides the memory that is needed."""


@dataclass(frozen=True)
class Encoder:
    """A backbone on its device that turns crops into embeddings; make one with `Encoder.build`.

    Parameters
    ----------
    backbone : str
        The timm model's name.
    network : Module
        Images (n, 3, P, P) to pooled features (n, `head_width`).
    device : torch.device
        Where it runs.
    mean, std : (3,) float
        Normalization that the backbone expects, of gray values in 0 to 1.
    px : int or None
        The size of image that the backbone takes, where it takes but one; images are then resized. None where
        it takes any.

    Examples
    --------
    >>> encoder = Encoder.build("mobilenetv3_small_050", "random", torch.device("cpu"))
    >>> crops = np.zeros((2, 3, 3, 32, 32), np.uint8)
    >>> crops[0, 1] = 100
    >>> embedding = encoder.embed(crops)
    >>> embedding.shape == (2, 3 * encoder.width)
    True
    >>> np.isfinite(embedding.reshape(2, 3, -1)).all(axis=2).tolist()
    [[False, True, False], [False, False, False]]
    """

    backbone: str
    network: nn.Module
    device: torch.device
    mean: tuple[float, ...]
    std: tuple[float, ...]
    px: int | None = None

    @classmethod
    def build(cls, backbone: str, weights: PathLike, device: torch.device, seed: int = 0) -> Self:
        """Make an encoder in evaluation mode.

        Parameters
        ----------
        backbone : str
            A timm model's name.
        weights : str or path
            `bundled` (shipped, for `regnetx_002`), `imagenet` (timm's hub or its cache), `random`, or a
            safetensors file.
        device : torch.device
            Where it runs.
        seed : int
            Decides random weights.

        Returns
        -------
        Encoder
            Ready to embed.

        Raises
        ------
        ConfigError
            When timm has no such model.
        ArtifactError
            When the file is absent, damaged, or of another backbone.
        LsdcError
            When the hub does not give the weights.
        """
        network = load_network(backbone, str(weights), seed)
        config = network.pretrained_cfg
        network = network.eval().to(device, memory_format=torch.channels_last)
        px = config["input_size"][-1] if config.get("fixed_input_size") else None
        return cls(backbone, network, device, tuple(config["mean"]), tuple(config["std"]), px)

    @property
    def digest(self) -> str:
        """Hash of the weights' names and single-precision values; equal for equal weights, whatever their file."""
        state = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            state.update(name.encode())
            state.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        return state.hexdigest()[:16]

    def save(self, path: PathLike) -> None:
        """Write the weights in the precision they have; `build(backbone, path, device)` reads them.

        Parameters
        ----------
        path : path
            The safetensors file to write; its header names the backbone.
        """
        tensors = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        write_tensors(Path(path), tensors, backbone=self.backbone)

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        images : (n, 3, P, P) uint8
            Three neighboring slices as channels.

        Returns
        -------
        (n, F) float32
            Means of the last but one level, where the network offers it, then what the network pools itself.
        """
        mean = torch.tensor(self.mean, device=self.device).view(1, -1, 1, 1) * 255
        std = torch.tensor(self.std, device=self.device).view(1, -1, 1, 1) * 255
        parts = []
        with torch.inference_mode(), autocast_on(self.device):
            for start in range(0, len(images), CROPS_PER_BATCH):
                batch = torch.from_numpy(images[start : start + CROPS_PER_BATCH]).to(self.device)
                batch = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
                if self.px is not None:
                    batch = nn.functional.interpolate(batch, (self.px, self.px), mode="bilinear")
                parts.append(self._pooled(batch).float().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)

    def _pooled(self, batch: torch.Tensor) -> torch.Tensor:
        """Pool the last but one level, which sees smaller things, and the last one."""
        if not self._fine_width:
            return self.network(batch)
        last, maps = self.network.forward_intermediates(batch, indices=2)
        return torch.cat([maps[0].mean(dim=(2, 3)), self.network.forward_head(last)], dim=1)

    @property
    def _fine_width(self) -> int:
        """Channels of the last but one level; 0 where the network does not offer it."""
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

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the crops of targets.

        Parameters
        ----------
        crops : (n, views, 3, P, P) uint8
            As a store holds them; all zero where a view does not show the target.

        Returns
        -------
        (n, views * F) float32
            One part per view; NaN where the crop is zero.
        """
        present = crops.any(axis=(2, 3, 4))
        out = np.full((*present.shape, self.width), np.nan, np.float32)
        out[present] = self.features(crops[present])
        return out.reshape(len(crops), present.shape[1] * self.width)


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
