"""Cross-fitting: every training study is predicted by models that did not see it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES
from lsdc.models.examples import Examples
from lsdc.models.fold_model import Split, fit_shrunk, make_splits, predict_shrunk
from lsdc.models.member import Member
from lsdc.models.shrinkage import Shrinkage
from lsdc.runtime import LsdcError
from lsdc.runtime.artifact import MANIFEST, atomic, claim
from lsdc.runtime.console import track
from lsdc.runtime.distributed import rank, wait_for_all, world
from lsdc.runtime.paths import PathLike


class Relabel(Protocol):
    """Changes the labels that a model learns from, knowing nothing but the studies that it learns from."""

    def __call__(self, examples: Examples) -> Examples:
        """Change the labels of some training studies.

        Parameters
        ----------
        examples : Examples
            The training studies of one fold, with the labels that they were given.

        Returns
        -------
        Examples object
            The same rows and features with the labels to learn from; -1 where a row is not to be learned.
        """
        ...

    def configuration(self) -> dict[str, Any]:
        """Describe all that decides the labels, so that a killed run is resumed only with the same.

        Returns
        -------
        dict
            What JSON holds.
        """
        ...


def cross_fit(
    make: Callable[[], Member], examples: Examples, folder: PathLike, *, relabel: Relabel | None = None
) -> pd.DataFrame:
    """Fit one model per fold and predict the fold with it.

    Fold k is predicted by a model trained without fold k and without the next fold, on which it stops early; with
    two folds there is no third to train on, and a fifth of the training studies takes its place. There the model is
    also shrunk towards the prior as far as it deserves (see `Shrinkage`), so that none is much worse than the prior;
    a member with a method `refit` is then fitted again on all studies outside fold k. Several processes started by
    torchrun take the folds in turn, each on its GPU.

    Parameters
    ----------
    make : callable
        Makes a new, unfitted member; a member's class does.
    examples : Examples
        Rows with a fold; studies without one are left out.
    folder : path
        The fitted models are written below it, as `fold_k`; a run that was killed resumes where it stopped, deep
        members at the epoch.
    relabel : Relabel, optional
        Gives each model the labels that it learns from. The studies on which it stops early keep theirs, as do those
        that it is scored on. Default: the labels of `examples`.

    Returns
    -------
    DataFrame
        row_id, normal_mild, moderate, severe, fold, member; one row for each row of `examples` that has a fold.

    Raises
    ------
    LsdcError
        When there are fewer than two folds.
    ArtifactError
        When `folder` holds models of other examples, of another member or of another seed.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from lsdc.models.heads.members import LightGBM
    >>> from lsdc.testing import make_examples
    >>> with TemporaryDirectory() as folder:
    ...     table = cross_fit(LightGBM, make_examples(6, folds=3), folder)
    >>> list(table), len(table)
    (['row_id', 'normal_mild', 'moderate', 'severe', 'fold', 'member'], 150)
    """
    folder = Path(folder)
    training = examples.where(examples.rows["fold"] >= 0)
    splits = make_splits(training)
    member = make()
    if rank() == 0:
        begin_folds(member, training, folder, relabel)
    wait_for_all()
    for number, split in enumerate(track(splits, f"fitting {member.name}")):
        if number % world() == rank() and not _is_fitted(folder, split):
            fit_fold(make(), training, split, folder, relabel)
    wait_for_all()
    tables = [_predict_fold(member, training, split.fold, folder) for split in splits]
    return pd.concat(tables, ignore_index=True)


def begin_folds(
    member: Member, training: Examples, folder: Path, relabel: Relabel | None = None
) -> list[Split]:
    """Claim the folder of a member's models, and list the folds that are not fitted yet.

    Parameters
    ----------
    member : Member
        Unfitted.
    training : Examples
        Studies with a fold.
    folder : Path
        New, or begun with the same arguments.
    relabel : Relabel, optional
        As for `cross_fit`.

    Returns
    -------
    list of Split
        To be given to `fit_fold`.

    Raises
    ------
    LsdcError
        When there are fewer than two folds.
    ArtifactError
        When `folder` holds models of other examples, of another member or of another seed.
    """
    splits = make_splits(training)
    claim(
        folder,
        _configuration(member, training, relabel),
        lambda: "choose another folder, or delete it to fit anew",
    )
    return [split for split in splits if not _is_fitted(folder, split)]


def predict_folds(
    folder: PathLike, member: type[Member], examples: Examples, *, device: str = "auto"
) -> pd.DataFrame:
    """Predict studies that no model saw: the mean over the models of the folds.

    Parameters
    ----------
    folder : path
        What `cross_fit` wrote.
    member : type of Member
        The class that reads the models.
    examples : Examples
        The studies to predict, with or without grades and folds.
    device : str
        Where networks run: `auto` (the best there is), `cpu`, `cuda`, `cuda:1` or `mps`.

    Returns
    -------
    DataFrame
        row_id, normal_mild, moderate, severe, fold (always -1), member; one row for each row of `examples`.

    Raises
    ------
    LsdcError
        When the folder holds no fitted model.
    ArtifactError
        When a model is damaged, or is another member's.
    """
    folders = sorted(path for path in Path(folder).glob("fold_*") if (path / MANIFEST).is_file())
    if not folders:
        raise LsdcError(f"{folder}: holds no fitted model; run `lsdc-ensemble fit` to its end")
    models = [member.load(path) for path in folders]
    for model in models:
        model.options = replace(model.options, device=device)
    found = [predict_shrunk(model, Shrinkage.load(path), examples) for model, path in zip(models, folders)]
    return _table(examples, np.mean(found, axis=0), models[0].name, -1)


def _configuration(member: Member, training: Examples, relabel: Relabel | None) -> dict[str, Any]:
    """Collect what must be the same for a killed run to be resumed."""
    found = {
        "member": member.name,
        "seed": member.seed,
        "options": asdict(member.options.resolved()),
        "examples": _hash(training),
    }
    if relabel is not None:
        found["relabel"] = relabel.configuration()
    choices = getattr(member, "configuration", None)
    return found if choices is None else found | {"configuration": choices()}


def _is_fitted(folder: Path, split: Split) -> bool:
    """Tell whether the model of a fold is there."""
    return (folder / f"fold_{split.fold}" / MANIFEST).is_file()


def fit_fold(
    member: Member, training: Examples, split: Split, folder: Path, relabel: Relabel | None = None
) -> None:
    """Fit a new member without a fold, shrink it, and write it whole, with its logs.

    Parameters
    ----------
    member : Member
        Unfitted.
    training : Examples
        Studies with a fold.
    split : Split
        The fold to leave out.
    folder : Path
        The member's folder, which `begin_folds` has claimed.
    relabel : Relabel, optional
        As for `cross_fit`.
    """
    target, work = folder / f"fold_{split.fold}", folder / "work" / f"fold_{split.fold}"
    member, shrinkage = fit_shrunk(member, training, split, relabel, work)
    shutil.rmtree(target, ignore_errors=True)
    with atomic(target) as temporary:
        member.save(temporary)
        shrinkage.save(temporary)
        _keep_logs(work, temporary)
    shutil.rmtree(work, ignore_errors=True)


def _predict_fold(member: Member, training: Examples, fold: int, folder: Path) -> pd.DataFrame:
    """Predict a fold with its model as it is read again, on the device of `member`'s options.

    What was read again may differ in the last bit: an interrupted run must not differ from a whole one.
    """
    held_out = training.where(training.rows["fold"] == fold)
    path = folder / f"fold_{fold}"
    loaded = type(member).load(path)
    loaded.options = member.options
    return _table(held_out, predict_shrunk(loaded, Shrinkage.load(path), held_out), member.name, fold)


def _hash(examples: Examples) -> str:
    """Compute the SHA-256 over features, grades and folds."""
    found = hashlib.sha256(",".join(examples.numeric_names).encode())
    found.update(examples.rows[["row_id", "grade", "fold"]].to_csv(index=False).encode())
    for values in (examples.embedding, examples.numeric):
        found.update(np.ascontiguousarray(values).data)
    if examples.arrays is not None:
        found.update(examples.arrays.fingerprint().encode())
    return found.hexdigest()


def _keep_logs(work: Path, target: Path) -> None:
    """Copy the logs of training from a working folder to the model that it led to."""
    for log in [*work.rglob("log.csv"), *work.rglob("tensorboard/*")]:
        kept = target / "logs" / log.relative_to(work)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, kept)


def _table(examples: Examples, probabilities: NDArray[np.float64], name: str, fold: int) -> pd.DataFrame:
    """Make a prediction table of probabilities (n, 3)."""
    table = pd.DataFrame(probabilities, columns=list(GRADES))
    table.insert(0, "row_id", examples.rows["row_id"].to_numpy())
    return table.assign(fold=fold, member=name)
