"""Studies behind a URL: where their files come from, and their stay on this machine while they are read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsdc.cohort.dicom.files import path_text
from lsdc.runtime.archives import UNPACKED_PREFIX
from lsdc.runtime.errors import LsdcError, Problem
from lsdc.runtime.output_faults import writing_to
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import ObjectError
from lsdc.runtime.remote_many import fetch_many

UNFETCHED_REMEDY = "bring the file back, or allow reading it, and extract to another directory"
"""What to do about files that cannot be fetched."""


class UnfetchedError(LsdcError):
    """No file of a study can be fetched: a fault of that study, and of no other."""


@dataclass(frozen=True)
class Origin:
    """Where the files of a study are, which discovery has found but not fetched.

    Parameters
    ----------
    folder : RemoteFolder
        The folder behind the URL.
    root : Path
        The folder of this machine that stands for it: the names below are the same, the files hold no pixels.
    """

    folder: RemoteFolder
    root: Path

    @contextmanager
    def fetched(self, files: Sequence[Path]) -> Iterator[list[Path | ObjectError]]:
        """Bring files for the time of the block.

        Parameters
        ----------
        files : sequence of Path
            Files below `root`.

        Yields
        ------
        list of Path or ObjectError
            The same files with their content, in the same order, in the system's folder for temporary files
            (`TMPDIR`); they are removed when the block ends. An error for each that cannot be fetched.

        Raises
        ------
        UnfetchedError
            When none of them is there, or may be read.
        RemoteError
            When the server cannot be reached, or does not know who asks.
        OutputError
            When the disk is full.
        """
        lost: dict[str, ObjectError] = {}
        names = [file.relative_to(self.root).as_posix() for file in files]
        with tempfile.TemporaryDirectory(
            prefix=f"{UNPACKED_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
        ) as place:
            folder = Path(place, self.root.name)
            if names:
                with writing_to(folder):
                    lost = fetch_many(self.folder, names, folder)
                if len(lost) == len(names):
                    first = lost[names[0]]  # whose name comes last, where `hide_paths` finds it
                    reason = f"none of its {len(lost)} files can be fetched, {first.words} ({first.place})"
                    raise UnfetchedError(reason) from first
            yield [lost.get(name, folder / name) for name in names]


def unfetched(files: Sequence[Path], came: Sequence[Path | ObjectError]) -> list[Problem]:
    """Make the records of the files of a series that could not be fetched.

    Parameters
    ----------
    files : sequence of Path
        The files of the series, as discovery found them.
    came : sequence of Path or ObjectError
        What became of each.

    Returns
    -------
    list of Problem
        One for each; one in all where nothing of the series has come.
    """
    lost = [(file, error.words) for file, error in zip(files, came) if isinstance(error, ObjectError)]
    if len(lost) > 1 and len(lost) == len(files):
        reason = f"none of the {len(lost)} files of the series can be fetched, {lost[0][1]}"
        return [Problem(path_text(lost[0][0].parent), reason, UNFETCHED_REMEDY)]
    return [Problem(path_text(file), f"cannot be fetched, {words}", UNFETCHED_REMEDY) for file, words in lost]
