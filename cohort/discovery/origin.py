"""Studies behind a URL: where their files come from, and their stay on this machine while they are read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lsdc.runtime.archives import UNPACKED_PREFIX
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.output_faults import writing_to
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import ObjectError


class UnfetchedError(LsdcError):
    """A file of a study is not there any more, or may not be read: a fault of that study, and of no other."""


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
    def fetched(self, files: Sequence[Path]) -> Iterator[list[Path]]:
        """Bring files for the time of the block.

        Parameters
        ----------
        files : sequence of Path
            Files below `root`.

        Yields
        ------
        list of Path
            The same files with their content, in the same order, in the system's folder for temporary files
            (`TMPDIR`); they are removed when the block ends.

        Raises
        ------
        UnfetchedError
            When one is not there, or may not be read.
        RemoteError
            When the server cannot be reached, or does not know who asks.
        OutputError
            When the disk is full.
        """
        names = [file.relative_to(self.root).as_posix() for file in files]
        with tempfile.TemporaryDirectory(
            prefix=f"{UNPACKED_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
        ) as place:
            folder = Path(place, self.root.name)
            if names:
                try:
                    with writing_to(folder):
                        self.folder.fetch(names, folder)
                except ObjectError as error:  # the name comes last, where `hide_paths` finds it
                    raise UnfetchedError(
                        f"a file cannot be fetched, {error.words} ({error.place})"
                    ) from error
            yield [folder / name for name in names]
