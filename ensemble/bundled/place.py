"""Where the bundled model is."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lsdc.runtime import ArtifactError
from lsdc.runtime.archives import is_archive, unpack
from lsdc.runtime.artifact import MANIFEST, read_json
from lsdc.runtime.paths import PathLike

NAME = "bundled"
"""The word that stands for the bundled model where a model directory is asked for."""
BUNDLED = Path(__file__).parent / "model"
"""Its directory."""


def is_packed_model(path: PathLike) -> bool:
    """Tell whether a file is a model that `pack` made; workbooks are ZIP archives, too.

    Parameters
    ----------
    path : path
        Anything.

    Returns
    -------
    bool
        True for a ZIP archive with a manifest.
    """
    if not is_archive(Path(path)):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _unpacked(path: Path) -> Path:
    """Unpack a model, which must hold what its manifest lists and nothing besides."""
    folder = unpack(path)
    if (folder / MANIFEST).is_file():
        manifest = read_json(folder / MANIFEST)
        listed = manifest.get("files") if isinstance(manifest, dict) else None
        found = {item.relative_to(folder).as_posix() for item in folder.rglob("*") if item.is_file()}
        extra = sorted(found - {MANIFEST, *(listed or ())})
        if extra:
            raise ArtifactError(f"{path}: holds {extra[0]!a}, which its manifest does not list; get it again")
    return folder


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
        return _unpacked(Path(model)) if is_archive(Path(model)) else Path(model)
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
