"""Files of strangers: headers, sizes and shapes are checked before anything else reads them."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import Artifact, list_files, write_manifest
from lsdc.runtime.estimators import load_estimator, save_estimator
from lsdc.runtime.npy_files import open_array
from lsdc.runtime.parquet_files import read_parquet
from lsdc.runtime.parquet_pages import unpacked_size
from lsdc.runtime.schema import (
    Check,
    check_schema,
    flag,
    list_of,
    mapping_of,
    number,
    optional,
    record,
    text,
    whole,
)
from lsdc.runtime.tensor_files import read_arrays, read_header, read_tensors, write_tensors


class Box(Artifact):
    """An artifact of nothing in particular."""

    kind = "box"
    made_by = "make box"
    files = ("a.txt",)


def box(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("first")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.txt").write_text("second")
    (folder / ".lock").write_text("somebody")
    (folder / "journal").write_text("grows")
    write_manifest(folder, "box", 1, files=list_files(folder, ["journal"]))
    return folder


def test_a_box_is_whole_or_refused(tmp_path: Path) -> None:
    folder = box(tmp_path / "box")
    opened = Box.open(folder)
    assert opened.listed.below("deep") == ["deep/b.txt"] and opened.file("a.txt").read_text() == "first"
    (folder / "journal").write_text("grown")
    (folder / ".lock").unlink()
    Box.open(folder)
    (folder / "a.txt").write_text("wrong")
    with pytest.raises(
        ArtifactError, match=r"damaged box, the content of a.txt is not .*make it again with `make box`"
    ):
        Box.open(folder).file("a.txt")
    (folder / "deep" / "b.txt").write_text("longer than before")
    with pytest.raises(ArtifactError, match=r"deep/b\.txt has 18 bytes instead of 6"):
        Box.open(folder)
    (folder / "deep" / "b.txt").unlink()
    with pytest.raises(ArtifactError, match=r"damaged box, deep/b\.txt is missing"):
        Box.open(folder)
    (folder / "deep" / "b.txt").mkdir()
    with pytest.raises(ArtifactError, match=r"deep/b\.txt is no file"):
        Box.open(folder)
    with pytest.raises(ArtifactError, match=r"more\.txt is not listed in manifest\.json"):
        opened.file("more.txt")


@pytest.mark.parametrize(
    ("value", "wanted", "message"),
    [
        (True, whole(0), "it is True and must be a whole number from 0"),
        (1.0, whole(0, 5), "it is 1.0 and must be a whole number from 0 to 5"),
        (float("nan"), number(), "it is nan"),
        (2, number(0, 1), "must be a number from 0 to 1"),
        ("a\x1b", text(), "must be another text"),
        ("\ud800", text(), "must be another text"),
        (0, flag(), "must be true or false"),
        ({"a": [1, "x"]}, record({"a": list_of(whole())}), r"a\[1\] is 'x'"),
        ({}, record({"a": whole()}), "a is missing"),
        ({"a": {"b": None}}, mapping_of(mapping_of(whole())), "a.b is None"),
        ({"a": 1}, record({}, {"a": optional(text())}), "a is 1"),
        ([1, 2], list_of(whole(), most=1), "it is list and must be a list of 0 to 1 items"),
        ("x" * 10_000, whole(), "it is 'x{59}… and must be"),
    ],
)
def test_schemas_name_the_place(value: Any, wanted: Check, message: str) -> None:
    with pytest.raises(ArtifactError, match=f"a.json: damaged, .*{message}.*; mend it"):
        check_schema(value, wanted, Path("a.json"), "mend it")


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic"),
        (
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", pickle.dumps(1)),
            "values of the type object",
        ),
        (
            npy("{'descr': '|u1', 'fortran_order': False, 'shape': (9, 10**9), }"),
            "a damaged header",
        ),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1000000000), }"), "do not fit the shape"),
        (npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2), }"), "the shape"),
        (
            npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", bytes(8)),
            "float32 instead of uint8",
        ),
        (npy("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2), }", bytes(2)), "instead of uint8"),
        (npy("__import__('os').getcwd()"), "a damaged header"),
        (npy("{" * 5000), "a damaged header"),
    ],
)
def test_npy_headers_are_checked(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_array(tmp_path / "a.npy", np.uint8, (None, 2))


def test_npy_files_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6, dtype=np.uint8).reshape(3, 2))
    np.testing.assert_array_equal(open_array(tmp_path / "a.npy", np.uint8, (3, None))[1], [2, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [3]}, "does not fit its bytes"),
        ({"shape": [2**60, 2**60]}, "a damaged entry"),
        ({"shape": [-2]}, "a damaged entry"),
        ({"dtype": "Q1"}, "a damaged entry"),
        ({"data_offsets": [4, 12]}, "do not follow each other"),
        ({"data_offsets": [0, 2**50]}, "a damaged entry|does not fit"),
        ({"data_offsets": None}, "a damaged entry"),
    ],
)
def test_headers_of_tensors_are_checked(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change}).encode()
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    for read in (read_arrays, read_tensors, read_header):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 8, (2).to_bytes(8, "little") + b"[]", (10**6).to_bytes(8, "little") + b"{"]
)
def test_headers_of_impossible_length_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="a header"):
        read_header(tmp_path / "a.safetensors")


def test_weights_of_another_network_are_refused_before_they_are_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"w": np.array([1.0, np.nan])})
    with pytest.raises(ValueError, match="not of the shape that the network has"):
        read_tensors(tmp_path / "a.safetensors", {"w": (3,)})
    with pytest.raises(ValueError, match="values that are no numbers"):
        read_tensors(tmp_path / "a.safetensors", {"w": (2,)})


@pytest.mark.parametrize("place", [-6, -4, 40, 60, 100])
def test_damaged_tables_are_refused_or_read(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": np.arange(50), "b": ["x"] * 50}).to_parquet(path)
    content = bytearray(path.read_bytes())
    for value in (0, 0x7F, 0xFF):
        content[place] = value
        path.write_bytes(content)
        try:
            read_parquet(path, ["a"])
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 250


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a footer of impossible length"),
        (b"PAR1" + bytes(20) + b"\xff\xff\xff\x7fPAR1", "a footer of impossible"),
    ],
)
def test_footers_of_impossible_length_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_parquet(tmp_path / "a.parquet")


class Counted(io.BytesIO):
    """Counts what is read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


def page(statistics: int = 0) -> bytes:
    """A page without content: its header in Thrift's compact form, with a text that is passed over."""
    text = (
        bytes([0x18, statistics & 127 | 128, statistics >> 7 & 127 | 128, statistics >> 14])
        + b"x" * statistics
    )
    return bytes([0x25, 20, 0x15, 0]) + text + b"\0"


def test_headers_of_pages_are_read_once_and_in_little(monkeypatch: pytest.MonkeyPatch) -> None:
    content = page() * 1000
    stream = Counted(content)
    assert unpacked_size(stream, 0, len(content)) == 10 * 1000
    assert stream.taken <= 1000 * 2**12
    for length in (5000, 100_000):
        content = page(length) + page()
        assert unpacked_size(io.BytesIO(content), 0, len(content)) == 20
    with pytest.raises(ValueError, match="a page whose header is cut short"):
        unpacked_size(io.BytesIO(page(2**20 + 10)), 0, 2**20 + 19)
    monkeypatch.setattr("lsdc.runtime.parquet_pages._MOST_PAGES", 999)
    with pytest.raises(ValueError, match="a column of more than 999 pages"):
        unpacked_size(io.BytesIO(page() * 1000), 0, len(page()) * 1000)


def test_tables_lack_no_column_and_hold_plain_values(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [1]}, index=pd.Index([7], name="there")).to_parquet(path)
    assert read_parquet(path).columns.tolist() == ["a", "there"]
    with pytest.raises(ValueError, match="the column 'b' is missing"):
        read_parquet(path, ["b"])
    pd.DataFrame({"a": [b"bytes"]}).to_parquet(path)
    with pytest.raises(ValueError, match="the column 'a' is of the type binary"):
        read_parquet(path)


def nodes(name: str, value: int) -> Callable[[np.ndarray], None]:
    """Change a field of the first node."""

    def change(array: np.ndarray) -> None:
        array[name][0] = value

    return change


@pytest.mark.parametrize(
    ("estimator", "field", "change"),
    [
        (RandomForestClassifier(2, max_depth=3), "left_child", nodes("left_child", 0)),
        (RandomForestClassifier(2, max_depth=3), "left_child", nodes("right_child", 10**6)),
        (RandomForestClassifier(2, max_depth=3), "left_child", nodes("feature", 10**6)),
        (HistGradientBoostingClassifier(max_iter=2), "num_threshold", nodes("left", 0)),
        (HistGradientBoostingClassifier(max_iter=2), "num_threshold", nodes("feature_idx", 99)),
        (KNeighborsClassifier(algorithm="kd_tree"), "idx_start", nodes("idx_end", 10**6)),
    ],
)
def test_arrays_that_compiled_code_would_trust_are_checked(
    tmp_path: Path, estimator: Any, field: str, change: Callable[[np.ndarray], None]
) -> None:
    """Each of these edits makes scikit-learn read elsewhere, or never end."""
    X = np.random.default_rng(0).normal(size=(80, 3))
    path = tmp_path / "a.skops"
    save_estimator(path, estimator.fit(X, np.arange(80) % 3))
    np.testing.assert_array_equal(load_estimator(path).predict(X), estimator.predict(X))
    edit(path, lambda array: field in (array.dtype.names or ()), change)
    with pytest.raises(ArtifactError, match="a damaged estimator file"):
        load_estimator(path)


def test_support_vectors_are_counted(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(80, 3))
    save_estimator(tmp_path / "a.skops", SVC().fit(X, np.arange(80) % 3))
    load_estimator(tmp_path / "a.skops")

    def more(array: np.ndarray) -> None:
        array[0] = 10**6

    edit(tmp_path / "a.skops", lambda array: array.dtype == np.int32 and array.shape == (3,), more)
    with pytest.raises(ArtifactError, match="arrays of a support vector machine that do not fit each other"):
        load_estimator(tmp_path / "a.skops")


def edit(path: Path, wanted: Callable[[np.ndarray], bool], change: Callable[[np.ndarray], None]) -> None:
    """Change the first array of a skops file that is wanted."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in sorted(members):
        if name.endswith(".npy"):
            (path.parent / "one.npy").write_bytes(members[name])
            array = np.load(path.parent / "one.npy")
            if wanted(array):
                change(array)
                np.save(path.parent / "one.npy", array)
                members[name] = (path.parent / "one.npy").read_bytes()
                break
    else:
        raise AssertionError("no such array")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
