"""Changes of artifact directories whose digests fit again, as somebody with intent would leave them."""

from __future__ import annotations

from pathlib import Path

from lsdc.ensemble.stack_artifact import UNLISTED
from lsdc.runtime.artifact import MANIFEST, list_files
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.json_files import read_json, write_json


def relist(folder: Path) -> None:
    """Compute the digests of a directory anew, those of the members and selectors in it first.

    A manifest that is no longer JSON, or lists nothing, is left as it is.

    Parameters
    ----------
    folder : Path
        A store, model, blend, member or selector, after a change of its files.
    """
    for manifest in sorted(folder.rglob(MANIFEST), key=lambda path: -len(path.parts)):
        try:
            content = read_json(manifest)
        except ArtifactError:
            continue
        if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
            continue
        listed = list_files(manifest.parent, UNLISTED)
        if content.get("kind") == "member":
            content["files"] = {name: listed[name]["sha256"] for name in content["files"] if name in listed}
        else:
            content["files"] = listed
        write_json(manifest, content)
