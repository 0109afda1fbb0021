"""Files under a folder, and which of them are DICOM, judged by their first bytes."""

from __future__ import annotations

import os
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lsdc.runtime import Problem
from lsdc.runtime.archives import UNPACKED_PREFIX
from lsdc.runtime.first_names import first_of
from lsdc.runtime.safe_text import printable

_VALUE_REPRESENTATIONS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OF OW PN SH SL SQ SS ST TM UI UL UN UT US".split()
)
_FIRST_ELEMENTS = {0x0002: (0x00, 0x01, 0x02, 0x10), 0x0008: (0x00, 0x01, 0x05, 0x08, 0x16, 0x18, 0x60)}
_IMPLAUSIBLE_LENGTH = 128
_LONGEST_PATH = 4096


def natural_key(path: Path) -> tuple[str | int, ...]:
    """Make a sort key under which `2.dcm` comes before `10.dcm`.

    Parameters
    ----------
    path : Path
        A file or folder; it need not exist.

    Returns
    -------
    tuple of str and int
        The path's text, split into numbers and what stands between them.

    Examples
    --------
    >>> sorted([Path("10.dcm"), Path("2.dcm")], key=natural_key)[0].name
    '2.dcm'
    """
    parts = re.split("([0-9]+)", str(path))
    return tuple(int(part) if k % 2 else part for k, part in enumerate(parts))


def path_text(path: Path) -> str:
    """Write a path as text that any table can hold.

    Parameters
    ----------
    path : Path
        A file or folder, of any name that the system allows.

    Returns
    -------
    str
        The path; bytes that are no UTF-8, and characters that cannot be printed, are written as escapes. Of a file in
        an archive, the archive's name and the place in it.
    """
    for k, part in enumerate(path.parts):
        if part.startswith(UNPACKED_PREFIX):
            path = Path(*path.parts[k + 1 :])
            break
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"), _LONGEST_PATH, keep="")


def list_files(root: Path) -> tuple[list[Path], list[Problem]]:
    """List regular files at any depth, in natural order.

    Links to folders are followed once each, so that circles end. Names with a leading dot are left out.

    Parameters
    ----------
    root : Path
        A folder.

    Returns
    -------
    files : list of Path
        Paths below `root`, not opened.
    problems : list of Problem
        Folders that cannot be listed, links to nowhere, pipes and devices.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    visited: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        problems.append(
            Problem(
                path_text(Path(str(error.filename))),
                f"the folder cannot be listed ({error.strerror})",
                "check its permissions",
            )
        )

    def is_new(folder: Path) -> bool:
        try:
            status = folder.stat()
        except OSError as error:
            note(error)
            return False
        key = (status.st_dev, status.st_ino)
        if key in visited:
            return False
        visited.add(key)
        return True

    is_new(root)
    for folder, inner, names in os.walk(root, followlinks=True, onerror=note):
        inner[:] = [name for name in sorted(inner) if not name.startswith(".") and is_new(Path(folder, name))]
        for name in names:
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.is_file():
                files.append(path)
            else:
                problems.append(
                    Problem(path_text(path), "not a regular file, or a link to nowhere", "remove it")
                )
    return sorted(files, key=natural_key), problems


def looks_like_dicom(head: bytes) -> bool:
    """Recognize a DICOM file, with its preamble or without, by its first bytes.

    Parameters
    ----------
    head : bytes
        The first 132 bytes of a file, or all where it is shorter.

    Returns
    -------
    bool
        True where the preamble's mark stands, or where the bytes are a plausible first element.

    References
    ----------
    DICOM PS3.10, section 7.1.

    Examples
    --------
    >>> looks_like_dicom(bytes(128) + b"DICM"), looks_like_dicom(b"study_id,series_id")
    (True, False)
    """
    if head[128:132] == b"DICM":
        return True
    for byteorder in ("<", ">"):
        group, element = struct.unpack(f"{byteorder}HH", head[:4].ljust(4, b"\xff"))
        if element in _FIRST_ELEMENTS.get(group, ()):
            explicit = head[4:6] in _VALUE_REPRESENTATIONS
            length = int.from_bytes(head[4:8], "little")
            return explicit or (byteorder == "<" and len(head) > 8 and length < _IMPLAUSIBLE_LENGTH)
    return False


@dataclass
class PassedOver:
    """Files that are not meant to be MR images, counted per folder and reason.

    Parameters
    ----------
    names : dict of (Path, str) to list of str
        Names of files by their folder and the reason why they are left out; empty at first.
    """

    names: dict[tuple[Path, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, path: Path, reason: str) -> None:
        """Count a file.

        Parameters
        ----------
        path : Path
            The file.
        reason : str
            Why it is left out.
        """
        self.names[path.parent, reason].append(path.name)

    def problems(self) -> Iterator[Problem]:
        """Make the records of what was left out.

        Yields
        ------
        Problem
            One per folder and reason, naming the first three files.
        """
        for (folder, reason), names in self.names.items():
            remedy = "nothing to do, unless it should be an MR image"
            if len(names) == 1:
                yield Problem(path_text(folder / names[0]), reason, remedy)
            else:
                first = path_text(Path(first_of(names)))
                yield Problem(path_text(folder), f"{len(names)} files: {reason} ({first})", remedy)
