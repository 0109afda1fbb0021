"""A model as one file: a ZIP archive of its directory, checked before it is written and after."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from lsdc.ensemble.model import Model
from lsdc.features.extractor import EXTRACTOR
from lsdc.runtime.artifact import MANIFEST, atomic, check_output_file
from lsdc.runtime.console import say
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.paths import PathLike

_DATE = (1980, 1, 1, 0, 0, 0)
"""The same model gives the same bytes whenever it is packed."""
_READABLE = 0o644 << 16


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote.

    Parameters
    ----------
    path : Path
        The file; whatever takes a model's directory takes it too.
    files : int
        Number of files in it.
    bytes : int
        Its size.
    """

    path: Path
    files: int
    bytes: int


def pack(model: PathLike, out: PathLike) -> Packed:
    """Make one file of a model, with all that grading new studies needs, and without what only its maker needs.

    Parameters
    ----------
    model : path
        A finished model.
    out : path
        The file to write, by custom with the ending `.lsdc`.

    Returns
    -------
    Packed
        The file and its size.

    Raises
    ------
    ArtifactError
        When the model is unfinished or damaged, or holds no extractor, without which nobody can use it.
    LsdcError
        When `out` cannot be a file.

    Examples
    --------
    >>> pack("model", "model.lsdc").path  # doctest: +SKIP
    PosixPath('model.lsdc')
    """
    out = check_output_file(out)
    opened = Model.open(model)
    if not opened.listed.has(f"{EXTRACTOR}/{MANIFEST}"):
        raise ArtifactError(
            f"{model}: holds no extractor, without which it cannot grade studies by itself; fit it on a store that "
            "`lsdc-features extract` made (the bundled model is a part of lsdc)"
        )
    names = [MANIFEST, *sorted(opened.listed.entries or ())]
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            path = opened.path / MANIFEST if name == MANIFEST else opened.file(name)
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _READABLE
            archive.writestr(entry, path.read_bytes())
    again = Model.open(out)
    for name in names[1:]:
        again.file(name)
    size = out.stat().st_size
    say(f"{out}: {len(names)} files, {size / 1e6:.1f} MB; give it wherever a model is asked for")
    return Packed(out, len(names), size)
