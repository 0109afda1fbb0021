"""The image encoder: a timm backbone that turns crops into embeddings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.features.onnx_encoder import OnnxEncoder, graph_of, reduced_graph_of
from lsdc.features.shown_crops import shown
from lsdc.features.weight_files import find_weights, read_backbone
from lsdc.runtime.artifact import write_tensors
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.paths import PathLike

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lsdc.features.torch_encoder import TorchEncoder


class Encoder:
    """A backbone on its device that turns crops into embeddings; make one with `Encoder.build`.

    On a CPU, ONNX Runtime computes the backbones for which a graph is shipped, so that torch need not be imported;
    everything else, and a network that was asked for, is computed by torch.

    Parameters
    ----------
    backbone : str
        The timm model's name.
    device : str
        Where it runs, as torch spells it.
    body : OnnxEncoder or TorchEncoder
        What computes.

    Examples
    --------
    >>> encoder = Encoder.build("regnetx_002", "bundled")
    >>> crops = np.zeros((2, 3, 3, 32, 32), np.uint8)
    >>> crops[0, 1] = 100
    >>> embedding = encoder.embed(crops)
    >>> embedding.shape == (2, 3 * encoder.width)
    True
    >>> np.isfinite(embedding.reshape(2, 3, -1)).all(axis=2).tolist()
    [[False, True, False], [False, False, False]]
    """

    def __init__(self, backbone: str, device: str, body: OnnxEncoder | TorchEncoder) -> None:
        self.backbone, self.device, self._body = backbone, device, body

    @classmethod
    def build(
        cls,
        backbone: str,
        weights: PathLike,
        device: str | torch.device = "cpu",
        seed: int = 0,
        precision: str = "float32",
    ) -> Self:
        """Make an encoder in evaluation mode.

        Parameters
        ----------
        backbone : str
            A timm model's name.
        weights : str or path
            `bundled` (shipped, for `regnetx_002`), `imagenet` (timm's hub or its cache), `random`, or a
            safetensors file.
        device : str or torch.device
            Where it runs, such as `cpu` (the default) or `cuda:1`.
        seed : int
            Decides random weights.
        precision : str
            `float32`, or `int8`: the bundled weights on a CPU, as 8-bit integers.

        Returns
        -------
        Encoder
            Ready to embed.

        Raises
        ------
        ConfigError
            When timm has no such model, or `int8` is asked for with other weights or another device.
        ArtifactError
            When the file is absent, damaged, or of another backbone.
        LsdcError
            When the hub does not give the weights.
        """
        where, graph = str(device), graph_of(backbone)
        if precision == "int8" and where != "cpu":
            raise ConfigError(
                f"precision: 'int8' is computed on a CPU, not on {where!r}; give the device 'cpu'"
            )
        if precision == "int8" and graph is None:
            raise ConfigError(
                f"precision: 'int8' is for the backbone 'regnetx_002', not {backbone!r}; use 'float32'"
            )
        if where != "cpu" or graph is None:
            return cls(backbone, where, _by_torch(backbone, str(weights), where, seed))
        if str(weights) in ("random", "imagenet"):
            state = _by_torch(backbone, str(weights), where, seed).state()
        else:
            state = read_backbone(find_weights(str(weights)), backbone, graph.shapes)
        made = cls(backbone, where, OnnxEncoder(graph, state))
        if precision == "int8":
            made._body = OnnxEncoder(graph, state, reduced_graph_of(backbone, made.digest))
        return made

    @property
    def network(self) -> nn.Module:
        """Images (n, 3, P, P) to pooled features (n, `head_width`), which may be trained; from now on it computes."""
        return self.by_torch.network

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean that the backbone expects, of gray values in 0 to 1, (3,)."""
        return self._body.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation that the backbone expects, (3,)."""
        return self._body.std

    @property
    def digest(self) -> str:
        """Hash of the weights' names and single-precision values, and of the precision where it is reduced.

        Equal for equal weights, whatever their file.
        """
        state = hashlib.sha256()
        for name, values in sorted(self.state().items()):
            state.update(name.encode())
            state.update(np.ascontiguousarray(values, np.float32).tobytes())
        if isinstance(self._body, OnnxEncoder) and self._body.reduced is not None:
            state.update(b"int8")
        return state.hexdigest()[:16]

    def state(self) -> dict[str, NDArray[Any]]:
        """Give the weights.

        Returns
        -------
        dict of str to array
            In the precision they have, named as in the network's `state_dict`.
        """
        return self._body.state()

    def save(self, path: PathLike) -> None:
        """Write the weights in the precision they have; `build(backbone, path, device)` reads them.

        Parameters
        ----------
        path : path
            The safetensors file to write; its header names the backbone.
        """
        write_tensors(Path(path), self.state(), backbone=self.backbone)

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
        return self._body.features(images) if len(images) else np.zeros((0, self.width), np.float32)

    @property
    def takes_own_threads(self) -> bool:
        """Whether `features` shares the cores by itself, with results that do not depend on their number."""
        return isinstance(self._body, OnnxEncoder)

    @property
    def width(self) -> int:
        """Number of features F per image."""
        return self._body.width

    @property
    def head_width(self) -> int:
        """How many of the features the network itself pools; they come last."""
        return self._body.head_width

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
        present = shown(crops)
        return self.spread(present, self.features(crops[present]))

    @property
    def by_torch(self) -> TorchEncoder:
        """What computes by torch, also on devices that compute by themselves; from now on it computes."""
        if isinstance(self._body, OnnxEncoder):
            from lsdc.features.torch_encoder import TorchEncoder
            from lsdc.features.weights_source import network_of

            self._body = TorchEncoder.of(network_of(self.backbone, self._body.weights), self.device)
        return self._body

    def spread(self, present: NDArray[np.bool_], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the features of crops where they belong.

        Parameters
        ----------
        present : (n, views) bool
            Which crops are not zero, m in all.
        features : (m, F) float32
            Theirs, in order.

        Returns
        -------
        (n, views * F) float32
            As `embed` gives them.
        """
        out = np.full((*present.shape, self.width), np.nan, np.float32)
        out[present] = features
        return out.reshape(len(present), present.shape[1] * self.width)


def _by_torch(backbone: str, weights: str, device: str, seed: int) -> TorchEncoder:
    """Let timm build the network."""
    from lsdc.features.torch_encoder import TorchEncoder
    from lsdc.features.weights_source import load_network

    return TorchEncoder.of(load_network(backbone, weights, seed), device)
