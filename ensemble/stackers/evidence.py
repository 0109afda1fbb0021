"""What stackers that look around see: log probabilities of a target's members, and of its neighbors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, has_rows
from lsdc.metrics.official import CONDITIONS_OF, Probabilities

FLOOR = 1e-4
"""Probabilities below it are raised to it before the logarithm: no member is that sure."""


@dataclass(frozen=True)
class Evidence:
    """Features of the rows of one family.

    Parameters
    ----------
    family : Family
        Which.
    names : tuple of str
        Of the features: first `members` members of the family, then the context.
    members : int
        How many of them are members.
    values : (f, n, c, 5, 3) float
        Centered log probabilities: feature, study, condition of the family, level, grade.
    """

    family: Family
    names: tuple[str, ...]
    members: int
    values: NDArray[np.float64]


def centered_logs(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log probabilities less their mean over the grades; (..., 3).

    >>> centered_logs(np.array([0.25, 0.25, 0.25])).tolist()
    [0.0, 0.0, 0.0]
    """
    logs = np.log(np.clip(probabilities, FLOOR, 1.0))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


def members_of(predictions: Predictions, family: Family) -> tuple[str, ...]:
    """Members that have any row of a family."""
    covered = np.any(has_rows(predictions.cubes[:, :, CONDITIONS_OF[family]]), axis=(1, 2, 3))
    return tuple(name for name, some in zip(predictions.members, covered) if some)


def pooled_logs(predictions: Predictions, prior: Probabilities) -> NDArray[np.float64]:
    """Mean of the present members' centered log probabilities, (n, 5, 5, 3); the prior's where none is."""
    present = predictions.present[..., None]
    logs = np.where(present, centered_logs(np.where(present, predictions.cubes, 1.0)), 0.0)
    count = present.sum(axis=0)
    return np.where(count > 0, logs.sum(axis=0) / np.maximum(count, 1), centered_logs(prior))


def gather(
    predictions: Predictions, prior: Probabilities, family: Family, members: tuple[str, ...], context: bool
) -> Evidence:
    """Collect the evidence for one family.

    A member without a row says what the members present say on average; where none is present, the prior speaks.
    Context is how far the mean of the members departs from the prior at the level above and below, on the other
    side, and in the other families at the level; left and right see each other alike.

    Parameters
    ----------
    predictions : Predictions
        Of all members.
    prior : (5, 5, 3) float
        The weighted prior.
    family : Family
        Whose rows.
    members : tuple of str
        The family's members, in the order wanted.
    context : bool
        Whether to look around.
    """
    conditions = CONDITIONS_OF[family]
    pooled = pooled_logs(predictions, prior)
    own = predictions.of(members)
    logs = [
        np.where(present[..., None], centered_logs(np.where(present[..., None], cube, 1.0)), pooled)
        for cube, present in zip(own.cubes, own.present)
    ] or [pooled]
    features = dict(zip(members or ("prior",), (log[:, conditions] for log in logs)))
    n_members = len(features)
    if context:
        features |= _around(pooled - centered_logs(prior), family)
    return Evidence(family, tuple(features), n_members, np.stack(list(features.values())))


def _around(departure: NDArray[np.float64], family: Family) -> dict[str, NDArray[np.float64]]:
    conditions = CONDITIONS_OF[family]
    above, below = np.zeros_like(departure), np.zeros_like(departure)
    above[:, :, 1:], below[:, :, :-1] = departure[:, :, :-1], departure[:, :, 1:]
    found = {"level above": above[:, conditions], "level below": below[:, conditions]}
    if len(conditions) > 1:
        found["other side"] = departure[:, conditions[::-1]]
    for other, theirs in CONDITIONS_OF.items():
        if other is family:
            continue
        if len(theirs) == len(conditions):
            found[f"{other}, same side"] = departure[:, theirs]
            found[f"{other}, other side"] = departure[:, theirs[::-1]]
        else:
            mean = departure[:, theirs].mean(axis=1, keepdims=True)
            found[str(other)] = np.repeat(mean, len(conditions), axis=1)
    return found
