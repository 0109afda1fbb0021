"""ZIP archives of studies or of a model: checked as a whole, then unpacked to a folder that ends with the process."""

from __future__ import annotations

import atexit
import contextlib
import lzma
import os
import re
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from lsdc.runtime.errors import LsdcError
from lsdc.runtime.safe_text import printable
from lsdc.runtime.whole_files import MACHINE

UNPACKED_PREFIX = f"lsdc-unpacked-{MACHINE}-"
"""What the names of the folders begin with into which archives are unpacked here; machines may share their place."""
MAX_MEMBERS = 200_000
"""Archives of more files are refused."""
MAX_UNPACKED_BYTES = 2**36
"""Archives of more bytes are refused, as are those that promise 200 times their size and 64 MiB: bombs."""
_FREE_BYTES, _MOST_COMPRESSED = 2**26, 200
_MOST_PARTS, _LONGEST_PART, _LONGEST_INSIDE, _LONGEST_NAME = 40, 200, 3000, 4096
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_CHUNK = 2**20
_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError
)  # fmt: skip
"""What zipfile and its decompressors raise on damaged archives."""
_unpacked: dict[tuple[str, int, int], Path] = {}
_given: dict[Path, Path] = {}
"""The archives as they were named, by the folders they were unpacked to."""


class ArchiveError(LsdcError):
    """An archive is damaged, or holds what no archive of ours or of an export holds."""


def is_archive(path: Path) -> bool:
    """Tell whether a path is a ZIP archive that `unpack` can try.

    Parameters
    ----------
    path : Path
        Anything.

    Returns
    -------
    bool
        True for a regular file that begins as a ZIP archive.
    """
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def is_unpacked(path: Path) -> bool:
    """Tell whether a path lies in what this process has unpacked or fetched, which is there for it alone.

    Parameters
    ----------
    path : Path
        Any path.

    Returns
    -------
    bool
        Whether `temporary_folder` has made one of its folders.
    """
    return any(part.startswith(UNPACKED_PREFIX) for part in path.parts)


def as_given(path: Path) -> Path:
    """Name a file as its user knows it, for errors.

    Parameters
    ----------
    path : Path
        Any path.

    Returns
    -------
    Path
        Of what `unpack` has written in this process, the archive as it was named and the place in it; else the same.
    """
    folder = next((one for one in (path, *path.parents) if one in _given), None)
    return path if folder is None else _given[folder] / path.relative_to(folder)


def unpack(archive: Path) -> Path:
    """Unpack a ZIP archive for the life of this process, unless that has been done.

    All members are checked before the first is written. The folder has the archive's name.

    Parameters
    ----------
    archive : Path
        A ZIP archive.

    Returns
    -------
    Path
        A folder of the archive's name, in the system's folder for temporary files (`TMPDIR`); only its owner can read
        it. It is removed when the process ends; what a killed process has left is removed by the next call,
        but on Windows.

    Raises
    ------
    ArchiveError
        When the archive is damaged, encrypted, too large, or holds a link or a name that leads out of it.
    OSError
        When the disk is full.
    """
    name = printable(os.fsencode(archive).decode("utf-8", "backslashreplace"), _LONGEST_NAME, keep="")
    status = archive.stat()
    key = str(archive.resolve()), status.st_mtime_ns, status.st_size
    if key in _unpacked and _unpacked[key].is_dir():
        return _unpacked[key]
    try:
        with zipfile.ZipFile(archive) as content:
            members = _checked(content.infolist(), status.st_size, name)
            folder = temporary_folder(archive.name)
            _check_room(folder.parent, sum(member.file_size for member in members), name)
            for member in members:
                _write(content, member, folder)
    except _DAMAGE as error:
        raise ArchiveError(
            f"{name}: a damaged ZIP archive ({type(error).__name__}); copy it again"
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise ArchiveError(f"{name}: a damaged ZIP archive ({error}); copy it again") from error  # of bzip2
    except RuntimeError as error:  # what zipfile raises for passwords, and decompressors for damage
        raise ArchiveError(f"{name}: a ZIP archive that cannot be unpacked; unpack it yourself") from error
    _unpacked[key], _given[folder] = folder, archive
    return folder


def temporary_folder(name: str) -> Path:
    """Make a folder for the life of this process, of which messages show the name alone and what is in it.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Path
        A folder of that name in one of its own, in the system's folder for temporary files (`TMPDIR`); only its owner
        can read it. It is removed when the process ends; what killed processes have left is removed here.
    """
    _remove_leftovers()
    place = Path(tempfile.mkdtemp(prefix=f"{UNPACKED_PREFIX}{os.getpid()}-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    folder = place / (_part(name) or "data")
    folder.mkdir()
    return folder


def _checked(found: list[zipfile.ZipInfo], size: int, name: str) -> list[zipfile.ZipInfo]:
    """Refuse an archive of which any member is not what an export holds; leave out folders and Apple's extras."""
    if len(found) > MAX_MEMBERS:
        raise ArchiveError(f"{name}: holds {len(found)} files, more than {MAX_MEMBERS}; unpack it yourself")
    members, total, seen, folders = [], 0, set(), set()
    for member in found:
        parts = _parts(member, name)
        if member.filename.endswith(("/", "\\")) or parts[0] == "__MACOSX":
            continue
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ArchiveError(f"{name}: holds a link or a device; unpack it yourself")
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
            raise ArchiveError(f"{name}: is encrypted or packed in a rare way; unpack it yourself")
        place = tuple(map(_part, parts))
        if place in seen:
            raise ArchiveError(f"{name}: holds two files of one name; unpack it yourself")
        seen.add(place)
        folders |= {place[:k] for k in range(1, len(place))}
        total += member.file_size
        members.append(member)
    if seen & folders:
        raise ArchiveError(f"{name}: holds a file and a folder of one name; unpack it yourself")
    most = min(MAX_UNPACKED_BYTES, _FREE_BYTES + _MOST_COMPRESSED * size)
    if total > most:
        raise ArchiveError(
            f"{name}: would unpack to {total} bytes, which no honest archive of {size} bytes does; "
            "it is not unpacked"
        )
    return members


def _parts(member: zipfile.ZipInfo, name: str) -> tuple[str, ...]:
    """Split a member's name, in which Windows programs write backslashes, and refuse one that leads out."""
    inside = member.filename.replace("\\", "/")
    parts = PurePosixPath(inside).parts
    if inside.startswith("/") or ".." in parts or re.match("[A-Za-z]:", inside) or not parts:
        raise ArchiveError(f"{name}: holds a file whose name leads out of the archive; it is not unpacked")
    if len(parts) > _MOST_PARTS or len(os.fsencode(inside)) > _LONGEST_INSIDE:
        raise ArchiveError(
            f"{name}: its folders are nested more than {_MOST_PARTS} deep, or have names too long; it is not unpacked"
        )
    return parts


def _part(name: str) -> str:
    """Make a name that any file system takes."""
    kept = "".join(letter if letter.isprintable() and letter not in '<>:"|?*' else "_" for letter in name)
    while len(os.fsencode(kept)) > _LONGEST_PART:
        kept = kept[: len(kept) // 2] + kept[len(kept) // 2 + 1 :]
    return kept


def _check_room(place: Path, total: int, name: str) -> None:
    free = shutil.disk_usage(place).free
    if total > free:
        raise ArchiveError(
            f"{name}: unpacks to {total >> 20} MiB, but {place.parent} has {free >> 20} MiB left; make room, or set "
            "TMPDIR to a larger disk"
        )


def _write(content: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Write a member, however much it turns out to hold no more than it promised."""
    target = folder.joinpath(*map(_part, PurePosixPath(member.filename.replace("\\", "/")).parts))
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with content.open(member) as source, target.open("xb") as out:
        while left > 0 and (chunk := source.read(min(left, _CHUNK))):
            out.write(chunk)
            left -= len(chunk)


def _remove_leftovers() -> None:
    """Remove what killed processes of this user have left."""
    for place in Path(tempfile.gettempdir()).glob(f"{UNPACKED_PREFIX}*-*"):
        owner = re.fullmatch(rf"{UNPACKED_PREFIX}([0-9]+)-.*", place.name)
        with contextlib.suppress(OSError):
            if owner and not place.is_symlink() and _is_ours(place) and not _lives(int(owner[1])):
                shutil.rmtree(place, ignore_errors=True)


def _is_ours(place: Path) -> bool:
    """Tell whether a folder is this user's; Windows does not say, nor whether a process lives."""
    return sys.platform != "win32" and place.stat().st_uid == os.getuid()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
