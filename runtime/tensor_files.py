"""Arrays in safetensors files: written whole or not at all, and read after a check of the header."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from lsdc.runtime.whole_files import atomic

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_HEADER = 16 * 2**20
_MOST_DIMENSIONS = 8
_DTYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32,
    "I32": np.int32, "U64": np.uint64, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
}  # fmt: skip
_SIZES = {name: np.dtype(dtype).itemsize for name, dtype in _DTYPES.items()} | {"BF16": 2}


def write_tensors(path: Path, tensors: Mapping[str, NDArray], **notes: str) -> None:
    """Write arrays as safetensors, whole or not at all.

    The file is as readable as others; safetensors' own `save_file` makes one that only its owner may read.

    Parameters
    ----------
    path : Path
        The file.
    tensors : mapping of str to array
        Arrays by name, of any dtype that safetensors knows.
    **notes
        Text that the file's header keeps.
    """
    content = {name: np.array(value, order="C") for name, value in tensors.items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(content, notes))


def write_weights(path: Path, state: Mapping[str, Any], **notes: str) -> None:
    """Write a network's weights as half-precision safetensors; what is not floating point stays as it is.

    Parameters
    ----------
    path : Path
        The file.
    state : mapping of str to Tensor or array
        A `state_dict`.
    **notes
        Text that the file's header keeps.
    """
    write_tensors(path, {name: _halved(value) for name, value in state.items()}, **notes)


def _halved(value: Any) -> NDArray[Any]:
    """Bring an array or a tensor to half precision where it is of floating point."""
    if isinstance(value, np.ndarray):
        return value.astype(np.float16) if np.issubdtype(value.dtype, np.floating) else value
    halved: NDArray[Any] = (value.half() if value.is_floating_point() else value).cpu().numpy()
    return halved


class TensorHeader(NamedTuple):
    """What the header of a safetensors file says, after a check.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        By the tensors' names.
    dtypes : dict of str to str
        Safetensors' words, such as `F32`.
    places : dict of str to tuple of int
        First byte of each tensor in the file, and the one after its last.
    notes : dict of str to str
        Text that the writer left.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    places: dict[str, tuple[int, int]]
    notes: dict[str, str]


def read_header(path: Path) -> TensorHeader:
    """Read and check the header of a safetensors file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    TensorHeader
        Whose tensors fill the file, one behind the other.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When the header is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
            raise ValueError("a header of impossible length")
        try:
            content = json.loads(stream.read(length).decode("utf-8"), object_pairs_hook=_once)
        except RecursionError:
            raise ValueError("a header that nests too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("a header that is no object")
    notes = content.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        raise ValueError("notes that are no text")
    header = TensorHeader({}, {}, {}, notes)
    for name, entry in content.items():
        _add(header, name, entry, 8 + length)
    end = 8 + length
    for first, after in sorted(header.places.values()):
        if first != end:
            raise ValueError("tensors that do not follow each other")
        end = after
    if end != size:
        raise ValueError(f"{size} bytes instead of {end}")
    return header


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a safetensors file.

    Parameters
    ----------
    path : Path
        What `write_tensors` wrote.

    Returns
    -------
    dict of str to array
        By name.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, or holds a type that NumPy does not have.
    """
    header, content = read_header(path), path.read_bytes()
    found = {}
    for name, (first, after) in header.places.items():
        if header.dtypes[name] not in _DTYPES:
            raise ValueError(f"{name!r} is of the type {header.dtypes[name]}")
        values: NDArray[Any] = np.frombuffer(content[first:after], _DTYPES[header.dtypes[name]])
        found[name] = values.reshape(header.shapes[name]).copy()
    return found


def read_tensors(path: Path, wanted: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file for a network.

    Parameters
    ----------
    path : Path
        What `write_tensors` wrote.
    wanted : mapping of str to tuple of int, optional
        Shapes by name that must be there, so that nothing is read for a network of another kind.

    Returns
    -------
    dict of str to Tensor
        By name, on the CPU; those of floating point are finite.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, when names or shapes are others, or a value is no number.
    """
    from safetensors.torch import load_file

    header = read_header(path)
    _check_shapes(header, wanted)
    found: dict[str, Tensor] = load_file(path)
    for name, value in found.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(f"{name!r} has values that are no numbers")
    return found


def read_weights(path: Path, wanted: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, NDArray[Any]]:
    """Read a network's weights as arrays, without torch.

    Parameters
    ----------
    path : Path
        What `write_weights` or `write_tensors` wrote.
    wanted : mapping of str to tuple of int, optional
        Shapes by name that must be there, and no others.

    Returns
    -------
    dict of str to array
        By name; what is of floating point is float32, and finite.

    Raises
    ------
    OSError
        When the file cannot be read.
    ValueError
        When it is damaged, when names or shapes are others, or a value is no number.
    """
    header, content = read_header(path), path.read_bytes()
    _check_shapes(header, wanted)
    found: dict[str, NDArray[Any]] = {}
    for name, (first, after) in header.places.items():
        dtype = header.dtypes[name]
        if dtype == "BF16":  # the upper half of a float32
            values = (np.frombuffer(content[first:after], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(content[first:after], _DTYPES[dtype])
            values = values.astype(np.float32) if dtype.startswith("F") else values.copy()
        if dtype in ("BF16", "F16", "F32", "F64") and not np.isfinite(values).all():
            raise ValueError(f"{name!r} has values that are no numbers")
        found[name] = values.reshape(header.shapes[name])
    return found


def _check_shapes(header: TensorHeader, wanted: Mapping[str, tuple[int, ...]] | None) -> None:
    """Refuse a file whose tensors have other names or shapes than a network's."""
    if wanted is not None:
        for name in wanted.keys() | header.shapes.keys():
            if header.shapes.get(name) != wanted.get(name):
                raise ValueError(f"{name!r} is absent, or not of the shape that the network has")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary, in which no name may come twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that comes twice")
    return found


def _add(header: TensorHeader, name: str, entry: Any, begin: int) -> None:
    """Check one tensor's entry, and put it into the header."""
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
    shape, dtype, place = fields.get("shape"), fields.get("dtype"), fields.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _SIZES:
        raise ValueError(f"a damaged entry of {name[:60]!r}")
    if not _are_counts(shape, _MOST_DIMENSIONS) or not _are_counts(place, 2):
        raise ValueError(f"a damaged entry of {name[:60]!r}")
    if len(place) != 2 or place[1] - place[0] != math.prod(shape) * _SIZES[dtype]:
        raise ValueError(f"the shape of {name[:60]!r} does not fit its bytes")
    header.shapes[name], header.dtypes[name] = tuple(shape), dtype
    header.places[name] = begin + place[0], begin + place[1]


def _are_counts(values: Any, most: int) -> TypeGuard[list[int]]:
    """Tell whether something is a list of at most so many whole numbers from 0."""
    return (
        isinstance(values, list)
        and len(values) <= most
        and all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**48 for value in values)
    )  # fmt: skip
