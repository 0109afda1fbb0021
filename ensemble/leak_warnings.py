"""Members whose predictions are too good to be out of fold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import FAMILIES, Probabilities, Scores, study_losses

LEAK_FRACTION = 0.15
"""Losses below this fraction of the prior's are suspect: real members of medal-winning teams reach a third of the
prior's loss in their best family."""
FOLD_LEAK_FRACTION = 0.5
"""In one fold a member may be lucky, but its loss beside the other members' is not below this fraction of what it is
in the other folds."""


def leak_warnings(singles: Mapping[str, Scores], prior: Scores) -> list[str]:
    """Name members that are too good to be true.

    Parameters
    ----------
    singles : mapping of str to Scores
        Each member alone, on studies that it was not fitted on.
    prior : Scores
        The weighted prior on the same studies.

    Returns
    -------
    list of str
        A sentence for each member and family whose loss is below `LEAK_FRACTION` of the prior's.
    """
    found = []
    for name, scores in singles.items():
        for family in FAMILIES:
            loss, of_prior = getattr(scores, family), getattr(prior, family)
            if loss < LEAK_FRACTION * of_prior:
                found.append(
                    f"member {name}: {family} loss {loss:.3f} is {loss / of_prior:.0%} of the prior's; "
                    "check that it has not seen the studies it predicts"
                )
    return found


def fold_leak_warnings(singles: Mapping[str, Probabilities], data: StackingData) -> list[str]:
    """Name members that are far better in one fold than elsewhere, beside the other members.

    Parameters
    ----------
    singles : mapping of str to (n, 5, 5, 3) float
        What each member alone predicts for the studies of `data`.
    data : StackingData
        Grades and folds.

    Returns
    -------
    list of str
        A sentence for each member, family and fold that is suspect; none where there is a single member.
    """
    if len(singles) < 2:
        return []
    folds = np.unique(data.folds)
    inside = [data.folds == fold for fold in folds]
    parts = np.array(
        [
            [study_losses(data.grades[mask], cube[mask]).parts() for mask in inside]
            for cube in singles.values()
        ]
    )
    found = []
    for column, family in enumerate(FAMILIES):
        losses = parts[:, :, column]
        # By the median over the others, so that what leaks is not its own yardstick.
        others = np.array([np.median(np.delete(losses, k, axis=0), axis=0) for k in range(len(losses))])
        labeled = np.isfinite(losses).all(axis=0)  # a fold may have no label of the family
        if labeled.sum() < 2:
            continue
        ratio = losses / others
        usual = np.median(ratio[:, labeled], axis=1, keepdims=True)
        for member, fold in np.argwhere(ratio < FOLD_LEAK_FRACTION * usual):
            found.append(
                f"member {list(singles)[member]}: {family} loss {losses[member, fold]:.3f} in fold "
                f"{folds[fold]} is {ratio[member, fold] / usual[member, 0]:.0%} of what its other folds "
                "suggest; check that it has not seen the studies it predicts there"
            )
    return found
