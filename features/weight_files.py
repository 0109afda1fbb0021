"""Files of an encoder's weights, read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.tensor_files import read_header, read_weights

BUNDLED = Path(__file__).parent / "weights" / "encoder.safetensors"
"""The weights that are shipped, for the backbone `regnetx_002`."""


def find_weights(weights: str) -> Path:
    """Find the file of an encoder's weights.

    Parameters
    ----------
    weights : str
        `bundled`, or a path.

    Returns
    -------
    Path
        The safetensors file.

    Raises
    ------
    ArtifactError
        When it is not there.
    """
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
    return path


def read_backbone(
    path: Path, backbone: str, expected: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[Any]]:
    """Read the weights of a backbone; parts that only a classifier has are left out.

    Parameters
    ----------
    path : Path
        The safetensors file.
    backbone : str
        Must be the one that the file's header names, if it names one.
    expected : mapping of str to tuple of int
        Shapes of the network's weights by name.

    Returns
    -------
    dict of str to array
        Those that are expected; what is of floating point is float32, and finite.

    Raises
    ------
    ArtifactError
        When the file is damaged, was made for another backbone, or lacks a part.
    """
    try:
        made_for = read_header(path).notes.get("backbone", backbone)
        found = read_weights(path)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path}: cannot be read as safetensors ({error}); copy or make it again"
        ) from error
    if made_for != backbone:
        raise ArtifactError(
            f"{path}: weights of {made_for!r}, not of {backbone!r}; choose the backbone {made_for!r}"
        )
    wrong = [name for name, shape in expected.items() if name not in found or found[name].shape != shape]
    if wrong:
        raise ArtifactError(
            f"{path}: does not fit backbone {backbone!r}: {len(wrong)} of {len(expected)} tensors are absent "
            f"or of another shape, the first is {wrong[0]!r}; choose the backbone that the file was made for"
        )
    return {name: found[name] for name in expected}
