"""Where an encoder's weights come from: shipped with lsdc, timm's hub, a seed, or a file."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import nn

from lsdc.features.weight_files import find_weights, read_backbone
from lsdc.runtime.errors import ConfigError, LsdcError
from lsdc.runtime.paths import PathLike

ALTERNATIVES = (
    "use the weights 'bundled' (shipped with lsdc), a safetensors file (copied from a machine with internet), "
    "or 'random' (a baseline)"
)
"""What to do without a connection to the hub."""


def create(backbone: str, *, pretrained: bool = False) -> nn.Module:
    """Make a timm backbone with pooled features instead of a classifier.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    pretrained : bool
        Fetch the weights that timm's hub has for it; by default weights are random, from torch's generator.

    Returns
    -------
    Module
        Images (n, 3, P, P) to features (n, F).

    Raises
    ------
    ConfigError
        When timm has no such model.
    """
    try:
        return timm.create_model(backbone, pretrained=pretrained, num_classes=0)
    except RuntimeError as error:
        if pretrained and timm.is_model(backbone):
            raise
        near = timm.list_models(f"*{backbone.split('_')[0]}*")[:5] or ["mobilenetv3_small_100", "resnet18"]
        raise ConfigError(
            f"backbone: timm has no model {backbone!r} ({error}); there are, for example, {', '.join(near)}"
        ) from error


def load_network(backbone: str, weights: str, seed: int = 0) -> nn.Module:
    """Build a backbone and give it its weights.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    weights : str
        `bundled` (shipped, for `regnetx_002`), `imagenet` (timm's hub or its cache), `random`, or the path of a
        safetensors file.
    seed : int
        Decides random weights; torch's global generator is left as it was.

    Returns
    -------
    Module
        Images (n, 3, P, P) to pooled features (n, F).

    Raises
    ------
    ConfigError
        When timm has no such model.
    ArtifactError
        When the file is absent, damaged, or of another backbone.
    LsdcError
        When the hub does not give the weights.
    """
    if weights == "imagenet":
        return _from_hub(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = create(backbone)
    if weights == "random":
        return network
    load_weights(network, backbone, find_weights(weights))
    return network


def network_of(backbone: str, weights: Mapping[str, NDArray[Any]]) -> nn.Module:
    """Build a backbone with given weights.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    weights : mapping of str to array
        Named and shaped as its `state_dict`.

    Returns
    -------
    Module
        Images (n, 3, P, P) to pooled features (n, F).
    """
    with torch.random.fork_rng(devices=[]):
        network = create(backbone)
    _fill(network, weights)
    return network


def load_weights(network: nn.Module, backbone: str, path: PathLike) -> None:
    """Fill a network from a safetensors file; parts that only a classifier has are left out.

    Parameters
    ----------
    network : Module
        What `create` made; its weights are replaced.
    backbone : str
        Its name, which must be the one that the file's header names, if it names one.
    path : path
        The safetensors file.

    Raises
    ------
    ArtifactError
        When the file is damaged, was made for another backbone, or lacks a part.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    _fill(network, read_backbone(Path(path), backbone, expected))


def _fill(network: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Give a network its weights."""
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})


def _from_hub(backbone: str) -> nn.Module:
    """Fetch a pretrained backbone from timm's hub, or from its cache."""
    create(backbone)  # An unknown name must not read as a hub that cannot be reached.
    try:
        with _no_waiting_without_network():
            return create(backbone, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise LsdcError(
            f"weights='imagenet': timm's hub did not give {backbone!r} ({reason}); {ALTERNATIVES}"
        ) from error


@contextmanager
def _no_waiting_without_network() -> Iterator[None]:
    """Let the hub's client read its cache alone where the hub's name does not resolve."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    try:
        if not getproxies():
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
