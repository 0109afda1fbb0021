"""One run at a time behind a URL: an object that says who writes there, as the lock of a folder does here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.remote import RemoteFolder
from lsdc.runtime.remote_errors import ObjectError, RemoteError
from lsdc.runtime.whole_files import atomic

CLAIM = ".claim.json"
"""The object behind the URL; beside what is finished, readers do not look at it."""
_LONGEST = 4096
"""More bytes are no claim of ours."""
_OWNER = re.compile(r"process \d+ on [\w.\-]+", re.ASCII)
_UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


@dataclass(frozen=True)
class RemoteClaim:
    """The right to write behind a URL. Unlike a lock it outlives its owner; the same machine takes it up again.

    Parameters
    ----------
    remote : RemoteFolder
        What is claimed.
    own : Path
        The file of this machine that tells whether a claim is its own.
    """

    remote: RemoteFolder
    own: Path

    def is_there(self) -> bool:
        """Tell whether anyone has claimed the URL.

        Returns
        -------
        bool
            Whether the object is there.
        """
        return self.remote.has(CLAIM)

    def take(self, remedy: str) -> None:
        """Claim the URL, where nobody else has; of two that do so at once, one is refused.

        Parameters
        ----------
        remedy : str
            What the user can do where the owner of the claim is no more.

        Raises
        ------
        ArtifactError
            When another machine holds it, or a run whose file here has been deleted.
        RemoteError
            When it cannot be written.
        """
        if not self.is_there():
            began = datetime.now(UTC).isoformat(timespec="seconds")
            by = f"process {os.getpid()} on {socket.gethostname()}"
            claim = json.dumps({"run": uuid.uuid4().hex, "began": began, "by": by}, indent=1).encode()
            # Not before: of two runs of this machine at once, the second would replace the file of the first.
            if self.remote.create(CLAIM, claim):
                with atomic(self.own) as temporary:
                    temporary.write_bytes(claim)
        self.check(remedy)

    def check(self, remedy: str) -> None:
        """Refuse to go on where the claim is not that of this machine, or is there no more.

        Parameters
        ----------
        remedy : str
            What the user can do where the owner of the claim is no more.

        Raises
        ------
        ArtifactError
            With its owner and its age, as far as they are known.
        """
        try:
            there = self.remote.read(CLAIM, _LONGEST)
        except ObjectError:  # released or deleted
            there = b""
        if not there:
            raise ArtifactError(
                f"{self.remote.url}: the claim of this run is gone; run the same command again"
            )
        if not self.own.is_file() or self.own.read_bytes() != there:
            raise ArtifactError(f"{self.remote.url}: {_owner(there)}; wait for it, {remedy}")

    def release(self) -> None:
        """Remove the claim, where it is that of this machine; where the server is away, it can be taken up again."""
        if self.own.is_file():
            with contextlib.suppress(RemoteError):
                if self.is_there() and self.remote.read(CLAIM, _LONGEST) == self.own.read_bytes():
                    self.remote.delete(CLAIM)
                self.own.unlink(missing_ok=True)


def _owner(claim: bytes) -> str:
    """Say who has claimed, and when; of a claim that others may have written, nothing else is shown."""
    try:
        found = json.loads(claim)
        by, began = found["by"], datetime.fromisoformat(found["began"])
        seconds = (datetime.now(UTC) - began).total_seconds()
    except (ValueError, TypeError, KeyError, RecursionError):
        by, seconds = "", 0.0
    if not isinstance(by, str) or not _OWNER.fullmatch(by):
        return "a run of another machine is writing to it, or was interrupted"
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{by} has been writing to it for {seconds / length:.0f} {unit}, or was interrupted"
    return f"{by} has been writing to it for {max(seconds, 0):.0f} seconds, or was interrupted"
