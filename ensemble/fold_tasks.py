"""Folds of all members at once, where other machines fit them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lsdc.ensemble.training_data import TrainingData
from lsdc.models.crossfit import Relabel, begin_folds, fit_fold
from lsdc.models.examples import Examples
from lsdc.models.fold_model import Split
from lsdc.models.member import Member
from lsdc.runtime.engine import for_each


@dataclass(frozen=True)
class FoldTask:
    """The order to fit a member without a fold.

    Parameters
    ----------
    make : callable
        Makes the unfitted member.
    data : TrainingData
        What it learns from.
    split : Split
        The fold to leave out.
    folder : Path
        The member's folder, which gets the model.
    relabel : Relabel or None
        Changes the labels that it learns from.
    """

    make: Callable[[], Member]
    data: TrainingData
    split: Split
    folder: Path
    relabel: Relabel | None


def fit_folds(
    members: Mapping[str, Callable[[], Member]],
    data: TrainingData,
    folder: Path,
    relabel: Relabel | None = None,
) -> None:
    """Fit all folds of all members that are not fitted yet, each by itself, so that `cross_fit` finds them finished.

    Parameters
    ----------
    members : mapping of str to callable
        What makes each member, by its name.
    data : TrainingData
        What they learn from.
    folder : Path
        Folder of the members' folders.
    relabel : Relabel, optional
        Changes the labels that they learn from. Default: those of the store.

    Raises
    ------
    ArtifactError
        When a folder holds models of other examples, of another member or of another seed.
    """
    for_each(fit_one_fold, unfitted(members, data, data.examples(), folder, relabel), "fitting folds")


def unfitted(
    members: Mapping[str, Callable[[], Member]],
    data: TrainingData,
    examples: Examples,
    folder: Path,
    relabel: Relabel | None,
) -> list[FoldTask]:
    """Claim the folders of members, and list the folds that are not fitted yet.

    Parameters
    ----------
    members : mapping of str to callable
        What makes each member, by its name.
    data : TrainingData
        Where other processes find what they learn from.
    examples : Examples
        The same here.
    folder : Path
        Folder of the members' folders.
    relabel : Relabel or None
        Changes the labels that they learn from.

    Returns
    -------
    list of FoldTask
        One member after the other.

    Raises
    ------
    ArtifactError
        When a folder holds models of other examples, of another member or of another seed.
    """
    return [
        FoldTask(make, data, split, folder / name, relabel)
        for name, make in members.items()
        for split in begin_folds(make(), examples, folder / name, relabel)
    ]


def fit_one_fold(task: FoldTask) -> None:
    """Fit a member without a fold, and write it whole.

    Parameters
    ----------
    task : FoldTask
        Which member, and which fold.
    """
    fit_fold(task.make(), task.data.examples(), task.split, task.folder, task.relabel)
