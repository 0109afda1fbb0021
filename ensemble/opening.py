"""Open what `fit` or `blend` left, whichever it is, or is about to leave."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lsdc.ensemble.blend_model import BlendModel
from lsdc.ensemble.bundled.place import model_directory
from lsdc.ensemble.model import Model
from lsdc.ensemble.stack_artifact import NESTED, StackArtifact, read_checked
from lsdc.ensemble.stacked import Stacked
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, read_json
from lsdc.runtime.paths import PathLike


def open_stack(path: PathLike) -> StackArtifact:
    """Open a model or a blend.

    Parameters
    ----------
    path : path
        The directory, or the word `bundled`.

    Returns
    -------
    StackArtifact
        A `Model` or a `BlendModel`.

    Raises
    ------
    ArtifactError
        When it is neither, damaged or unfinished.
    """
    folder: Path = model_directory(path)
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    is_blend = isinstance(manifest, dict) and manifest.get("kind") == BlendModel.kind
    return BlendModel.open(folder) if is_blend else Model.open(path)


def scored_by(path: PathLike) -> tuple[pd.DataFrame, Stacked]:
    """Read what a stack predicted and what it is worth, also while its directory is being finished.

    Parameters
    ----------
    path : path
        A model or a blend; without a manifest there are no digests yet.

    Returns
    -------
    nested : DataFrame
        row_id, probabilities of the stack fitted without the study's fold, and grade (-1 where unlabeled).
    outcome : Stacked
        The chosen stacker, its weights, and its scores.

    Raises
    ------
    ArtifactError
        When a file is missing or damaged.
    """
    folder = model_directory(path)
    if (folder / MANIFEST).is_file():
        opened = open_stack(path)
        return opened.nested, opened.outcome
    try:
        return read_checked(folder / NESTED, ("grade",)), Stacked.read(folder)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{folder / NESTED}: cannot be read ({error}); fit again") from error
