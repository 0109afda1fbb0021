"""ZIP archives: read like folders, and checked as a whole before anything is written."""

from __future__ import annotations

import lzma
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import pytest
from support.dicom import write_series

from lsdc.cohort.dicom.containers import container_of
from lsdc.cohort.dicom.files import path_text
from lsdc.cohort.dicom.opening import UnreadableError, open_dataset, open_header
from lsdc.runtime.archives import UNPACKED_PREFIX, ArchiveError, is_archive, unpack
from lsdc.runtime.whole_files import MACHINE


@pytest.fixture(autouse=True)
def _own_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def packed(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_folder_of_files_comes_out_as_it_went_in(tmp_path: Path) -> None:
    files = write_series(tmp_path / "in", [0, 4, 8])
    path = packed(
        tmp_path / "export.zip",
        ("a/", b""),
        *((f"a/b/{file.name}", file.read_bytes()) for file in files),
        ("__MACOSX/._1.dcm", b"x"),
    )
    assert is_archive(path) and not is_archive(files[0]) and not is_archive(tmp_path)
    folder = unpack(path)
    found = sorted(item for item in folder.rglob("*") if item.is_file())
    assert [item.read_bytes() for item in found] == [file.read_bytes() for file in files]
    assert path_text(found[0]) == "export.zip/a/b/1.dcm"
    assert unpack(path) == folder
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../evil.dcm", b"x")], "leads out of the archive"),
        ([("a/../../evil.dcm", b"x")], "leads out of the archive"),
        ([("/etc/evil", b"x")], "leads out of the archive"),
        ([("C:\\evil.dcm", b"x")], "leads out of the archive"),
        ([("a\\..\\..\\evil", b"x")], "leads out of the archive"),
        ([("/".join("a" * 60), b"x")], "nested more than 40 deep"),
        ([("/".join(["a" * 190] * 30), b"x")], "or have names too long"),
        ([("a", b"x"), ("a/b", b"x")], "a file and a folder of one name"),
        ([("a\\b", b"x"), ("a", b"x")], "a file and a folder of one name"),
        ([(link(), b"/etc/passwd")], "holds a link"),
        ([("good.dcm", b"x"), ("bomb", bytes(80 << 20))], "would unpack to 83886081 bytes"),
    ],
    ids=[
        "parent",
        "parent inside",
        "absolute",
        "drive",
        "backslashes",
        "deep",
        "long",
        "file and folder",
        "folder and file",
        "link",
        "bomb",
    ],
)
def test_nothing_of_a_bad_archive_is_written(
    tmp_path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], message: str
) -> None:
    path = packed(tmp_path / "bad.zip", *members)
    with pytest.raises(ArchiveError, match=rf"bad.zip: .*{message}"):
        unpack(path)
    assert not [item for item in tmp_path.rglob("*") if item != path and item.name != "temporary"]


def test_encrypted_doubled_and_damaged_archives_are_named(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("a.dcm", b"secret" * 50))
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="is encrypted"):
        unpack(path)
    with pytest.warns(UserWarning, match="Duplicate name"):
        packed(path, ("a.dcm", b"1"), ("a.dcm", b"2"))
    with pytest.raises(ArchiveError, match="two files of one name"):
        unpack(path)
    path.write_bytes(packed(path, ("a.dcm", os.urandom(5000))).read_bytes()[:3000])
    with pytest.raises(ArchiveError, match="a damaged ZIP archive"):
        unpack(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_stream_is_a_damaged_archive(tmp_path: Path, method: int) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.dcm", os.urandom(500) * 4)
    sound = path.read_bytes()
    for place in range(35, 60):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0xFF]) * 40 + sound[place + 40 :])
        with pytest.raises(ArchiveError, match=r"x\.zip: a (damaged ZIP archive|ZIP archive that cannot)"):
            unpack(path)


@pytest.mark.parametrize("error", [zlib.error, lzma.LZMAError])
def test_whatever_a_decompressor_raises_is_damage(
    tmp_path: Path, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "x.zip", ("a.dcm", b"1"))

    def fail(*_: object) -> None:
        raise error("invalid")

    monkeypatch.setattr("lsdc.runtime.archives._write", fail)
    with pytest.raises(ArchiveError, match=r"x\.zip: a damaged ZIP archive \("):
        unpack(path)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    stale = tmp_path / "temporary" / f"{UNPACKED_PREFIX}{int(child.stdout)}-abc"
    mine = tmp_path / "temporary" / f"{UNPACKED_PREFIX}{os.getpid()}-abc"
    other = UNPACKED_PREFIX.replace(
        MACHINE, f"{int(MACHINE) ^ 1:010d}"
    )  # of another machine, where it may live
    there = tmp_path / "temporary" / f"{other}{int(child.stdout)}-abc"
    for place in (stale, mine, there):
        (place / "x.zip").mkdir(parents=True)
    unpack(packed(tmp_path / "x.zip", ("a.dcm", b"1")))
    assert mine.is_dir() and there.is_dir() and not stale.exists()


def test_an_archive_that_windows_made_has_folders_too(tmp_path: Path) -> None:
    path = packed(tmp_path / "export.zip", ("a\\", b""), ("a\\b\\1.dcm", b"1"), ("a\\2.dcm", b"2"))
    folder = unpack(path)
    assert (folder / "a" / "b" / "1.dcm").read_bytes() == b"1" and (
        folder / "a" / "2.dcm"
    ).read_bytes() == b"2"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04" + bytes(600), "a ZIP archive"),
        (b"\x1f\x8b\x08" + bytes(600), "a gzip file"),
        (bytes(257) + b"ustar" + bytes(300), "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(600), "a 7-Zip archive"),
    ],
)
def test_containers_met_in_a_tree_are_named_with_what_to_do(
    tmp_path: Path, content: bytes, kind: str
) -> None:
    (tmp_path / "x.dcm").write_bytes(content)
    for read in (open_dataset, lambda path: open_header(path, ["Modality"])):
        with pytest.raises(UnreadableError) as caught:
            read(tmp_path / "x.dcm")
        assert (caught.value.reason, caught.value.remedy) == (f"{kind}, not a DICOM file", "unpack it")


def test_a_spreadsheet_is_no_archive() -> None:
    assert container_of(b"PK\x03\x04\x14\x00\x06\x00" + bytes(22) + b"[Content_Types].xml") == ""
