"""Artifact folders: whole or absent, checked when opened, claimed while written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from lsdc.runtime import ArtifactError, LsdcError, claims
from lsdc.runtime.artifact import (
    atomic,
    check_output_file,
    claim,
    file_hash,
    read_json,
    read_manifest,
    take_back,
    write_json,
    write_manifest,
    write_tensors,
)
from lsdc.runtime.folder_lock import only_writer


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with atomic(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("whole")
    assert (tmp_path / "deep" / "a.txt").read_text() == "whole"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic(tmp_path / "model") as temporary:
        temporary.mkdir()
        (temporary / "half").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_json_that_is_absent_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"a.json: no such file"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"a.json: cannot be read as JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not a finished store directory"),
        ({"kind": "model", "schema": 1}, "holds a 'model', not a 'store'"),
        ([], "holds a 'list', not a 'store'"),
        ({"kind": "store", "schema": 9, "lsdc": "7.0"}, r"written by lsdc 7.0 with layout 9, newer than"),
        ({"kind": "store", "schema": "x"}, "newer than"),
    ],
)
def test_manifests_are_checked(tmp_path: Path, content: Any, message: Any) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=message):
        read_manifest(tmp_path, "store", 1, "lsdc-features extract")


def test_a_manifest_comes_back(tmp_path: Path) -> None:
    write_manifest(tmp_path, "store", 1, rows=3)
    assert read_manifest(tmp_path, "store", 1, "x")["rows"] == 3
    with pytest.raises(ArtifactError, match="no such store directory; make one with `x`"):
        read_manifest(tmp_path / "absent", "store", 1, "x")


def test_a_claim_is_kept_by_the_same_configuration_only(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    claim(folder, {"a": 1, "b": 2}, lambda: "delete it")
    claim(folder, {"b": 2, "a": 1}, lambda: "delete it")
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(b differ\); delete it"):
        claim(folder, {"a": 1, "b": 3}, lambda: "delete it")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="exists and is not empty; delete it"):
        claim(tmp_path / "mine", {}, lambda: "delete it")
    (folder / "config.json").write_text("[1]")
    with pytest.raises(ArtifactError, match=r"config\.json: damaged, it holds no configuration; delete it"):
        claim(folder, {}, lambda: "delete it")


def test_of_two_claims_at_once_one_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_json

    def while_another_claims(path: Path, value: object) -> None:
        monkeypatch.setattr(claims, "write_json", write)
        assert claim(path.parent, {"a": 1}, lambda: "delete it")
        write(path, value)

    monkeypatch.setattr(claims, "write_json", while_another_claims)
    assert not claim(tmp_path / "same", {"a": 1}, lambda: "delete it")
    monkeypatch.setattr(claims, "write_json", while_another_claims)
    with pytest.raises(ArtifactError, match=r"begun with another configuration \(a differ\); delete it"):
        claim(tmp_path / "other", {"a": 2}, lambda: "delete it")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["config.json"]
    assert read_json(tmp_path / "other" / "config.json") == {"a": 1}


def test_a_file_system_without_links_takes_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert claim(tmp_path / "out", {"a": 1}, lambda: "delete it")
    assert not claim(tmp_path / "out", {"a": 1}, lambda: "delete it")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["config.json"]


@pytest.mark.parametrize("name", [".lockbox/thesis.txt", ".config.bak", ".lockfile"])
def test_files_that_are_named_nearly_like_ours_are_not_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("years of work")
    with pytest.raises(ArtifactError, match="exists and is not empty; choose another"):
        claim(tmp_path, {}, lambda: "choose another")
    assert (tmp_path / name).read_text() == "years of work"


def test_a_folder_that_another_run_holds_cannot_be_claimed(tmp_path: Path) -> None:
    with only_writer(tmp_path, owned=False), pytest.raises(ArtifactError, match="is writing to it; wait"):
        claim(tmp_path, {}, lambda: "choose another")
    assert not list(tmp_path.iterdir())


def test_a_claim_that_was_taken_back_is_as_none(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert claim(folder, {"a": 1}, lambda: "delete it")
    assert not claim(folder, {"a": 1}, lambda: "delete it")
    with only_writer(folder):
        (folder / "work").mkdir()
        (folder / "work" / "1.parquet").write_text("half")
        (folder / "crops.npy").write_text("half")
        take_back(folder)
        assert [item.name for item in folder.iterdir()] == [".lock"]
    (folder / ".lock").write_text("process 1 on a machine that lost its power")
    assert claim(folder, {"a": 2}, lambda: "delete it")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63)])
def test_whole_numbers_fit_into_64_bits(tmp_path: Path, number: int) -> None:
    (tmp_path / "a.json").write_text(str(number))
    assert read_json(tmp_path / "a.json") == number
    (tmp_path / "a.json").write_text(str(number + (1 if number > 0 else -1)))
    with pytest.raises(ArtifactError, match="a whole number of 19 digits, more than 64 bits hold"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["a" * 251 + ".csv", "ä" * 125 + ".csv", "." + "a" * 254])
def test_names_may_be_as_long_as_names_can_be(tmp_path: Path, name: str) -> None:
    with atomic(tmp_path / name) as temporary:
        temporary.write_text("whole")
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_tensors_come_back_and_may_be_read_by_others(tmp_path: Path) -> None:
    tensors = {
        "scalar": np.array(3),
        "turned": np.arange(6, dtype=np.float16).reshape(2, 3).T,
        "empty": np.zeros((0, 4), np.float32),
    }
    write_tensors(tmp_path / "w.safetensors", tensors, backbone="x")
    with safe_open(tmp_path / "w.safetensors", "np") as file:
        assert file.metadata() == {"backbone": "x"}
        for name, value in tensors.items():
            found = file.get_tensor(name)
            assert found.dtype == value.dtype and found.shape == value.shape
            np.testing.assert_array_equal(found, value)
    (tmp_path / "usual").touch()
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_hashes_tell_files_apart(tmp_path: Path) -> None:
    write_json(tmp_path / "a", 1)
    write_json(tmp_path / "b", 2)
    assert file_hash(tmp_path / "a") != file_hash(tmp_path / "b")


def test_devices_pipes_and_files_in_the_way_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(LsdcError, match="pipe: is a device or a pipe; give the name of a file"):
        write_json(pipe, 1)
    assert pipe.is_fifo()
    (tmp_path / "file").write_text("x")
    with pytest.raises(LsdcError, match=r"cannot be written, .*file is a file and not a folder"):
        write_json(tmp_path / "file" / "x.json", 1)
    with pytest.raises(LsdcError, match="is a folder; give the name of a file"):
        check_output_file(tmp_path)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "target.json"
    link.symlink_to(target)
    write_json(link, {"a": 1})
    assert link.is_symlink() and read_json(target) == {"a": 1}
