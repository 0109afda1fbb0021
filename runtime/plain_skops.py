"""What a skops file holds, as plain arrays, lists and dictionaries: no object is made, so nothing can run or crash.

skops itself makes only objects of trusted types, but hands arrays to compiled code that does not check them.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.npy_files import read_array_bytes

MOST_BYTES, _MOST_MEMBERS, _LONGEST_SCHEMA = 2 * 2**30, 200_000, 64 * 2**20
_SCHEMA = "schema.json"
_DEEPEST = 200
TRUSTING = ("Tree", "TreePredictor", "KDTree", "BallTree")
"""Types whose compiled code trusts the arrays that it is given."""
_ERRORS = (
    OSError,
    LookupError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
)


class Plain(NamedTuple):
    """An object of a file that was not made.

    Parameters
    ----------
    kind : str
        Its type, as `module.Class`.
    content : object
        Its state: arrays, lists, dictionaries, numbers, text, bytes, and further `Plain`s; None where its kind is not
        known here.
    """

    kind: str
    content: Any


def read_plain(path: Path) -> Any:
    """Read a skops file without making its objects.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    object
        An array, list, dictionary, number, text, bytes, or `Plain`.

    Raises
    ------
    ValueError
        When the file is damaged, or its content would not fit into `MOST_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            schema = json.loads(archive.read(_SCHEMA).decode("utf-8"))
            return _Reader(archive).value(schema, 0)
    except ValueError:
        raise
    except (*_ERRORS, RuntimeError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__}: {str(error)[:200]}") from error


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse an archive that would unpack to more than a model can be.

    Parameters
    ----------
    archive : ZipFile
        Opened for reading.

    Raises
    ------
    ValueError
        When it has too many or too large members, one of them twice, or no schema.
    """
    members = archive.infolist()
    names = {item.filename for item in members}
    if len(members) > _MOST_MEMBERS or len(names) != len(members) or _SCHEMA not in names:
        raise ValueError("members that a skops file has not")
    if (
        sum(item.file_size for item in members) > MOST_BYTES
        or archive.getinfo(_SCHEMA).file_size > _LONGEST_SCHEMA
    ):
        raise ValueError("members that are too large")


@dataclass
class _Reader:
    """Follows the nodes of a schema."""

    archive: zipfile.ZipFile
    seen: dict[Any, Any] = field(default_factory=dict)
    read: int = 0

    def value(self, node: Any, depth: int) -> Any:
        """Read a node; as in skops, the first node of a number stands wherever the number comes again."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        if not isinstance(node, dict) or not isinstance(node.get("__loader__"), str):
            raise ValueError("a node that is none")
        number = node.get("__id__")
        if number in self.seen:
            return self.seen[number]
        _check_rest([part for name, part in node.items() if name not in ("content", "__class__")], depth)
        found = self.content(node, depth)
        if number:
            self.seen[number] = found
        return found

    def content(self, node: dict[str, Any], depth: int) -> Any:
        """Read a node that was not met before."""
        kind = f"{node.get('__module__')}.{node.get('__class__')}"
        loader = node["__loader__"]
        content: Any = node.get("content")
        if loader == "JsonNode":
            return json.loads(content) if isinstance(content, str) else None
        if loader in ("ListNode", "TupleNode"):
            return [self.value(item, depth + 1) for item in content]
        if loader in ("DictNode", "DefaultDictNode"):
            return {name: self.value(item, depth + 1) for name, item in content.items()}
        if loader == "NdArrayNode":
            return self.array(node, depth)
        if loader in ("BytesNode", "BytearrayNode"):
            return self.member(node["file"])
        if loader in ("ObjectNode", "TreeNode", "ReduceNode") and content is not None:
            return Plain(kind, self.value(content, depth + 1))
        _check_rest(content, depth)
        return Plain(kind, None)

    def array(self, node: dict[str, Any], depth: int) -> Any:
        """Read an array of numbers; one of objects becomes a list."""
        if node.get("type") != "numpy":
            return [self.value(item, depth + 1) for item in node["content"]]
        return read_array_bytes(self.member(node["file"]))

    def member(self, name: str) -> bytes:
        """Read a member; the same one may be asked for often, but not for ever."""
        self.read += self.archive.getinfo(name).file_size
        if self.read > MOST_BYTES:
            raise ValueError("members that are too large")
        return self.archive.read(name)


def _check_rest(part: Any, depth: int) -> None:
    """Refuse, in a part that is not read here, objects whose arrays compiled code would trust."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(part, dict):
        if part.get("__class__") in TRUSTING or "_n_support" in part:
            raise ValueError("an object at a place where there is none")
        for one in part.values():
            _check_rest(one, depth + 1)
    elif isinstance(part, list):
        for one in part:
            _check_rest(one, depth + 1)


def numbers(value: Any, *shape: int | None, dtype: Any = np.float64) -> NDArray[Any]:
    """Take an array of finite numbers out of what `read_plain` gave.

    Parameters
    ----------
    value : object
        Some part of it.
    *shape : int or None
        What the shape must be; None where any length is right.
    dtype : dtype
        What the array becomes; by default float64.

    Returns
    -------
    array
        A copy in C order.

    Raises
    ------
    ValueError
        When it is no such array.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or value.ndim != len(shape):
        raise ValueError("something else instead of an array of numbers")
    if any(want not in (None, n) for n, want in zip(value.shape, shape)):
        raise ValueError(f"the shape {value.shape} instead of {shape}")
    found = np.array(value, dtype, order="C")
    if not np.isfinite(found).all():
        raise ValueError("values that are no numbers")
    return found
