"""Files that hold other files, told by their first bytes."""

from __future__ import annotations

_MARKS = {
    b"PK\x03\x04": "a ZIP archive",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
}
_OFFICE = (b"[Content_Types].xml", b"_rels/.rels", b"mimetypeapplication/vnd.oasis")
_TAR_MARK, _TAR_PLACE = b"ustar", 257


def container_of(head: bytes) -> str:
    r"""Name the kind of archive or compressed file that some first bytes belong to.

    Parameters
    ----------
    head : bytes
        The first 512 bytes of a file, or all where it is shorter.

    Returns
    -------
    str
        Such as `a ZIP archive`; empty for anything else, documents that happen to be such archives included.

    Examples
    --------
    >>> container_of(b"PK\x03\x04" + bytes(60)), container_of(b"study_id,series_id")
    ('a ZIP archive', '')
    """
    if head[_TAR_PLACE : _TAR_PLACE + len(_TAR_MARK)] == _TAR_MARK:
        return "a tar archive"
    if head.startswith(b"PK") and any(name in head for name in _OFFICE):
        return ""
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), "")
