"""What becomes of folds where stores are merged: they stay what they were, which is said where they do not match."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lsdc.features.store import FeatureStore
from lsdc.features.store_part import StorePart
from lsdc.runtime.first_names import first_of


def fold_notes(stores: Sequence[FeatureStore]) -> list[str]:
    """Say where the folds of stores that are to be one differ, and what follows for models fitted on it.

    Parameters
    ----------
    stores : sequence of FeatureStore
        Finished stores.

    Returns
    -------
    list of str
        Sentences for the user; none where all labeled studies have a fold, of the same folds in every store.
    """
    notes = []
    folds = {store.place: found for store in stores if (found := _folds(store))}
    every = set[int]().union(*folds.values())
    partial = sorted(fold for fold in every if any(fold not in found for found in folds.values()))
    if partial:
        counts = first_of([f"{place} has {len(found)}" for place, found in folds.items()])
        notes.append(
            f"the stores have different folds ({counts}), and studies keep theirs: models are fitted over "
            f"{len(every)} folds, and {first_of([*map(str, partial)], 10)} hold studies of some of the stores alone; "
            "for folds of one size, add the studies with `lsdc-features extract --append` instead"
        )
    for store in stores:
        if lone := _without_fold(store):
            notes.append(
                f"{store.place}: {len(lone)} studies with labels have no fold ({first_of(lone)}), as the only one of "
                "an extraction has none; no model learns from them: add them with `lsdc-features extract --append` "
                "instead"
            )
    return notes


def _folds(store: FeatureStore) -> set[int]:
    """List the folds of a store; none where it has no labeled study."""
    folds = pd.concat([_studies_of(part)["fold"] for part in store.parts.all])
    return {int(fold) for fold in folds.unique() if fold >= 0}


def _without_fold(store: FeatureStore) -> list[str]:
    """Name the labeled training studies that are in no fold."""
    names: list[str] = []
    for part in store.parts.all:
        studies = _studies_of(part)
        if ((studies["fold"] < 0) & (studies["split"] == "train")).any():
            rows = part.rows
            lone = rows[(rows["split"] == "train") & (rows["fold"] < 0) & (rows["grade"] >= 0)]
            names += map(str, lone["study_id"].unique())
    return names


def _studies_of(part: StorePart) -> pd.DataFrame:
    """Read split and fold of the studies; of the rows, which are large, only where the table of studies lacks them."""
    studies = part.studies
    return studies if {"fold", "split"} <= set(studies) else part.rows.drop_duplicates("study_id")
