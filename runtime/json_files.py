"""JSON files: written whole or not at all, and read within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lsdc.runtime.archives import as_given
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.whole_files import atomic

MOST_BYTES = 32 * 2**20
"""A larger JSON file is refused: what it becomes in memory is many times as large."""
_MOST_DIGITS = 20
"""Of 64 bits, with the sign."""


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    value : object
        What JSON holds; `lsdc.runtime.plain.plain` makes that of other values.
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, allow_nan=True) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        The file, of at most `MOST_BYTES`.

    Returns
    -------
    object
        Its content.

    Raises
    ------
    ArtifactError
        When the file is absent, unreadable, too large, nested too deeply or not JSON.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MiB")
        return json.loads(content.decode("utf-8"), parse_int=_whole)
    except FileNotFoundError:
        raise ArtifactError(f"{as_given(path)}: no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{as_given(path)}: cannot be read as JSON ({error}); write it again") from error


def _whole(digits: str) -> int:
    """Read a whole number that fits into 64 bits; larger ones overflow wherever they are used."""
    if len(digits) > _MOST_DIGITS or not -(2**63) <= (value := int(digits)) < 2**63:
        raise ValueError(f"a whole number of {len(digits.lstrip('-'))} digits, more than 64 bits hold")
    return value
