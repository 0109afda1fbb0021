"""Which studies the selectors learned from, kept beside them: every copy must know by which one each is located."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.schema import check_schema, mapping_of, record, text, whole

TAUGHT = "taught.json"
"""The file, in the folder of the selectors."""
_SCHEMA = record({"salt": text(most=100), "folds": mapping_of(whole(0))})


def write_taught(folder: Path, folds: Mapping[str, int]) -> None:
    """Write which studies selectors were cross-fitted on.

    Parameters
    ----------
    folder : Path
        Of the selectors.
    folds : mapping of str to int
        Study id to fold. The file holds pseudonyms, as selectors are copied into other stores and into models.
    """
    # No chance: stores of the same studies are the same to the last byte.
    salt = hashlib.sha256(repr(sorted(folds.items())).encode()).hexdigest()[:16]
    names = Pseudonyms(salt)
    hidden = {names.of(study): fold for study, fold in folds.items()}
    write_json(folder / TAUGHT, {"salt": salt, "folds": dict(sorted(hidden.items()))})


def read_taught(path: Path) -> tuple[dict[str, int], Pseudonyms]:
    """Read what `write_taught` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    folds : dict of str to int
        By pseudonym.
    pseudonyms : Pseudonyms
        How studies are named there.

    Raises
    ------
    ArtifactError
        When the file is damaged.
    """
    content = read_json(path)
    check_schema(content, _SCHEMA, path, "take the selectors from where they were fitted")
    return content["folds"], Pseudonyms(content["salt"])
