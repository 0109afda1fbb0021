"""Random grades, and predictions of members that know some of the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.predictions import Predictions


def make_grades(rng: np.random.Generator, n: int, blank: float = 0.0) -> NDArray[np.int8]:
    """Draw grades, most of them normal.

    Parameters
    ----------
    rng : numpy Generator
        Decides the grades.
    n : int
        Number of studies.
    blank : float
        Fraction that is unlabeled; 0 by default.

    Returns
    -------
    (n, 5, 5) int8
        Grades 0, 1, 2 by study, condition and level; -1 unlabeled.
    """
    grades = rng.choice(3, size=(n, 5, 5), p=[0.7, 0.2, 0.1]).astype(np.int8)
    grades[rng.random(grades.shape) < blank] = -1
    return grades


def make_probabilities(
    rng: np.random.Generator, n: int, grades: NDArray[np.int8] | None = None, skill: float = 0.0
) -> NDArray[np.float64]:
    """Draw probabilities, and mix them with the truth.

    Parameters
    ----------
    rng : numpy Generator
        Decides the probabilities.
    n : int
        Number of studies.
    grades : (n, 5, 5) int8, optional
        The truth; by default the probabilities are noise alone.
    skill : float
        Fraction of the truth in the mixture, 0 to 1.

    Returns
    -------
    (n, 5, 5, 3) float64
        Probabilities; they sum to 1 along the last axis.
    """
    noise = rng.dirichlet(np.ones(3), size=(n, 5, 5))
    if grades is None:
        return noise
    return skill * np.eye(3)[np.maximum(grades, 0)] + (1 - skill) * noise


def make_predictions(
    seed: int = 0, n: int = 30, skills: Sequence[float] = (0.5, 0.3, 0.1), blank: float = 0.1
) -> tuple[Predictions, NDArray[np.int8]]:
    """Make predictions of members of different skill, and the grades.

    Parameters
    ----------
    seed : int
        Decides everything.
    n : int
        Number of studies, named s0, s1 and so on.
    skills : sequence of float
        Fraction of the truth in each member's predictions, 0 to 1; the members are named m0, m1 and so on.
    blank : float
        Fraction of the grades that is unlabeled.

    Returns
    -------
    predictions : Predictions
        Of all members for all studies.
    grades : (n, 5, 5) int8
        Grades by study, condition and level; -1 unlabeled.

    Examples
    --------
    >>> predictions, grades = make_predictions(n=4)
    >>> predictions.members, predictions.cubes.shape, grades.shape
    (('m0', 'm1', 'm2'), (3, 4, 5, 5, 3), (4, 5, 5))
    """
    rng = np.random.default_rng(seed)
    grades = make_grades(rng, n, blank)
    cubes = np.stack([make_probabilities(rng, n, grades, skill) for skill in skills])
    names = tuple(f"m{k}" for k in range(len(skills)))
    return Predictions(names, tuple(f"s{k}" for k in range(n)), cubes), grades
