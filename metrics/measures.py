"""How predictions agree with readers: AUC, kappa, sensitivity, calibration and more, of any (re)sample of rows.

All functions take weights, so that a bootstrap over studies is a change of weights and not of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES

Floats = NDArray[np.float64]
Labels = NDArray[np.int_]
CALIBRATION_BINS = 10
NAMES: tuple[str, ...] = (
    "rows", "rows_moderate", "rows_severe", "accuracy", "kappa", "auc", *(f"auc_{grade}" for grade in GRADES),
    "sensitivity_moderate", "specificity_moderate", "sensitivity_severe", "specificity_severe", "calibration_error",
    "precision", "recall", "f1",
)  # fmt: skip
"""`rows` are those with a label, `rows_severe` those that readers graded severe. `auc` is the mean of one-versus-rest
over the grades; `auc_severe` is severe versus rest. Sensitivity and specificity are those of "moderate or severe" and
of "severe" at a probability of one half. `kappa` is Cohen's with quadratic weights; precision, recall and F1 are means
over the grades; the calibration error is the expected one of the three probabilities, in ten equal bins."""
_TINY = 1e-12


def auc(positive: NDArray[np.bool_], score: Floats, weight: Floats) -> float:
    """Compute the area under the ROC curve: the probability that a positive row scores above a negative one.

    Parameters
    ----------
    positive : (n,) bool
        Which rows are positive.
    score : (n,) float
        Any number that should be higher for positive rows.
    weight : (n,) float
        How often each row counts.

    Returns
    -------
    float
        Between 0 and 1, ties counted half; NaN where positive or negative rows have no weight.

    References
    ----------
    Mann and Whitney: On a test of whether one of two random variables is stochastically larger than the other,
    Annals of Mathematical Statistics 18(1), 1947.

    Examples
    --------
    >>> auc(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), np.ones(4))
    0.75
    """
    return auc_of_places(positive, places(score), weight)


def places(score: Floats) -> Labels:
    """Rank scores, equal ones alike, so that many resamples need a single sort.

    Parameters
    ----------
    score : (n,) float
        Any numbers.

    Returns
    -------
    (n,) int
        0 for the lowest, one more for each higher number.

    Examples
    --------
    >>> places(np.array([0.5, 0.1, 0.5, 0.9])).tolist()
    [1, 0, 1, 2]
    """
    return np.asarray(np.unique(score, return_inverse=True)[1], int)


def auc_of_places(positive: NDArray[np.bool_], place: Labels, weight: Floats) -> float:
    """Compute the area under the ROC curve from ranks; see `auc`.

    Parameters
    ----------
    positive : (n,) bool
        Which rows are positive.
    place : (n,) int
        As `places` gives it.
    weight : (n,) float
        How often each row counts.

    Returns
    -------
    float
        Between 0 and 1; NaN where positive or negative rows have no weight.
    """
    up = np.bincount(place, weight * positive)
    down = np.bincount(place, weight * ~positive)
    total = up.sum() * down.sum()
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / total) if total > 0 else np.nan


def confusion(truth: Labels, called: Labels, weight: Floats) -> Floats:
    """Count each pair of grades.

    Parameters
    ----------
    truth : (n,) int
        The readers' grades, 0 to 2.
    called : (n,) int
        The predicted grades, 0 to 2.
    weight : (n,) float
        How often each row counts.

    Returns
    -------
    (3, 3) float
        Weighted counts: rows are the readers' grades, columns the predicted ones.

    Examples
    --------
    >>> confusion(np.array([0, 0, 2]), np.array([0, 1, 2]), np.ones(3)).tolist()
    [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    n = len(GRADES)
    return np.bincount(truth * n + called, weight, n * n).reshape(n, n).astype(float)


def kappa(counts: Floats) -> float:
    """Compute Cohen's kappa with quadratic weights: agreement beyond what the frequencies of the grades give.

    Parameters
    ----------
    counts : (3, 3) float
        A confusion matrix.

    Returns
    -------
    float
        1 for full agreement, 0 for none beyond the expected; NaN where there is only one grade.

    References
    ----------
    Cohen: Weighted kappa, Psychological Bulletin 70(4), 1968.

    Examples
    --------
    >>> kappa(np.diag([3.0, 2.0, 1.0]))
    1.0
    """
    n = len(counts)
    cost = (np.arange(n)[:, None] - np.arange(n)) ** 2
    expected = counts.sum(1)[:, None] * counts.sum(0) / max(counts.sum(), _TINY)
    expected_cost = (cost * expected).sum()
    return float(1 - (cost * counts).sum() / expected_cost) if expected_cost > 0 else np.nan


def calibration_error(truth: Labels, probabilities: Floats, weight: Floats) -> float:
    """Compute the expected calibration error of the probabilities, each against whether its grade was read.

    Parameters
    ----------
    truth : (n,) int
        The readers' grades, 0 to 2.
    probabilities : (n, 3) float
        Rows that sum to 1.
    weight : (n,) float
        How often each row counts.

    Returns
    -------
    float
        Mean distance between predicted probability and observed frequency over ten equal bins; 0 is calibrated.

    References
    ----------
    Naeini, Cooper and Hauskrecht: Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015.
    """
    hit = (truth[:, None] == np.arange(len(GRADES))).ravel()
    predicted, each = probabilities.ravel(), np.repeat(weight, len(GRADES))
    cell = np.minimum((predicted * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gap = np.bincount(cell, each * hit, CALIBRATION_BINS) - np.bincount(
        cell, each * predicted, CALIBRATION_BINS
    )
    return float(np.abs(gap).sum() / max(each.sum(), _TINY))


def agreement(
    truth: Labels,
    probabilities: Floats,
    weight: Floats | None = None,
    ranks: Sequence[Labels] | None = None,
) -> dict[str, float]:
    """Compute all measures of `NAMES`.

    Parameters
    ----------
    truth : (n,) int
        The readers' grades, 0 to 2, none missing.
    probabilities : (n, 3) float
        Rows that sum to 1.
    weight : (n,) float, optional
        How often each row counts. Default: once.
    ranks : sequence of three (n,) int, optional
        `places` of each column of the probabilities, for who computes many weightings.

    Returns
    -------
    dict of str to float
        By name; NaN where a measure does not exist: a grade that nobody read has no AUC.

    Examples
    --------
    >>> found = agreement(np.array([0, 1, 2]), np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.6, 0.3]]))
    >>> round(found["accuracy"], 3), found["auc_severe"]
    (0.667, 0.75)
    """
    weight = np.ones(len(truth)) if weight is None else weight
    counts = confusion(truth, probabilities.argmax(axis=1), weight)
    ranks = [places(column) for column in probabilities.T] if ranks is None else ranks
    areas = [auc_of_places(truth == grade, ranks[grade], weight) for grade in range(len(GRADES))]
    read = counts.sum(axis=1)
    precision, recall, f1 = _by_grade(counts)
    return {
        "rows": float(weight.sum()),
        "rows_moderate": float(read[1]),
        "rows_severe": float(read[2]),
        "accuracy": float(np.trace(counts) / max(counts.sum(), _TINY)),
        "kappa": kappa(counts),
        "auc": _mean_of_known(np.array(areas)),
        **{f"auc_{grade}": area for grade, area in zip(GRADES, areas)},
        **_at_one_half(truth, probabilities, weight),
        "calibration_error": calibration_error(truth, probabilities, weight),
        "precision": _mean_of_known(precision),
        "recall": _mean_of_known(recall),
        "f1": _mean_of_known(f1),
    }


def proportions(truth: Labels, probabilities: Floats) -> dict[str, tuple[int, int]]:
    """Count what the measures that are proportions of rows are made of.

    Parameters
    ----------
    truth : (n,) int
        The readers' grades, 0 to 2.
    probabilities : (n, 3) float
        Rows that sum to 1.

    Returns
    -------
    dict of str to (int, int)
        Hits and rows of `accuracy`, and of sensitivity and specificity of moderate and of severe.

    Examples
    --------
    >>> proportions(np.array([0, 2]), np.array([[0.9, 0.1, 0.0], [0.3, 0.1, 0.6]]))["sensitivity_severe"]
    (1, 1)
    """
    found = {"accuracy": (int((probabilities.argmax(axis=1) == truth).sum()), len(truth))}
    for least, name in ((1, "moderate"), (2, "severe")):
        positive, called = truth >= least, probabilities[:, least:].sum(axis=1) >= 0.5
        found[f"sensitivity_{name}"] = int((positive & called).sum()), int(positive.sum())
        found[f"specificity_{name}"] = int((~positive & ~called).sum()), int((~positive).sum())
    return found


def _by_grade(counts: Floats) -> tuple[Floats, Floats, Floats]:
    """Precision, recall and F1 of each grade, (3,) each; NaN for a grade that nobody read."""
    right, read, called = np.diag(counts), counts.sum(1), counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = right / read, np.where(called > 0, right / called, 0.0)
    precision = np.where(read > 0, precision, np.nan)
    f1 = np.where(read > 0, 2 * right / np.maximum(read + called, _TINY), np.nan)
    return precision, recall, f1


def _at_one_half(truth: Labels, probabilities: Floats, weight: Floats) -> dict[str, float]:
    """Sensitivity and specificity of "at least moderate" and of "severe" at a probability of one half."""
    found = {}
    for least, name in ((1, "moderate"), (2, "severe")):
        positive, called = truth >= least, probabilities[:, least:].sum(axis=1) >= 0.5
        with np.errstate(invalid="ignore", divide="ignore"):
            found[f"sensitivity_{name}"] = float(
                (weight * (positive & called)).sum() / (weight * positive).sum()
            )
            found[f"specificity_{name}"] = float(
                (weight * (~positive & ~called)).sum() / (weight * ~positive).sum()
            )
    return found


def _mean_of_known(values: Floats) -> float:
    """Mean of the values that are not NaN."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
