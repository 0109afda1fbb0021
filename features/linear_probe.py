"""How much a linear model can read from features: cross-fitted by group, for any features and any labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsdc.runtime import ConfigError


@dataclass(frozen=True)
class LinearProbe:
    """Out-of-fold answers of a logistic probe.

    Parameters
    ----------
    classes : (k,) array
        The labels that were told apart, ascending.
    labels : (n,) array
        The true labels.
    probabilities : (n, k) float
        Probability of each class, from the probe that did not see the row's group; rows sum to 1.
    scores : (n,) or (n, k) float
        The decision function: one number per row for two classes (positive favors the second), else one per class.
        Probes of different folds are on one scale only as far as the features are.
    fold : (n,) int
        Fold in which each row was left out.
    """

    classes: NDArray[Any]
    labels: NDArray[Any]
    probabilities: NDArray[np.float64]
    scores: NDArray[np.float64]
    fold: NDArray[np.int64]

    @property
    def auc(self) -> float:
        """Area under the ROC curve of `scores`; for two classes."""
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(self.labels, self.scores))


@dataclass(frozen=True)
class RidgeProbe:
    """Out-of-fold answers of a ridge regression.

    Parameters
    ----------
    values : (n,) float
        The true values.
    predictions : (n,) float
        From the regression that did not see the row's group.
    fold : (n,) int
        Fold in which each row was left out.
    """

    values: NDArray[np.float64]
    predictions: NDArray[np.float64]
    fold: NDArray[np.int64]

    @property
    def r2(self) -> float:
        """Explained fraction of the variance; 0 for a probe that knows the mean only, negative for a worse one."""
        from sklearn.metrics import r2_score

        return float(r2_score(self.values, self.predictions))


def linear_probe(
    features: NDArray[Any],
    labels: ArrayLike,
    groups: ArrayLike,
    *,
    classes: Sequence[Any] | None = None,
    weights: ArrayLike | None = None,
    balanced: bool = False,
    strength: float = 0.003,
    floor: float = 0.0,
    folds: int = 5,
    max_iter: int = 2000,
) -> LinearProbe:
    """Predict labels from features by logistic regression, each group by a probe that did not see it.

    Says what embeddings, descriptors or pixels hold, whatever made them. Features are standardized within each fold.

    Parameters
    ----------
    features : (n, d) float
        One row per item; NaN counts as 0.
    labels : (n,) array
        Class of each row.
    groups : (n,) array
        What must not be in training and test at once, such as study ids.
    classes : sequence, optional
        All labels there can be, ascending; by default those in `labels`.
    weights : (n,) float, optional
        Weight of each row in the fit; by default 1.
    balanced : bool, default False
        Give the classes the same weight in sum.
    strength : float, default 0.003
        Inverse of the L2 penalty (scikit-learn's C); the smaller, the simpler the probe.
    floor : float, default 0
        Probability of a class that is absent from a fold's training rows, before rows are scaled to sum to 1.
    folds : int, default 5
        Number of folds, or the number of groups where that is smaller.
    max_iter : int, default 2000
        Iterations of the solver.

    Returns
    -------
    LinearProbe
        Out-of-fold probabilities and scores.

    Raises
    ------
    ConfigError
        When there are fewer than two groups or folds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth, study = np.arange(200) % 2, np.arange(200) // 10
    >>> features = rng.normal(size=(200, 3)) + truth[:, None]
    >>> probe = linear_probe(features, truth, study)
    >>> bool(probe.auc > 0.8)
    True
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth, values = np.asarray(labels), np.nan_to_num(features)
    known = np.unique(truth) if classes is None else np.asarray(classes)
    column = np.searchsorted(known, truth)
    probabilities = np.full((len(truth), len(known)), floor)
    scores = np.zeros(len(truth) if len(known) == 2 else (len(truth), len(known)))
    fold = np.zeros(len(truth), np.int64)
    for number, (train, test) in enumerate(_group_folds(values, groups, folds)):
        fold[test] = number
        seen = np.unique(column[train])
        if len(seen) < 2:
            probabilities[test, seen[0]] = 1.0
            continue
        logistic = LogisticRegression(
            C=strength, class_weight="balanced" if balanced else None, max_iter=max_iter
        )
        model = make_pipeline(StandardScaler(), logistic)
        weight = None if weights is None else np.asarray(weights)[train]
        model.fit(values[train], truth[train], logisticregression__sample_weight=weight)
        probabilities[np.ix_(test, seen)] = model.predict_proba(values[test])
        decision = model.decision_function(values[test])
        if len(known) == 2:
            scores[test] = decision
        elif len(seen) > 2:
            scores[np.ix_(test, seen)] = decision
        else:
            scores[np.ix_(test, seen)] = np.stack([-decision, decision], axis=1)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return LinearProbe(known, truth, probabilities, scores, fold)


def ridge_probe(
    features: NDArray[Any], values: ArrayLike, groups: ArrayLike, *, folds: int = 5
) -> RidgeProbe:
    """Predict a measurement from features by ridge regression, each group by a probe that did not see it.

    The penalty is chosen within each fold's training rows, by leave-one-out errors, from 10 to a million.

    Parameters
    ----------
    features : (n, d) float
        One row per item; NaN counts as 0.
    values : (n,) float
        What is predicted, in any unit.
    groups : (n,) array
        What must not be in training and test at once, such as study ids.
    folds : int, default 5
        Number of folds, or the number of groups where that is smaller.

    Returns
    -------
    RidgeProbe
        Out-of-fold predictions.

    Raises
    ------
    ConfigError
        When there are fewer than two groups or folds.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth, inputs = np.asarray(values, float), np.nan_to_num(features)
    predictions, fold = np.zeros(len(truth)), np.zeros(len(truth), np.int64)
    for number, (train, test) in enumerate(_group_folds(inputs, groups, folds)):
        fold[test] = number
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(1, 6, 11)))
        predictions[test] = ridge.fit(inputs[train], truth[train]).predict(inputs[test])
    return RidgeProbe(truth, predictions, fold)


def _group_folds(
    features: NDArray[Any], groups: ArrayLike, folds: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the training and test rows of each fold; groups stay whole."""
    from sklearn.model_selection import GroupKFold

    who = np.asarray(groups)
    count = min(folds, len(np.unique(who)))
    if count < 2:
        raise ConfigError(
            f"a probe needs at least two folds and two groups, not folds={folds} and {len(np.unique(who))} groups"
        )
    yield from GroupKFold(count).split(features, groups=who)
