"""Stackers under one contract, and their way to disk and back."""

from __future__ import annotations

from pathlib import Path

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
    if name not in STACKERS:
        raise ArtifactError(f"{path}: unknown stacker {name!r}; this version knows {', '.join(STACKERS)}")
    if fingerprint({key: value for key, value in state.items() if key != "hash"}) != state.get("hash"):
        raise ArtifactError(f"{path}: damaged, its content does not fit its hash; fit again")
    try:
        return STACKERS[name].restore(state)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path}: damaged ({error!r}); fit again") from error
