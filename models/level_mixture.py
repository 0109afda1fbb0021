"""Predictions where the selector may have counted the levels wrongly: a mixture over what a target may really be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Level
from lsdc.models.examples import LEVEL_DOUBT, Examples


def doubts_of(examples: Examples) -> NDArray[np.float64]:
    """Read how doubtful the level of every target is.

    Parameters
    ----------
    examples : Examples
        Rows of n whole studies.

    Returns
    -------
    (n, 25) float64
        Probabilities that the point of a target lies one level off; 0 where nothing is known of it, as in stores of
        earlier versions.
    """
    if LEVEL_DOUBT not in examples.rows:
        return np.zeros((len(examples) // len(TARGETS), len(TARGETS)))
    known = examples.rows[LEVEL_DOUBT].to_numpy(np.float64, na_value=np.nan)
    return np.clip(np.nan_to_num(known), 0, 1).reshape(-1, len(TARGETS))


def mixed_across_levels(
    probabilities: NDArray[np.float64], doubts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mix what is predicted of a target with what is predicted of the levels above and below it.

    Where all points of a series are one level off, the crop at a target's point shows the level above or below, and
    what is predicted for that neighbor is what holds for the target. With the doubt d, the prediction is 1 - d times
    that of the target and d / 2 times that of each neighbor; at an end of the spine the target stands for the
    neighbor that is not graded. It is the expectation over three ways to count the levels.

    Parameters
    ----------
    probabilities : (n, 25, 3) float64
        What is predicted at the points of n studies; rows sum to 1.
    doubts : (n, 25) float64
        Probability that a target's point is one level off.

    Returns
    -------
    (n, 25, 3) float64
        Rows sum to 1.

    Examples
    --------
    Of a canal that is severely narrowed at L4/L5 alone, with levels that are as likely one off as not:

    >>> probabilities = np.tile([1.0, 0.0, 0.0], (1, 25, 1))
    >>> probabilities[0, 3] = [0.0, 0.0, 1.0]
    >>> mixed_across_levels(probabilities, np.full((1, 25), 0.5))[0, :5, 2].tolist()
    [0.0, 0.0, 0.25, 0.5, 0.25]
    """
    by_level = probabilities.reshape(len(probabilities), -1, len(Level), probabilities.shape[-1])
    padded = np.concatenate([by_level[:, :, :1], by_level, by_level[:, :, -1:]], axis=2)
    neighbors = ((padded[:, :, :-2] + padded[:, :, 2:]) / 2).reshape(probabilities.shape)
    return (1 - doubts[..., None]) * probabilities + doubts[..., None] * neighbors
