"""What stackers see that also use neighbors: log probabilities of a target's members, and of its neighbors."""

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
    """Features of the rows of one family, of which a stacker makes its predictions.

    Parameters
    ----------
    family : Family
        The family; it has c conditions.
    names : tuple of str
        Names of the f features: first the members, then the context.
    members : int
        Number of features that are members.
    values : (f, n, c, 5, 3) float
        Centered log probabilities by feature, study, condition of the family, level and grade.
    """

    family: Family
    names: tuple[str, ...]
    members: int
    values: NDArray[np.float64]


def centered_logs(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the logarithm of probabilities and subtract its mean over the grades.

    Parameters
    ----------
    probabilities : (..., 3) float
        Rows that sum to 1; values below 0.0001 are raised to it.

    Returns
    -------
    (..., 3) float
        Rows sum to zero, and softmax gives the probabilities back.

    Examples
    --------
    >>> centered_logs(np.array([0.25, 0.25, 0.25])).tolist()
    [0.0, 0.0, 0.0]
    """
    logs = np.log(np.clip(probabilities, FLOOR, 1.0))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


def members_of(predictions: Predictions, family: Family) -> tuple[str, ...]:
    """List the members that have any row of a family.

    Parameters
    ----------
    predictions : Predictions
        Of all members.
    family : Family
        The family.

    Returns
    -------
    tuple of str
        Their names, in the order of the predictions.
    """
    covered = np.any(has_rows(predictions.cubes[:, :, CONDITIONS_OF[family]]), axis=(1, 2, 3))
    return tuple(name for name, some in zip(predictions.members, covered) if some)


def pooled_logs(predictions: Predictions, prior: Probabilities) -> NDArray[np.float64]:
    """Average the centered log probabilities of the members present.

    Parameters
    ----------
    predictions : Predictions
        Of all members, for n studies.
    prior : (5, 5, 3) float
        Probabilities for rows that no member has.

    Returns
    -------
    (n, 5, 5, 3) float
        Their mean; the centered logs of the prior where no member is present.
    """
    present = predictions.present[..., None]
    logs = np.where(present, centered_logs(np.where(present, predictions.cubes, 1.0)), 0.0)
    count = present.sum(axis=0)
    return np.where(count > 0, logs.sum(axis=0) / np.maximum(count, 1), centered_logs(prior))


def gather(
    predictions: Predictions, prior: Probabilities, family: Family, members: tuple[str, ...], context: bool
) -> Evidence:
    """Collect the evidence for one family.

    A member without a row is replaced by the mean of the members present; where none is present, by the prior.
    Context is how far the mean of the members departs from the prior at the level above and below, on the other
    side, and in the other families at the level; left and right see each other alike.

    Parameters
    ----------
    predictions : Predictions
        Of all members, for n studies.
    prior : (5, 5, 3) float
        The weighted prior by condition, level and grade.
    family : Family
        The family whose rows are described.
    members : tuple of str
        The family's members, in the order wanted; where there is none, the prior is the only feature.
    context : bool
        Whether neighboring targets become features as well.

    Returns
    -------
    Evidence
        Of the n studies.
    """
    conditions = CONDITIONS_OF[family]
    pooled = pooled_logs(predictions, prior)
    chosen = predictions.of(members)
    logs = [
        np.where(present[..., None], centered_logs(np.where(present[..., None], cube, 1.0)), pooled)
        for cube, present in zip(chosen.cubes, chosen.present)
    ] or [pooled]
    features = dict(zip(members or ("prior",), (log[:, conditions] for log in logs)))
    n_members = len(features)
    if context:
        features |= _context(pooled - centered_logs(prior), family)
    return Evidence(family, tuple(features), n_members, np.stack(list(features.values())))


def _context(departure: NDArray[np.float64], family: Family) -> dict[str, NDArray[np.float64]]:
    """Look up the departure (n, 5, 5, 3) from the prior at the neighbors of each of the family's targets."""
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
