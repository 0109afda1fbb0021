"""The errors a user can meet, and the record of a problem that does not stop the work."""

from __future__ import annotations

from dataclasses import dataclass


class LsdcError(Exception):
    """Root of every error that the toolkit raises on purpose; its message is written for the user."""


class ArtifactError(LsdcError):
    """A store or model directory is missing, damaged, unsafe, or from another version or configuration."""


class TableError(LsdcError):
    """A CSV or Parquet table does not hold what it should."""


class ConfigError(LsdcError):
    """An option has a value that cannot work."""


@dataclass(frozen=True)
class Problem:
    """Something that was left out while the work went on.

    Parameters
    ----------
    path : str
        The file, folder or row concerned.
    reason : str
        What was wrong.
    remedy : str
        What the user can do about it.
    """

    path: str
    reason: str
    remedy: str = ""
