"""Studies of a DICOMweb server: fetched to a folder, and reports stored beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.cohort.dicom.files import looks_like_dicom, path_text
from lsdc.cohort.dicom.opening import MAX_BYTES, UnreadableError, open_dataset
from lsdc.cohort.discovery.dicomweb_access import SCHEMES, DicomwebError, explained, open_client
from lsdc.cohort.discovery.sources import usable_id
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import shown
from lsdc.runtime.whole_files import atomic, check_output_folder

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient

MAX_STUDY_BYTES = 2**33
"""Larger studies are not fetched."""
MAX_STUDY_FILES = 20_000
"""Nor are those of more files."""
_STUDY_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")
_ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@dataclass(frozen=True)
class Stored:
    """What `store_files` stored.

    Parameters
    ----------
    server : str
        The server, without user and password.
    files : int
        Number of files that it took.
    """

    server: str
    files: int


def is_dicomweb(place: str) -> bool:
    """Tell whether a place is a DICOMweb server, and no folder.

    Parameters
    ----------
    place : str
        A path or a URL.

    Returns
    -------
    bool
        Whether it begins with `dicomweb://` or `dicomwebs://`.

    Examples
    --------
    >>> is_dicomweb("dicomweb://localhost:8042/dicom-web"), is_dicomweb("patients/")
    (True, False)
    """
    return place.partition("://")[0] in SCHEMES and "://" in place


def fetch_study(url: str, study_uid: str, folder: PathLike) -> Path:
    """Fetch all files of a study from a DICOMweb server (WADO-RS).

    They are written as they come, in the encoding in which the server keeps them, and not parsed.

    Parameters
    ----------
    url : str
        The server: `dicomweb://host:port/path` (http) or `dicomwebs://host:port/path` (https). User and password
        stand in it (`dicomwebs://user:password@host/path`) or in `~/.netrc`; they are never shown.
    study_uid : str
        The study's StudyInstanceUID.
    folder : path
        Folder in which one for the study is made.

    Returns
    -------
    Path
        The study's folder, to be given to `read_study` or `discover`.

    Raises
    ------
    DicomwebError
        When the URL or UID is none, the server cannot be reached, refuses, has no such study, or sends what is no
        DICOM file or is too large; or when the study's folder is there.
    LsdcError
        When `folder` cannot be a folder.

    Examples
    --------
    >>> fetch_study("dicomweb://localhost:8042/dicom-web", "1.2.3", "fetched")  # doctest: +SKIP
    PosixPath('fetched/1.2.3')
    """
    if not _STUDY_UID.fullmatch(study_uid):
        raise DicomwebError(f"{shown(study_uid)} is no StudyInstanceUID: digits and dots, at most 64")
    target = check_output_folder(folder) / usable_id(study_uid)
    if target.exists():
        raise DicomwebError(f"{target}: is there already; read it, or delete it to fetch the study again")
    client, server = open_client(url, MAX_STUDY_BYTES)
    what = f"study {study_uid}"
    with explained(server, what), atomic(target) as temporary:
        temporary.mkdir()
        count = 0
        for count, part in enumerate(_parts(client, study_uid), start=1):
            if count > MAX_STUDY_FILES:
                raise DicomwebError(
                    f"{server}: {what} has more than {MAX_STUDY_FILES} files; fetch its series alone"
                )
            if not looks_like_dicom(bytes(part[:132])):
                raise DicomwebError(
                    f"{server}: sent something that is no DICOM file; is this a DICOMweb URL?"
                )
            (temporary / f"{count:06d}.dcm").write_bytes(part)
        if not count:
            raise DicomwebError(f"{server}: has no {what}")
    return target


def store_files(url: str, files: Sequence[PathLike]) -> Stored:
    """Store DICOM files on a DICOMweb server (STOW-RS).

    Parameters
    ----------
    url : str
        The server, as for `fetch_study`.
    files : sequence of path
        DICOM files, such as `ReportFiles.files`.

    Returns
    -------
    Stored
        How many the server took.

    Raises
    ------
    DicomwebError
        When the server cannot be reached or refuses, it does not take one of them, or one is no DICOM file.
    """
    client, server = open_client(url, MAX_STUDY_BYTES)
    for path in map(Path, files):
        try:
            dataset = open_dataset(path)
        except UnreadableError as error:
            raise DicomwebError(f"{path_text(path)}: cannot be sent: {error.reason}") from error
        with explained(server, path_text(path)):
            answer = client.store_instances([dataset])
        refused = answer.get("FailedSOPSequence")
        if refused:
            code = int(refused[0].get("FailureReason", 0))
            raise DicomwebError(
                f"{server}: does not take {path_text(path)} (failure reason {code:#06x}); look at the server's log"
            )
    return Stored(server, len(files))


def _parts(client: DICOMwebClient, study_uid: str) -> Iterator[bytes]:
    """Stream the files of a study.

    The client's own `iter_study` parses each file at once; here they are kept as bytes, as a file of a stranger is
    first read by the checked reader.
    """
    response = client._http_get(
        f"{client.base_url}/studies/{study_uid}", None, {"Accept": _ACCEPT}, stream=True
    )
    for part in client._decode_multipart_message(response, stream=True):
        if len(part) > MAX_BYTES:
            raise DicomwebError(f"a file of more than {MAX_BYTES >> 20} MiB, larger than any MR series")
        yield part
