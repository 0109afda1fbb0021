"""The kinds of damage of `tampered_models.py`: each changes one file of an artifact, as chance or a stranger would."""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator
from safetensors.numpy import load_file, save_file

Damage = Callable[[Path, Generator], None]
"""Changes a file in place; raises `Unsuited` where the file is of another kind."""
CANARY = "code_was_run"
"""A file that planted code would make in the working directory."""
_HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 1e308, float("nan"), float("inf"), 0.5, "", "x", "../../etc/passwd",
    "os:system", "\x1b[31m", "\ud800", "a" * 5000, [], {}, [[]], [None], {"": 0}, [0] * 50,
)  # fmt: skip


_NPY_HEADERS = (
    ("'|O'", False, "(1,)"), ("'|u1'", True, "(9, 9)"), ("'|u1'", False, "(99999999999, 3, 3, 4, 4)"),
    ("'<f8'", False, "(3,)"), ("[('a', '|O')]", False, "(1,)"), ("'|u1'", False, "(True,)"),
    ("'|u1'", False, "(-1, 3, 3, 4, 4)"),
)  # fmt: skip
_PLANTED_NODES: tuple[dict[str, Any], ...] = (
    {"__module__": "os", "__class__": "system"}, {"__module__": "builtins", "__class__": "eval"},
    {"__module__": "subprocess", "__class__": "Popen"}, {"__loader__": "FunctionNode"}, {"__loader__": "TreeNode"},
    {"__loader__": "Nope"}, {"content": []}, {"content": {}}, {"content": "[" * 10_000}, {"file": "no.npy"},
    {"__id__": 1},
)  # fmt: skip


class Unsuited(Exception):  # noqa: N818  # a signal, not an error
    """The damage does not apply to the file."""


def flip(path: Path, rng: Generator) -> None:
    """Flip one bit."""
    content = bytearray(_some(path))
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def cut(path: Path, rng: Generator) -> None:
    """Cut the end off."""
    content = _some(path)
    path.write_bytes(content[: rng.integers(len(content))])


def grow(path: Path, rng: Generator) -> None:
    """Append some bytes."""
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, 100))))


def blank(path: Path, rng: Generator) -> None:
    """Overwrite a part with zeros or noise."""
    content = bytearray(_some(path))
    begin = int(rng.integers(len(content)))
    size = min(int(rng.integers(1, 64)), len(content) - begin)
    content[begin : begin + size] = bytes(size) if rng.random() < 0.5 else rng.bytes(size)
    path.write_bytes(content)


def delete(path: Path, rng: Generator) -> None:
    """Delete the file."""
    path.unlink()


def swap(path: Path, rng: Generator) -> None:
    """Exchange the file with another one of its artifact."""
    others = [one for one in sorted(path.parent.rglob("*")) if one.is_file() and one != path]
    if not others:
        raise Unsuited
    other = others[rng.integers(len(others))]
    mine, theirs = path.read_bytes(), other.read_bytes()
    if mine == theirs:
        raise Unsuited
    path.write_bytes(theirs)
    other.write_bytes(mine)


def json_value(path: Path, rng: Generator) -> None:
    """Replace, move or drop one value of a JSON file, whatever its type."""
    whole = _json(path)
    places = list(_places(whole))
    if not places:
        raise Unsuited
    holder, key = places[rng.integers(len(places))]
    if isinstance(holder, dict) and rng.random() < 0.15:
        del holder[key]
    elif rng.random() < 0.2:
        holder[key] = places[rng.integers(len(places))][0]
    else:
        holder[key] = _HOSTILE[rng.integers(len(_HOSTILE))]
    try:
        content = json.dumps(whole)
    except ValueError:  # it holds itself
        raise Unsuited from None
    if "stacker" in whole:
        from lsdc.runtime.artifact import fingerprint

        whole.pop("hash", None)
        content = json.dumps({**whole, "hash": fingerprint(json.loads(json.dumps(whole)))})
    path.write_bytes(content.encode("utf-8", "surrogatepass"))


def json_text(path: Path, rng: Generator) -> None:
    """Write JSON that is hard to read: deep, long, or no JSON."""
    if path.suffix != ".json":
        raise Unsuited
    texts = (
        "[" * 100_000,
        '{"a":' * 50_000,
        "1" * 10_000,
        '{"kind": "model"',
        "NaN",
        "\ufeff{}",
        '"' + "x" * 10**6 + '"',
    )
    path.write_text(texts[rng.integers(len(texts))], encoding="utf-8")


def tensor_value(path: Path, rng: Generator) -> None:
    """Change numbers of an array in a safetensors file."""
    if path.suffix != ".safetensors":
        raise Unsuited
    arrays = load_file(path)
    name = sorted(arrays)[rng.integers(len(arrays))]
    values = arrays[name].copy()
    if not values.size:
        raise Unsuited
    where = rng.integers(values.size, size=max(1, values.size // 10))
    if values.dtype.kind in "iu":
        edge = np.iinfo(values.dtype)
        values.flat[where] = rng.choice(
            [0, 1, 2, edge.max, edge.min, len(values), len(values) - 1], len(where)
        ).astype(values.dtype)
    else:
        values.flat[where] = rng.choice([np.nan, np.inf, -np.inf, 1e30, -1.0, 0.0], len(where)).astype(
            values.dtype
        )
    arrays[name] = values
    _save(path, arrays)


def tensor_shape(path: Path, rng: Generator) -> None:
    """Drop, rename, cut, turn or recast an array in a safetensors file."""
    if path.suffix != ".safetensors":
        raise Unsuited
    arrays = load_file(path)
    name = sorted(arrays)[rng.integers(len(arrays))]
    values = arrays.pop(name)
    kind = rng.integers(5)
    if kind == 1:
        arrays[name + "x"] = values
    elif kind == 2:
        arrays[name] = values[: len(values) // 2] if values.ndim else values
    elif kind == 3:
        arrays[name] = np.ascontiguousarray(values.T[None])
    elif kind == 4:
        arrays[name] = values.astype(np.int64 if values.dtype.kind == "f" else np.float32)
    _save(path, arrays)


def tensor_header(path: Path, rng: Generator) -> None:
    """Change the header of a safetensors file."""
    if path.suffix != ".safetensors":
        raise Unsuited
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    name = sorted(header)[rng.integers(len(header))]
    entry = header[name]
    if rng.random() < 0.2 or "shape" not in entry:
        length = (0, 1, 2**63, 2**31, len(content), 10**8)[rng.integers(6)]
        path.write_bytes(length.to_bytes(8, "little") + content[8:])
        return
    field = ("shape", "dtype", "data_offsets")[rng.integers(3)]
    entry[field] = ([2**40], [0], [2**62, 4], [-1], "F64", "BF16", "Q9", [0, 2**50], [5, 1], None, {}, [1.5])[
        rng.integers(12)
    ]
    changed = json.dumps(header).encode()
    path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])


def npy_header(path: Path, rng: Generator) -> None:
    """Change the header of a npy file, or put a pickle into it."""
    if path.suffix != ".npy":
        raise Unsuited
    headers = (
        *(_npy_header(*parts) for parts in _NPY_HEADERS),
        "{" * 500,
        f"__import__('os').system('touch {CANARY}')",
    )
    header = headers[rng.integers(len(headers))].encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickle.dumps(_Planted())
    )


def parquet_cells(path: Path, rng: Generator) -> None:
    """Change a column of a table, or its rows."""
    if path.suffix != ".parquet":
        raise Unsuited
    table = pd.read_parquet(path)
    name = str(table.columns[int(rng.integers(len(table.columns)))])
    kind = rng.integers(6)
    if kind == 0:
        table = table.drop(columns=name)
    elif kind == 1:
        table = table.iloc[: rng.integers(len(table))]
    elif kind == 2:
        table = table.sample(frac=1, random_state=int(rng.integers(1000)))
    elif kind == 3:
        table[name] = [("\x00", "", "x", "nan", "\x1b[2J")[rng.integers(5)]] * len(table)
    elif kind == 4:
        table[name] = float((np.nan, np.inf, -5, 1e300)[rng.integers(4)])
    else:
        table[name] = int((-9, 10**15, 3)[rng.integers(3)])
    table.to_parquet(path, index=bool(rng.random() < 0.2))


def parquet_bytes(path: Path, rng: Generator) -> None:
    """Change bytes of the footer or of a page header of a Parquet file."""
    if path.suffix != ".parquet":
        raise Unsuited
    content = bytearray(path.read_bytes())
    length = int.from_bytes(content[-8:-4], "little")
    begin = len(content) - 8 - length
    span = (begin, length) if rng.random() < 0.6 else (4, min(200, begin))
    if rng.random() < 0.1:
        content[-8:-4] = int((0, 1, 2**31 - 1, 2**32 - 1, len(content))[rng.integers(5)]).to_bytes(
            4, "little"
        )
    for _ in range(int(rng.integers(1, 4))):
        content[span[0] + int(rng.integers(span[1]))] = int(
            rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])
        )
    path.write_bytes(content)


def booster_text(path: Path, rng: Generator) -> None:
    """Change a number of LightGBM's text."""
    if not path.name.endswith(".lightgbm.txt"):
        raise Unsuited
    content = path.read_text()
    numbers = list(re.finditer(r"(?<=[ =])-?[0-9.e+]+(?=[ \n])", content))
    chosen = numbers[rng.integers(len(numbers))]
    value = ("0", "-1", "99999999", "2000000000", "nan", "inf", "-2147483648", "x")[rng.integers(8)]
    path.write_text(content[: chosen.start()] + value + content[chosen.end() :])


def booster_bytes(path: Path, rng: Generator) -> None:
    """Change some bytes of XGBoost's file, at the beginning of a value."""
    if path.suffix != ".ubj":
        raise Unsuited
    content = bytearray(path.read_bytes())
    marks = [k for k, value in enumerate(content) if value in b"lLidD"]
    for _ in range(int(rng.integers(1, 5))):
        place = marks[rng.integers(len(marks))] + 1
        values = (b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", rng.bytes(4))
        content[place : place + 4] = values[int(rng.integers(4))]
    path.write_bytes(content)


def skops_member(path: Path, rng: Generator) -> None:
    """Change numbers of an array in a skops file, or plant an object of another type."""
    if path.suffix != ".skops":
        raise Unsuited
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    arrays = sorted(name for name in members if name.endswith(".npy"))
    if rng.random() < 0.4 or not arrays:
        schema = json.loads(members["schema.json"])
        nodes = [one for one, key in _places(schema) if key == "__class__"]
        node = nodes[rng.integers(len(nodes))]
        node.update(_PLANTED_NODES[rng.integers(len(_PLANTED_NODES))])
        members["schema.json"] = json.dumps(schema).encode()
    else:
        name = arrays[rng.integers(len(arrays))]
        content = bytearray(members[name])
        for _ in range(int(rng.integers(1, 9))):
            content[int(rng.integers(min(len(content) - 1, 10), len(content)))] = int(
                rng.choice([0, 1, 0x7F, 0x80, 0xFF])
            )
        members[name] = bytes(content)
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)


def journal_line(path: Path, rng: Generator) -> None:
    """Change a value of a line of a journal, or the order of its lines."""
    if path.suffix != ".journal":
        raise Unsuited
    lines = path.read_text().splitlines()
    place = int(rng.integers(len(lines)))
    if rng.random() < 0.2:
        other = int(rng.integers(len(lines)))
        lines[place], lines[other] = lines[other], lines[place]
    elif rng.random() < 0.1:
        del lines[place]
    else:
        whole = json.loads(lines[place])
        places = list(_places(whole))
        holder, key = places[rng.integers(len(places))]
        if rng.random() < 0.3 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = (*_HOSTILE, 1, 2, 3, 4, 5, 6)[rng.integers(len(_HOSTILE) + 6)]
        lines[place] = json.dumps(whole)
    path.write_text("\n".join(lines) + "\n")


def planted(path: Path, rng: Generator) -> None:
    """Put a pickle in the place of the file."""
    path.write_bytes(pickle.dumps(_Planted()))


BY_CHANCE: tuple[Damage, ...] = (flip, cut, grow, blank, delete, swap)
"""Damages after which the digests do not fit."""
ON_PURPOSE: tuple[Damage, ...] = (
    flip, cut, blank, delete, swap, json_value, json_value, json_text, tensor_value, tensor_value, tensor_shape,
    tensor_header, npy_header, parquet_cells, parquet_bytes, booster_text, booster_bytes, skops_member, journal_line,
    planted,
)  # fmt: skip
"""Damages after which the digests are computed anew."""


def _npy_header(kind: str, fortran: bool, shape: str) -> str:
    """Write the header of a npy file."""
    return f"{{'descr': {kind}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


class _Planted:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {CANARY}",)


def _some(path: Path) -> bytes:
    """Content of a file that is not empty."""
    content = path.read_bytes()
    if not content:
        raise Unsuited
    return content


def _json(path: Path) -> Any:
    """Content of a JSON file."""
    if path.suffix != ".json":
        raise Unsuited
    return json.loads(path.read_text())


def _places(value: Any) -> Any:
    """All holders and keys of values, however deep."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _save(path: Path, arrays: dict[str, Any]) -> None:
    """Write a safetensors file with the notes that it had."""
    size = int.from_bytes(path.read_bytes()[:8], "little")
    notes = json.loads(path.read_bytes()[8 : 8 + size]).get("__metadata__")
    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, path, notes)
