"""Opening DICOM files within limits, and the reason why a file is refused."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag

from lsdc.cohort.dicom.containers import container_of
from lsdc.cohort.dicom.files import looks_like_dicom, path_text
from lsdc.cohort.dicom.plain_files import read_plain
from lsdc.cohort.dicom.structure import StructureError, Walk, allowed_elements
from lsdc.cohort.dicom.transfer_syntaxes import is_deflated, is_little_endian, transfer_syntax
from lsdc.runtime import Problem

MAX_BYTES = 2**30
"""Larger files are refused."""
MAX_INFLATED_BYTES = 2**28
"""A deflated data set that inflates to more is refused, as is one that inflates to 64 times its size and 16 MiB."""
COPY_AGAIN = "the file is damaged or cut short; copy it again from its source"
"""The remedy for damaged files."""
_FREE_INFLATED_BYTES, _MOST_DEFLATED = 2**24, 64
_HEAD_BYTES = 512
_FREE_READS, _READS_PER_ELEMENT, _BYTES_PER_READ = 1000, 8, 1024
_LARGE_READ = 2**16
_PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


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


class NotDicomError(UnreadableError):
    """A file is no DICOM file and no container of files."""

    def __init__(self) -> None:
        super().__init__("not a DICOM file", "remove it, or copy it again from its source")


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
        When it is no DICOM file, its structure is damaged, or it is larger than `MAX_BYTES`, `MAX_INFLATED_BYTES` or
        `MAX_ELEMENTS` allow.
    """
    return _open(path, None)


def open_header(path: Path, tags: Sequence[str]) -> Dataset:
    """Read some attributes of a DICOM file, and nothing from the pixels on.

    Parameters
    ----------
    path : Path
        Any file.
    tags : sequence of str
        Keywords of the attributes that are wanted.

    Returns
    -------
    Dataset
        Those of them that the file has, and its character set.

    Raises
    ------
    UnreadableError
        As `open_dataset`; a `NotDicomError` where the file is no DICOM file at all.
    """
    return _open(path, [Tag(tag) for tag in tags])


def _open(path: Path, tags: list[BaseTag] | None) -> Dataset:
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(_HEAD_BYTES)
            if not head:
                raise UnreadableError("the file is empty", "copy it again from its source")
            if not looks_like_dicom(head[:132]):
                if container := container_of(head):
                    raise UnreadableError(f"{container}, not a DICOM file", "unpack it")
                raise NotDicomError
            if size > MAX_BYTES:
                raise UnreadableError(f"{size / 2**30:.1f} GiB, more than any MR series", "remove it")
            return _parse(stream, size, tags)
    except UnreadableError:
        raise
    except StructureError as error:
        raise UnreadableError(f"damaged DICOM header ({error})", COPY_AGAIN) from error
    except Exception as error:  # a damaged file can make the parser fail in any way
        raise opening_failed(error) from error


def _parse(stream: BinaryIO, size: int, tags: list[BaseTag] | None) -> Dataset:
    """Read a usual file at once; walk over the structure of others, and let pydicom read them where it is sound."""
    allowed = allowed_elements(size)
    syntax, start = transfer_syntax(stream)
    if tags is None and (plain := read_plain(stream, size, start, syntax, allowed)) is not None:
        return plain
    stream.seek(start)
    deflated = is_deflated(syntax)
    body: BinaryIO = io.BytesIO(_inflated(stream.read(), size)) if deflated else stream
    walk = Walk(body, allowed, is_little_endian(syntax))
    walk.file(stop_before_pixels=tags is not None)
    length = body.seek(0, os.SEEK_END)
    reads = _FREE_READS + _READS_PER_ELEMENT * (allowed - walk.left) + length // _BYTES_PER_READ
    if deflated:
        return _read_inflated(stream, start, _Counted(body, length, reads), tags)
    counted = _Counted(stream, length, reads)
    dataset = dcmread(counted, stop_before_pixels=tags is not None, specific_tags=tags, force=True)
    dataset.buffer = None
    return dataset


def _read_inflated(stream: BinaryIO, start: int, body: _Counted, tags: list[BaseTag] | None) -> Dataset:
    """Read a data set that was inflated, as `dcmread` would."""
    stream.seek(0)
    front = dcmread(io.BytesIO(stream.read(start)), force=True)
    stop = None if tags is None else (lambda tag, *_: tag in _PIXEL_TAGS)
    dataset = read_dataset(body, False, True, stop_when=stop, specific_tags=tags)
    result = FileDataset(body, dataset, front.preamble, front.file_meta, False, True)
    result.set_original_encoding(False, True, dataset.original_character_set)
    result.buffer = None
    return result


class _Counted:
    """A file that is read only so often: where pydicom takes other turns than the walk did, it does not get far.

    Parameters
    ----------
    stream : binary file
        The file.
    length : int
        Its bytes; no more are asked of it, as memory is set aside for as many as are asked for.
    reads : int
        How often it may be read.
    """

    def __init__(self, stream: BinaryIO, length: int, reads: int) -> None:
        self._read, self._length, self._reads = stream.read, length, reads
        self.seek, self.tell = stream.seek, stream.tell
        stream.seek(0)

    def read(self, count: int) -> bytes:
        """Read so many bytes, or those that are left."""
        self._reads -= 1
        if self._reads < 0:
            raise StructureError("more to read than its structure has")
        if count > _LARGE_READ:
            count = max(0, min(count, self._length - self.tell()))
        return self._read(count)


def _inflated(zipped: bytes, size: int) -> bytes:
    """Inflate what follows the meta header, unless it is a bomb."""
    most = min(MAX_INFLATED_BYTES, _FREE_INFLATED_BYTES + size * _MOST_DEFLATED)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(zipped, most)
    if inflater.unconsumed_tail:
        raise StructureError(f"its {size} bytes inflate to more than {most}")
    if not inflater.eof:
        raise StructureError("its deflated part is cut short")
    return inflated
