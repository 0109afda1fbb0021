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
from lsdc.runtime.artefact import write_tensors
from lsdc.runtime.device import fast_bfloat16

CROPS_PER_BATCH = 256


@dataclass(frozen=True)
class Encoder:
    """A backbone on its device; use `Encoder.build`.

    Parameters
    ----------
    backbone : str
        The timm model's name.
    network : Module
        Pictures (n, 3, P, P) to pooled features (n, `head_width`).
    device : device
        Where it runs.
    mean, std : (3,) float
        Normalization that the backbone expects.
    px : int or None
        The only size of picture that the backbone takes, where it takes but one.
    """

    backbone: str
    network: nn.Module
    device: torch.device
    mean: tuple[float, ...]
    std: tuple[float, ...]
    px: int | None = None

    @classmethod
    def build(cls, backbone: str, weights: str, device: torch.device, seed: int = 0) -> Self:
        """Make an encoder.

        Parameters
        ----------
        backbone : str
            A timm model's name.
        weights : str
            `bundled`, `imagenet`, `random`, or the path of a safetensors file.
        device : device
            Where it runs.
        seed : int
            For random weights.
        """
        network = load_network(backbone, weights, seed)
        config = network.pretrained_cfg
        network = network.eval().to(device, memory_format=torch.channels_last)
        px = config["input_size"][-1] if config.get("fixed_input_size") else None
        return cls(backbone, network, device, tuple(config["mean"]), tuple(config["std"]), px)

    @property
    def digest(self) -> str:
        """Hash of the weights, whatever their precision on disk was called."""
        state = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            state.update(name.encode())
            state.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
        return state.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write the weights as safetensors, as they are; `build(backbone, path, …)` reads them."""
        tensors = {name: value.cpu().numpy() for name, value in self.network.state_dict().items()}
        write_tensors(path, tensors, backbone=self.backbone)

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures.

        Parameters
        ----------
        pictures : (n, 3, P, P) uint8
            Three neighboring slices as channels.

        Returns
        -------
        (n, F) float32
            Means of the last but one level, where the network offers it, then its own pooled features.
        """
        mean = torch.tensor(self.mean, device=self.device).view(1, -1, 1, 1) * 255
        std = torch.tensor(self.std, device=self.device).view(1, -1, 1, 1) * 255
        parts = []
        with torch.inference_mode(), autocast_on(self.device):
            for start in range(0, len(pictures), CROPS_PER_BATCH):
                batch = torch.from_numpy(pictures[start : start + CROPS_PER_BATCH]).to(self.device)
                batch = ((batch - mean) / std).contiguous(memory_format=torch.channels_last)
                if self.px is not None:
                    batch = nn.functional.interpolate(batch, (self.px, self.px), mode="bilinear")
                parts.append(self._pooled(batch).float().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)

    def _pooled(self, batch: torch.Tensor) -> torch.Tensor:
        """The network's own pooled features, after the means of the last but one level, which sees smaller things."""
        if not self._finer:
            return self.network(batch)
        last, maps = self.network.forward_intermediates(batch, indices=2)
        return torch.cat([maps[0].mean(dim=(2, 3)), self.network.forward_head(last)], dim=1)

    @property
    def _finer(self) -> int:
        """Channels of the last but one level; 0 where the network does not offer it."""
        known = hasattr(self.network, "forward_intermediates") and len(self.network.feature_info) > 1
        return int(self.network.feature_info[-2]["num_chs"]) if known else 0

    @property
    def width(self) -> int:
        """Number of pooled features F per picture."""
        return self._finer + self.head_width

    @property
    def head_width(self) -> int:
        """Those of them that the network itself pools, which come last."""
        return int(getattr(self.network, "head_hidden_size", None) or self.network.num_features)

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed the crops of targets.

        Parameters
        ----------
        crops : (n, views, 3, P, P) uint8
            All zero where a view is absent.

        Returns
        -------
        (n, views * F) float32
            One part per view; NaN where absent.
        """
        present = crops.any(axis=(2, 3, 4))
        out = np.full((*present.shape, self.width), np.nan, np.float32)
        out[present] = self.features(crops[present])
        return out.reshape(len(crops), present.shape[1] * self.width)


def autocast_on(device: torch.device) -> AbstractContextManager[object]:
    """Embed in bfloat16 where that saves time."""
    return torch.autocast(device.type, torch.bfloat16) if fast_bfloat16(device) else nullcontext()
