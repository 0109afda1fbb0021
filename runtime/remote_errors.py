"""What goes wrong behind a URL, in words of ours: what the providers' libraries raise has nothing in common."""

from __future__ import annotations

import errno

from lsdc.runtime.errors import LsdcError

_ONE_OBJECT = ("AccessDenied", "InvalidObjectState", "NoSuchKey", "NoSuchVersion", "403", "404")
"""What S3 says of one object; of a bucket, a key or a token it says other things."""

_REACHED = (
    "Connect", "Timeout", "Endpoint", "ClientOSError", "ServerDisconnected", "HTTPClient", "ClientPayload",
    "IncompleteRead", "ResponseParser",
)  # fmt: skip
"""Parts of the names of errors that tell of a connection."""
_INTERNAL = getattr(errno, "EREMOTEIO", errno.EIO)
"""What s3fs makes of status 500."""
BREAKS_OFF = "its transfer breaks off, though the server answers"
"""What is wrong with a file that may be sound: another run may bring it."""


class RemoteError(LsdcError):
    """What lies behind a URL cannot be read or written: it is not there, not allowed, or cannot be reached."""


class PlacedError(RemoteError):
    """What is wrong, and where.

    Parameters
    ----------
    place : str
        Its URL.
    words : str
        What is wrong with it.
    """

    def __init__(self, place: str, words: str) -> None:
        super().__init__(place, words)
        self.place, self.words = place, words

    def __str__(self) -> str:
        """Say which file, and what is wrong."""
        return f"{self.place}: {self.words}"


class UnreachableError(PlacedError):
    """The server cannot be reached, or breaks off: all files behind the URL may be sound.

    Parameters
    ----------
    place : str
        The URL of the file or the folder.
    words : str
        What is wrong with it.
    """


class ObjectError(PlacedError):
    """One file behind a URL is not there, may not be read, or breaks off; others of its folder may be sound.

    Parameters
    ----------
    place : str
        The URL of the file or the folder.
    words : str
        What is wrong with it.
    """


def is_of_one_object(error: Exception) -> bool:
    """Tell whether one file is absent or denied; an absent bucket, or a key that is not known, concerns all files.

    Parameters
    ----------
    error : Exception
        What a file system of fsspec raised.

    Returns
    -------
    bool
        True for what concerns the file that was asked for, as far as can be known.
    """
    answer = getattr(error.__cause__, "response", None)
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
    if not isinstance(error, FileNotFoundError | PermissionError) or "NoSuchBucket" in str(error):
        return False
    return code is None or str(code) in _ONE_OBJECT


def is_of_connection(error: Exception) -> bool:
    """Tell whether a server cannot be reached, breaks off, or fails within: another time, it may not.

    Parameters
    ----------
    error : Exception
        What a file system of fsspec raised.

    Returns
    -------
    bool
        False for what a server that works has refused.
    """
    kind = type(error).__name__
    fails = isinstance(error, OSError) and error.errno == _INTERNAL
    return (
        fails or any(word in kind for word in _REACHED) or isinstance(error, ConnectionError | TimeoutError)
    )


def words_of(error: Exception) -> str:
    """Say what went wrong, without what a library may quote of a request.

    Parameters
    ----------
    error : Exception
        What a file system of fsspec raised.

    Returns
    -------
    str
        What is wrong, and what to do.
    """
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError) or "NoSuchBucket" in str(error):
        return "there is no such file, folder or bucket; check the URL"
    if isinstance(error, PermissionError) or "Credential" in kind:
        return f"access is denied ({kind}); check the credentials of the environment"
    if is_of_connection(error):
        return f"the server cannot be reached ({kind}); run the same again when it can"
    return f"cannot be read or written ({kind})"
