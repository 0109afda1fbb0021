"""Cross-fitting: every training study is predicted by models that did not see it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES
from lsdc.models.examples import Examples
from lsdc.models.member import Member
from lsdc.runtime import LsdcError
from lsdc.runtime.artefact import MANIFEST, atomic, claim
from lsdc.runtime.console import track
from lsdc.runtime.distributed import rank, wait_for_all, world


def cross_fit(make: Callable[[], Member], examples: Examples, folder: Path) -> pd.DataFrame:
    """Fit one model per fold and predict the fold with it.

    Fold k is predicted by a model trained without fold k and without the next fold, on which it stops early; with
    two folds there is no third to train on, and nothing, or a part of the training studies, stops it. Several
    processes started by torchrun take the folds in turn, each on a GPU of its own.

    Parameters
    ----------
    make : callable
        A new, unfitted member.
    examples : Examples
        Rows with a fold; others are left out.
    folder : Path
        `fold_k` is written there; a run that was killed goes on where it stopped, deep members at the epoch.

    Returns
    -------
    DataFrame
        row_id, normal_mild, moderate, severe, fold, member.

    Raises
    ------
    LsdcError
        When there are fewer than two folds.
    ArtefactError
        When `folder` holds models of other examples, of another member or of another seed.
    """
    training = examples.where(examples.rows["fold"] >= 0)
    folds = sorted(int(fold) for fold in training.rows["fold"].unique())
    if len(folds) < 2:
        raise LsdcError("cross-fitting needs labeled studies in at least two folds; label more studies")
    member = make()
    name, kind = member.name, type(member)
    configuration = {
        "member": name,
        "seed": member.seed,
        "options": asdict(member.options.resolved()),
        "examples": _hash(training),
    }
    if rank() == 0:
        claim(folder, configuration, lambda: "choose another folder, or delete it to fit anew")
    wait_for_all()
    column = training.rows["fold"].to_numpy()
    for number, fold in enumerate(track(folds, f"fitting {name}")):
        target, work = folder / f"fold_{fold}", folder / "work" / f"fold_{fold}"
        if number % world() != rank() or (target / MANIFEST).is_file():
            continue
        stop = folds[(number + 1) % len(folds)] if len(folds) > 2 else None
        nothing = np.zeros(len(column), bool)
        stop_on = training.where(column == stop if stop is not None else nothing)
        member = make().fit(training.where((column != fold) & (column != stop)), stop_on, work)
        shutil.rmtree(target, ignore_errors=True)
        with atomic(target) as temporary:
            member.save(temporary)
            _keep_logs(work, temporary)
        shutil.rmtree(work, ignore_errors=True)
    wait_for_all()
    tables = []
    for fold in folds:
        # What was read again may differ in the last bit: an interrupted run must not differ from a whole one.
        held_out = training.where(column == fold)
        options, member = member.options, kind.load(folder / f"fold_{fold}")
        member.options = options
        tables.append(_table(held_out, member.predict_proba(held_out), name, fold))
    return pd.concat(tables, ignore_index=True)


def predict_folds(folder: Path, member: type[Member], examples: Examples) -> pd.DataFrame:
    """Predict studies that no model saw: the mean over the fold models in `folder`.

    Returns
    -------
    DataFrame
        As `cross_fit`, with fold -1.
    """
    folders = sorted(path for path in folder.glob("fold_*") if (path / MANIFEST).is_file())
    if not folders:
        raise LsdcError(f"{folder}: holds no fitted model; run `lsdc-ensemble fit` to its end")
    mean = np.mean([member.load(path).predict_proba(examples) for path in folders], axis=0)
    return _table(examples, mean, member.name, -1)


def _hash(examples: Examples) -> str:
    found = hashlib.sha256(",".join(examples.numeric_names).encode())
    found.update(examples.rows[["row_id", "grade", "fold"]].to_csv(index=False).encode())
    for values in (examples.embedding, examples.numeric):
        found.update(np.ascontiguousarray(values).data)
    if examples.pictures is not None:
        found.update(examples.pictures.fingerprint().encode())
    return found.hexdigest()


def _keep_logs(work: Path, target: Path) -> None:
    for log in [*work.rglob("log.csv"), *work.rglob("tensorboard/*")]:
        kept = target / "logs" / log.relative_to(work)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(log, kept)


def _table(examples: Examples, probabilities: np.ndarray, name: str, fold: int) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=list(GRADES))
    table.insert(0, "row_id", examples.rows["row_id"].to_numpy())
    return table.assign(fold=fold, member=name)
