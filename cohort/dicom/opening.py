"""Opening DICOM files, and the reason why a file is refused."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from lsdc.cohort.dicom.files import looks_like_dicom, path_text
from lsdc.runtime import Problem

MAX_BYTES = 2**31
"""Larger files are refused."""
COPY_AGAIN = "the file is damaged or cut short; copy it again from its source"
"""The remedy for damaged files."""


class UnreadableError(Exception):
    """A file gives no image; becomes a problem record, and the study is read without it.

    Parameters
    ----------
    reason : str
        What is wrong with the file; quotes nothing of what its header says about the patient.
    remedy : str
        What the user can do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy

    def problem(self, path: Path) -> Problem:
        """Make the record of the refused file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        Problem
            Path, reason and remedy.
        """
        return Problem(path_text(path), self.reason, self.remedy)


def opening_failed(error: Exception) -> UnreadableError:
    """Explain why a file could not be opened or parsed, without quoting what the file holds.

    Parameters
    ----------
    error : Exception
        What the operating system or the parser raised.

    Returns
    -------
    UnreadableError
        Ready to be raised or recorded.
    """
    if isinstance(error, OSError) and error.strerror:
        return UnreadableError(f"cannot be opened ({error.strerror})", "check its permissions and the disk")
    return UnreadableError(f"damaged DICOM header ({type(error).__name__})", COPY_AGAIN)


def open_dataset(path: Path) -> Dataset:
    """Read a DICOM file with or without preamble.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    Dataset
        All attributes, the pixel data not decoded; most values are parsed when they are first accessed.

    Raises
    ------
    UnreadableError
        When it is no DICOM file, too large, or its structure is damaged.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableError("the file is empty", "copy it again from its source")
        if size > MAX_BYTES:
            raise UnreadableError(f"{size / 2**30:.1f} GiB, more than any MR series", "remove it")
        with path.open("rb") as stream:
            if not looks_like_dicom(stream.read(132)):
                raise UnreadableError("not a DICOM file", "remove it, or copy it again from its source")
            stream.seek(0)
            return dcmread(stream, force=True)
    except UnreadableError:
        raise
    except Exception as error:  # a damaged file can make the parser fail in any way
        raise opening_failed(error) from error
