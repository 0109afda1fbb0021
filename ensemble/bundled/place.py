"""Where the bundled model is."""

from __future__ import annotations

from pathlib import Path

from lsdc.runtime import ArtifactError
from lsdc.runtime.archives import is_archive, unpack
from lsdc.runtime.artifact import MANIFEST
from lsdc.runtime.paths import PathLike

NAME = "bundled"
"""The word that stands for the bundled model where a model directory is asked for."""
BUNDLED = Path(__file__).parent / "model"
"""Its directory."""


def model_directory(model: PathLike) -> Path:
    """Find a model's directory; the word `bundled` stands for the one that is shipped, a packed model is unpacked.

    Parameters
    ----------
    model : path or str
        A directory, a file that `pack` made, or `bundled`. A directory of that name is given by its absolute path.

    Returns
    -------
    Path
        The directory, whether it holds a model or not.

    Raises
    ------
    ArtifactError
        When this installation has no bundled model, or when there is another of that name here.
    ArchiveError
        When a packed model is damaged.
    """
    if str(model) != NAME:
        return unpack(Path(model)) if is_archive(Path(model)) else Path(model)
    if (Path(NAME) / MANIFEST).is_file():
        raise ArtifactError(
            f"{NAME}: stands for the model that is shipped, and there is a model of that name here too; give its "
            "absolute path, or rename it"
        )
    if not (BUNDLED / MANIFEST).is_file():
        raise ArtifactError(
            f"{BUNDLED}: the bundled model is not in this installation; make one with "
            "`lsdc-pretrain grader --out MODEL`, or install lsdc again"
        )
    return BUNDLED
