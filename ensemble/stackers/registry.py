"""Stackers under one contract, and their way to disk and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.convex_mix import ConvexMix
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.greedy import Greedy
from lsdc.ensemble.stackers.pool import ContextPool, LogLinearPool
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.stackers.simplex import Simplex
from lsdc.ensemble.stackers.transferred import TransferredMean
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import fingerprint, read_json, write_json
from lsdc.runtime.paths import PathLike

STACKERS: dict[str, type[Stacker]] = {
    stacker.name: stacker
    for stacker in (
        WeightedPrior,
        PlainMean,
        TransferredMean,
        BestSingle,
        Greedy,
        Simplex,
        LogLinearPool,
        ContextPool,
        Boosted,
        Neural,
        ConvexMix,
        DefaultStacker,
    )
}
"""All stackers by name."""

_DAMAGE = (
    AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError
)  # fmt: skip


def save_stacker(path: PathLike, stacker: Stacker) -> None:
    """Write a fitted stacker as JSON, with a hash by which damage is seen before anything is made of it.

    Parameters
    ----------
    path : path
        The file; it appears whole or not at all.
    stacker : Stacker
        Fitted; its `name` must be in `STACKERS` for the file to be read again.
    """
    state = {"stacker": stacker.name, **stacker.state()}
    write_json(Path(path), {**state, "hash": fingerprint(state)})


def load_stacker(path: PathLike) -> Stacker:
    """Read a fitted stacker.

    Parameters
    ----------
    path : path
        Written by `save_stacker`.

    Returns
    -------
    Stacker
        Predicts as the one that was saved, bit by bit.

    Raises
    ------
    ArtifactError
        When the file is absent, damaged, or of a stacker that this version does not know.
    """
    path = Path(path)
    state = read_json(path)
    name = state.get("stacker") if isinstance(state, dict) else None
    if not isinstance(name, str) or name not in STACKERS:
        raise ArtifactError(
            f"{path}: unknown stacker {ascii(name)[:60]}; this version knows {', '.join(STACKERS)}"
        )
    if fingerprint({key: value for key, value in state.items() if key != "hash"}) != state.get("hash"):
        raise ArtifactError(f"{path}: damaged, its content does not fit its hash; fit again")
    try:
        stacker = STACKERS[name].restore(state)
        _try_out(stacker, state)
    except _DAMAGE as error:
        raise ArtifactError(f"{path}: damaged ({ascii(error)[:300]}); fit again") from error
    return stacker


def _try_out(stacker: Stacker, state: dict[str, Any]) -> None:
    """Refuse a stacker that cannot predict two studies, of which the second was seen by half of the members alone.

    Whatever is wrong with a state shows here: a name, a length, a number. Nothing but NumPy computes with it.
    """
    members = state.get("names", state.get("members", []))
    if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
        raise ValueError("members that are no names")
    cubes = np.full((len(members), 2, *SHAPE, len(Grade)), 1 / len(Grade))
    cubes[1::2, 1] = np.nan
    with np.errstate(all="ignore"):
        found = stacker.predict(Predictions(tuple(members), ("one", "two"), cubes))
    if found.shape != cubes.shape[1:] or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError("it predicts no probabilities")
    if not np.allclose(found.sum(axis=-1), 1, atol=1e-6):
        raise ValueError("its probabilities do not add up to 1")
