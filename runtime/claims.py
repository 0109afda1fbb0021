"""Claims of output directories: which configuration one is being written with."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.folder_lock import LEFTOVER, LOCK, only_writer
from lsdc.runtime.json_files import read_json, write_json
from lsdc.runtime.paths import PathLike

CONFIG = "config.json"
"""The file of a directory that tells with which configuration it is being written."""


class OtherClaimError(ArtifactError):
    """A directory was begun with another configuration."""


def claim(
    folder: Path, config: Mapping[str, Any], redo: Callable[[], str], place: PathLike | None = None
) -> bool:
    """Mark a folder as being written with a configuration, or refuse when it was begun with another one.

    A run that was killed leaves its claim; the same command finds it and resumes.

    Parameters
    ----------
    folder : Path
        The directory; it is made where it is absent.
    config : mapping
        What decides the result; written to config.json.
    redo : callable
        Gives the last words of an error: what the user can do instead.
    place : path, optional
        How errors name the directory; for one that is to be uploaded, its URL.

    Returns
    -------
    bool
        Whether the folder was empty or absent until now; `take_back` then undoes the claim.

    Raises
    ------
    ArtifactError
        When the folder holds work of another configuration (`OtherClaimError`), or files that are not ours, or another
        run writes there.
    """
    mark, shown = folder / CONFIG, place or folder
    wanted = json.loads(json.dumps(dict(config), default=str))
    if not mark.is_file():
        if folder.exists() and not folder.is_dir():
            raise ArtifactError(f"{shown}: is not a folder; {redo()}")
        # A claim that was killed has left no more than its temporary file; one that was taken back, its lock.
        others = [item.name for item in folder.iterdir()] if folder.exists() else []
        others = [name for name in others if not LEFTOVER.fullmatch(name)]
        if others == [LOCK]:
            with only_writer(folder, owned=False):  # refuses where a run of another kind holds it
                pass
        elif others and CONFIG not in others:  # it may have come since
            raise ArtifactError(f"{shown}: exists and is not empty; {redo()}")
        folder.mkdir(parents=True, exist_ok=True)
        if _is_first(mark, wanted):
            return True
    found = read_json(mark)
    if not isinstance(found, dict):
        raise ArtifactError(f"{mark}: damaged, it holds no configuration; {redo()}")
    if found != wanted:
        different = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        raise OtherClaimError(
            f"{shown}: begun with another configuration ({', '.join(different)} differ); {redo()}"
        )
    return False


def _is_first(mark: Path, wanted: Mapping[str, Any]) -> bool:
    """Write the configuration, and tell whether no other run has done so in the same moment."""
    fresh = mark.with_name(f".{mark.stem}.{uuid.uuid4().int}.part.json")
    try:
        write_json(fresh, wanted)
        os.link(fresh, mark)  # unlike a new name, a second one never replaces a file
    except (FileExistsError, FileNotFoundError):  # the first has cleared away what it took for a leftover
        return False
    except OSError:
        if not fresh.is_file():
            raise
        fresh.replace(mark)  # a file system without links
    finally:
        fresh.unlink(missing_ok=True)
    return True


def take_back(folder: Path) -> None:
    """Remove a claim and all that was made since, so that a run with another configuration finds nothing.

    Call it where `claim` has told that the folder was empty, and while `only_writer` holds it.

    Parameters
    ----------
    folder : Path
        The directory, which stays.
    """
    for item in folder.iterdir():
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        elif item.name not in (LOCK, CONFIG):
            item.unlink()
    (folder / CONFIG).unlink()  # last: until then, what is left is that of a claim
