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
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from lsdc.runtime import ArtefactError, ConfigError, LsdcError

BUNDLED = Path(__file__).parent / "weights" / "encoder.safetensors"
ALTERNATIVES = (
    "use --weights bundled (shipped with lsdc), --weights FILE.safetensors (copied from a machine with "
    "internet), or --weights random (a baseline)"
)


def create(backbone: str, *, pretrained: bool = False) -> nn.Module:
    """A timm backbone with pooled features instead of a classifier.

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
            f"--backbone: timm has no model {backbone!r} ({error}); there are, for example, {', '.join(near)}"
        ) from error


def load_network(backbone: str, weights: str, seed: int = 0) -> nn.Module:
    """Build a backbone and give it its weights.

    Parameters
    ----------
    backbone : str
        A timm model's name.
    weights : str
        `bundled`, `imagenet`, `random`, or the path of a safetensors file.
    seed : int
        For `random`.

    Raises
    ------
    LsdcError
        When the weights cannot be had, or do not fit the backbone.
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
        raise ArtefactError(f"{path}: {what}; give --weights bundled, imagenet, random or a safetensors file")
    load_weights(network, backbone, path)
    return network


def load_weights(network: nn.Module, backbone: str, path: Path) -> None:
    """Fill a network from a safetensors file; parts that only a classifier has are left out.

    Raises
    ------
    ArtefactError
        When the file is damaged, was made for another backbone, or lacks a part.
    """
    try:
        with safe_open(path, "pt") as stream:
            made_for = (stream.metadata() or {}).get("backbone", backbone)
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtefactError(
            f"{path}: cannot be read as safetensors ({error}); copy or make it again"
        ) from error
    if made_for != backbone:
        raise ArtefactError(
            f"{path}: weights of {made_for!r}, not of {backbone!r}; add --backbone {made_for}"
        )
    expected = network.state_dict()
    wrong = [
        name for name, value in expected.items() if name not in tensors or tensors[name].shape != value.shape
    ]
    if wrong:
        raise ArtefactError(
            f"{path}: does not fit backbone {backbone!r}: {len(wrong)} of {len(expected)} tensors are absent "
            f"or of another shape, the first is {wrong[0]!r}; give the --backbone that the file was made for"
        )
    network.load_state_dict({name: tensors[name] for name in expected})


def _from_hub(backbone: str) -> nn.Module:
    create(backbone)
    try:
        with _no_waiting_without_network():
            return create(backbone, pretrained=True)
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise LsdcError(
            f"--weights imagenet: timm's hub has no {backbone!r} for us ({first}); {ALTERNATIVES}"
        ) from error


@contextmanager
def _no_waiting_without_network() -> Iterator[None]:
    """Tell the hub's client to look only into its cache where the hub's name does not resolve."""
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
