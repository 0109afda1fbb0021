"""Files of skops that are the same, byte by byte, whenever they hold the same estimator."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def steady_skops(path: Path) -> None:
    """Give the objects of a skops file numbers in their order, and its members one date.

    Skops names objects by their address in memory, and members by these and the time of day. Two runs of the same work
    would then differ in what they write, and digests could not tell whether anything else does.

    Parameters
    ----------
    path : Path
        What `skops.io.dump` wrote; replaced.
    """
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    schema = json.loads(members.pop(_SCHEMA))
    names: dict[str, str] = {}
    schema = _renamed(schema, {}, names)
    with zipfile.ZipFile(path, "w") as archive:
        for old, new in sorted(names.items(), key=lambda pair: pair[1]):
            _add(archive, new, members.pop(old))
        for rest in sorted(members):
            _add(archive, rest, members[rest])
        _add(archive, _SCHEMA, json.dumps(schema, indent=2).encode())


def _renamed(node: Any, numbers: dict[int, int], names: dict[str, str]) -> Any:
    """Replace ids and names of files by counts, in the order in which they are met."""
    if isinstance(node, list):
        return [_renamed(item, numbers, names) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _renamed(value, numbers, names) for key, value in node.items()}
    if "__loader__" not in node:
        return found
    if isinstance(node.get("__id__"), int):
        found["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    if isinstance(node.get("file"), str):
        count = f"{len(names) + 1:06d}{Path(node['file']).suffix}"
        found["file"] = names.setdefault(node["file"], count)
    return found


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a member."""
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), _without_gaps(name, content))


def _without_gaps(name: str, content: bytes) -> bytes:
    """Clear what lies between the fields of records: scikit-learn's trees leave there what memory held before."""
    if not name.endswith(".npy"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    memory = np.zeros(array.nbytes, np.uint8)
    clean = memory.view(array.dtype).reshape(array.shape)
    for field in array.dtype.names:
        clean[field] = array[field]
    stream = io.BytesIO()  # `np.save` copies records field by field, and leaves such gaps itself
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(clean))
    return stream.getvalue() + memory.tobytes()
