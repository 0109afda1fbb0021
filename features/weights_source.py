"""Where an encoder's weights come from: shipped with lsdc, timm's hub, a seed, or a file."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from safetensors import SafetensorError
from torch import nn

from lsdc.runtime.errors import ArtifactError, ConfigError, LsdcError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.tensor_files import read_header, read_tensors

BUNDLED = Path(__file__).parent / "weights" / "encoder.safetensors"
"""The weights that are shipped, for the backbone `regnetx_002`."""
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
    path = BUNDLED if weights == "bundled" else Path(weights)
    if not path.is_file():
        what = (
            "the bundled weights are not in this installation"
            if weights == "bundled"
            else "no such weights file"
        )
        raise ArtifactError(
            f"{path}: {what}; weights may be 'bundled', 'imagenet', 'random' or a safetensors file"
        )
    load_weights(network, backbone, path)
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
    try:
        made_for = read_header(Path(path)).notes.get("backbone", backbone)
        tensors = read_tensors(Path(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtifactError(
            f"{path}: cannot be read as safetensors ({error}); copy or make it again"
        ) from error
    if made_for != backbone:
        raise ArtifactError(
            f"{path}: weights of {made_for!r}, not of {backbone!r}; choose the backbone {made_for!r}"
        )
    expected = network.state_dict()
    wrong = [
        name for name, value in expected.items() if name not in tensors or tensors[name].shape != value.shape
    ]
    if wrong:
        raise ArtifactError(
            f"{path}: does not fit backbone {backbone!r}: {len(wrong)} of {len(expected)} tensors are absent "
            f"or of another shape, the first is {wrong[0]!r}; choose the backbone that the file was made for"
        )
    network.load_state_dict({name: tensors[name] for name in expected})


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
