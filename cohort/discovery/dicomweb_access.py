"""A client for a DICOMweb server: its URL, its credentials, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from lsdc.cohort.discovery.sources import DiscoveryError

if TYPE_CHECKING:
    import requests
    from dicomweb_client import DICOMwebClient

SCHEMES = {"dicomweb": "http", "dicomwebs": "https"}
"""What the URL of a server begins with, and what stands for it."""
_TIMEOUT = (10.0, 120.0)
"""Seconds for the connection, and for the server to say something."""
_CHUNK = 2**20
_ATTEMPTS, _WAIT_MS = 2, 500
_REFUSED, _UNKNOWN = (401, 403), (404, 410)


class DicomwebError(DiscoveryError):
    """A DICOMweb server cannot be reached, refuses, or does not have what is asked for."""


def open_client(url: str, most_bytes: int) -> tuple[DICOMwebClient, str]:
    """Make a client for a server; nothing is sent yet.

    Parameters
    ----------
    url : str
        `dicomweb://user:password@host:port/path`; `dicomwebs` for TLS. User and password may stand in `~/.netrc`.
    most_bytes : int
        A larger answer of the server is an error.

    Returns
    -------
    client : DICOMwebClient
        Ready to ask.
    server : str
        Words for the server, which hold neither user nor password.

    Raises
    ------
    DicomwebError
        When it is no such URL.
    """
    import requests
    from dicomweb_client import DICOMwebClient

    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    scheme = SCHEMES.get(parts.scheme) if host else None
    if scheme is None or host is None:
        raise DicomwebError(
            "a DICOMweb server's URL looks like dicomweb://host:port/path, or dicomwebs:// for TLS"
        )
    place = f"[{host}]" if ":" in host else host
    base = urlunsplit((scheme, place if port is None else f"{place}:{port}", parts.path.rstrip("/"), "", ""))
    session = requests.Session()
    if parts.username is not None:
        session.auth = (unquote(parts.username), unquote(parts.password or ""))
    session.hooks["response"].append(partial(_limit, most_bytes))
    # UIDs of the wild, such as the competition's, do not all have a registered root.
    client = DICOMwebClient(base, session=session, chunk_size=_CHUNK, permissive_uid=True, timeout=_TIMEOUT)
    client.set_http_retry_params(max_attempts=_ATTEMPTS, wait_exponential_multiplier=_WAIT_MS)
    return client, base


def _limit(most_bytes: int, response: requests.Response, *_: Any, **__: Any) -> requests.Response:
    """Make a response end with an error when it is too large."""
    whole: Callable[..., Iterator[Any]] = response.iter_content

    def counted(chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[Any]:
        total = 0
        for chunk in whole(chunk_size, decode_unicode):
            total += len(chunk)
            if total > most_bytes:
                raise DicomwebError(
                    f"the server sends more than {most_bytes >> 20} MiB; fetch its series alone"
                )
            yield chunk

    response.iter_content = counted  # type: ignore[method-assign]
    return response


@contextmanager
def explained(server: str, what: str) -> Iterator[None]:
    """Turn the errors of HTTP into words that say what to do.

    Parameters
    ----------
    server : str
        Words for the server.
    what : str
        What it is asked for.

    Yields
    ------
    None
        While it is asked.

    Raises
    ------
    DicomwebError
        In place of what `requests` raises.
    """
    import requests

    try:
        yield
    except requests.HTTPError as error:
        code = 0 if error.response is None else error.response.status_code
        if code in _REFUSED:
            remedy = "give user and password in the URL or in ~/.netrc"
            raise DicomwebError(f"{server}: refuses access ({code}); {remedy}") from None
        if code in _UNKNOWN:
            raise DicomwebError(f"{server}: has no {what} ({code}), or is no DICOMweb URL") from None
        raise DicomwebError(
            f"{server}: answers with error {code} for {what}; look at the server's log"
        ) from None
    except requests.exceptions.SSLError:
        raise DicomwebError(
            f"{server}: its certificate is not trusted; name its authority in REQUESTS_CA_BUNDLE"
        ) from None
    except (requests.ConnectionError, requests.Timeout) as error:
        kind = type(error).__name__
        raise DicomwebError(f"{server}: cannot be reached ({kind}); check host, port and network") from None
    except (requests.RequestException, ValueError) as error:
        kind = type(error).__name__
        raise DicomwebError(
            f"{server}: sends what cannot be understood ({kind}); is this a DICOMweb URL?"
        ) from None
