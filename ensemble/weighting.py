"""Probabilities for the competition's weights, and probabilities of the grades themselves."""

from __future__ import annotations

from typing import Literal, get_args

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS, Probabilities
from lsdc.runtime import ConfigError

Weighting = Literal["competition", "none"]
"""`competition`: what the official score asks for, in which moderate counts twice and severe four times; `none`: how
probable the grades are."""

MEANING: dict[Weighting, str] = {
    "competition": (
        "probabilities for the competition's score, in which moderate counts twice and severe four times: "
        "severe grades look more probable than they are"
    ),
    "none": (
        "probabilities for the competition's score, divided by its weights 1, 2 and 4 and by their new sum: how "
        "probable the grades are where they are as frequent as among the studies that the model was fitted on"
    ),
}
"""What the numbers of an output are, in a sentence."""


def check_weighting(weighting: str) -> None:
    """Refuse a weighting that does not exist.

    Parameters
    ----------
    weighting : str
        What was asked for.

    Raises
    ------
    ConfigError
        When it is neither `competition` nor `none`.
    """
    if weighting not in get_args(Weighting):
        raise ConfigError(f"weighting must be {' or '.join(get_args(Weighting))}, not {weighting!r}")


def reweighted(probabilities: Probabilities, weighting: Weighting) -> Probabilities:
    """Turn a model's probabilities into those of a weighting.

    Models minimize a log loss in which a row of grade k counts w_k = 1, 2 or 4 times. What minimizes it is
    q_k = w_k p_k / sum_j w_j p_j, where p_k is the probability of the grade (Elkan 2001, theorem 1: to weigh rows is
    to draw them at another rate); so p_k is q_k / w_k, divided by the sum over the grades (Saerens et al. 2002,
    with the weights as the ratio of base rates).

    Parameters
    ----------
    probabilities : (..., 3) float
        Of normal/mild, moderate and severe, as models predict them for the competition's score; rows sum to 1.
    weighting : `competition` or `none`
        `competition` leaves them as they are, `none` takes the weights out.

    Returns
    -------
    (..., 3) float
        Rows sum to 1.

    References
    ----------
    Elkan: The foundations of cost-sensitive learning, IJCAI 2001.
    Saerens, Latinne and Decaestecker: Adjusting the outputs of a classifier to new a priori probabilities: a simple
    procedure, Neural Computation 14(1), 2002.

    Examples
    --------
    >>> import numpy as np
    >>> reweighted(np.array([1, 2, 4]) / 7, "none").round(3).tolist()
    [0.333, 0.333, 0.333]
    >>> reweighted(np.array([0.5, 0.3, 0.2]), "competition").tolist()
    [0.5, 0.3, 0.2]
    """
    if weighting == "competition":
        return probabilities
    freed = probabilities / GRADE_WEIGHTS[: len(Grade)]
    return freed / freed.sum(axis=-1, keepdims=True)
