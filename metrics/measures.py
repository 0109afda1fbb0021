"""How predictions agree with readers: AUC, kappa, sensitivity, calibration and more, of any (re)sample of rows.

All functions take weights, so that a bootstrap over studies is a change of weights and not of rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES

Array = NDArray[np.float64]
Labels = NDArray[np.int_]
BINS = 10
NAMES: tuple[str, ...] = (
    "rows", "accuracy", "kappa", "auc", *(f"auc_{grade}" for grade in GRADES), "sensitivity_moderate",
    "specificity_moderate", "sensitivity_severe", "specificity_severe", "calibration_error", "precision", "recall",
    "f1",
)  # fmt: skip
"""`auc` is the mean of one-versus-rest over the grades; `auc_severe` is severe versus rest. Sensitivity and
specificity are those of "moderate or severe" and of "severe" at a probability of one half. `kappa` is Cohen's with
quadratic weights; precision, recall and F1 are means over the grades; the calibration error is the expected one
(Naeini et al. 2015) of the three probabilities, in ten equal bins."""


def auc(positive: NDArray[np.bool_], score: Array, weight: Array) -> float:
    """Area under the ROC curve, ties counted half (Mann & Whitney 1947); NaN where one class has no weight.

    >>> auc(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), np.ones(4))
    0.75
    """
    _, place = np.unique(score, return_inverse=True)
    up = np.bincount(place, weight * positive)
    down = np.bincount(place, weight * ~positive)
    total = up.sum() * down.sum()
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / total) if total > 0 else np.nan


def confusion(truth: Labels, chosen: Labels, weight: Array) -> Array:
    """Weighted counts (3, 3): rows are the readers' grades, columns the predicted ones."""
    n = len(GRADES)
    return np.bincount(truth * n + chosen, weight, n * n).reshape(n, n).astype(float)


def kappa(counts: Array) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968) of a confusion matrix; NaN where chance explains all.

    >>> kappa(np.diag([3.0, 2.0, 1.0]))
    1.0
    """
    n = len(counts)
    cost = (np.arange(n)[:, None] - np.arange(n)) ** 2
    expected = counts.sum(1)[:, None] * counts.sum(0) / max(counts.sum(), 1e-12)
    chance = (cost * expected).sum()
    return float(1 - (cost * counts).sum() / chance) if chance > 0 else np.nan


def calibration_error(truth: Labels, probabilities: Array, weight: Array) -> float:
    """Expected calibration error of the probabilities (n, 3), each against whether its grade was read."""
    hit = (truth[:, None] == np.arange(len(GRADES))).ravel()
    sure, each = probabilities.ravel(), np.repeat(weight, len(GRADES))
    cell = np.minimum((sure * BINS).astype(int), BINS - 1)
    gap = np.bincount(cell, each * hit, BINS) - np.bincount(cell, each * sure, BINS)
    return float(np.abs(gap).sum() / max(each.sum(), 1e-12))


def agreement(truth: Labels, probabilities: Array, weight: Array | None = None) -> dict[str, float]:
    """All measures of `NAMES`.

    Parameters
    ----------
    truth : (n,) int
        Grades, none missing.
    probabilities : (n, 3) float
        Rows that sum to 1.
    weight : (n,) float, optional
        How often each row counts.

    Returns
    -------
    dict of str to float
        NaN where a measure does not exist: a grade that nobody read has no AUC.
    """
    weight = np.ones(len(truth)) if weight is None else weight
    counts = confusion(truth, probabilities.argmax(axis=1), weight)
    areas = [auc(truth == grade, probabilities[:, grade], weight) for grade in range(len(GRADES))]
    right, read, said = np.diag(counts), counts.sum(1), counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, precision = right / read, np.where(said > 0, right / said, 0.0)
    precision = np.where(read > 0, precision, np.nan)
    f1 = np.where(read > 0, 2 * right / np.maximum(read + said, 1e-12), np.nan)
    found: dict[str, float] = {
        "rows": float(weight.sum()),
        "accuracy": float(right.sum() / max(counts.sum(), 1e-12)),
        "kappa": kappa(counts),
        "auc": _mean(np.array(areas)),
        **{f"auc_{grade}": area for grade, area in zip(GRADES, areas)},
    }
    for least, name in ((1, "moderate"), (2, "severe")):
        positive, called = truth >= least, probabilities[:, least:].sum(axis=1) >= 0.5
        with np.errstate(invalid="ignore", divide="ignore"):
            found[f"sensitivity_{name}"] = float(
                (weight * (positive & called)).sum() / (weight * positive).sum()
            )
            found[f"specificity_{name}"] = float(
                (weight * (~positive & ~called)).sum() / (weight * ~positive).sum()
            )
    found["calibration_error"] = calibration_error(truth, probabilities, weight)
    return found | {"precision": _mean(precision), "recall": _mean(recall), "f1": _mean(f1)}


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan
