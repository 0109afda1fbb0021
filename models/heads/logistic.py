"""Logistic regression as a head: the strongest where studies are few, and a yardstick where they are many."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.array_head import ArrayHead, Arrays
from lsdc.models.heads.head import Features, Labels, Probabilities, known_moments
from lsdc.models.search_space import Range, Settings, Space

_FARTHEST = 5.0
_NEVER = -30.0


class LogisticHead(ArrayHead):
    """Multinomial logistic regression on standardized features; rows weigh 1, 2, 4 by grade.

    An unknown feature counts as the mean of the known ones.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`; by default those of `defaults`.

    Attributes
    ----------
    arrays : dict of str to float64
        After `fit`: `mean` and `scale` (d,), `coefficients` (3, d) and `intercept` (3,).
    """

    suffix: ClassVar[str] = "logistic.safetensors"
    space: ClassVar[Space] = {"C": Range(1e-4, 1.0, log=True)}
    defaults: ClassVar[Settings] = {"C": 0.01}

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Fit the coefficients on more rows.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        seed : int
            Not used.

        Returns
        -------
        LogisticHead
            Itself.
        """
        from sklearn.linear_model import LogisticRegression

        mean, scale = known_moments(X)
        self.arrays = {"mean": mean.astype(float), "scale": scale.astype(float)}
        model = LogisticRegression(C=float(self.settings["C"]), max_iter=500)
        model.fit(self._standard(X), y, sample_weight=GRADE_WEIGHTS[y])
        coefficients, intercept = np.zeros((len(Grade), X.shape[1])), np.full(len(Grade), _NEVER)
        if len(model.classes_) == 2:  # scikit-learn keeps the second grade's odds alone
            coefficients[model.classes_[1]] = model.coef_[0]
            intercept[model.classes_] = 0.0, model.intercept_[0]
        else:
            coefficients[model.classes_], intercept[model.classes_] = model.coef_, model.intercept_
        self.arrays |= {"coefficients": coefficients, "intercept": intercept}
        return self

    def _standard(self, X: Features) -> NDArray[np.float64]:
        """Standardize, bound what is far out, and put what is unknown at the mean."""
        standard = (X - self.arrays["mean"]) / self.arrays["scale"]
        return np.clip(np.where(np.isfinite(standard), standard, 0.0), -_FARTHEST, _FARTHEST)

    def predict(self, X: Features) -> Probabilities:
        """Predict rows.

        Parameters
        ----------
        X : (n, d) float32
            Features as in `fit`.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades.
        """
        logits = self._standard(X) @ self.arrays["coefficients"].T + self.arrays["intercept"]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    @staticmethod
    def _check(arrays: Arrays) -> None:
        """Refuse arrays that are no coefficients."""
        width = len(arrays["mean"])
        shapes = [arrays[name].shape for name in ("mean", "scale", "coefficients", "intercept")]
        if shapes != [(width,), (width,), (len(Grade), width), (len(Grade),)]:
            raise ValueError("arrays of different lengths")
        if (
            not all(np.isfinite(values).all() for values in arrays.values())
            or not (arrays["scale"] > 0).all()
        ):
            raise ValueError("coefficients that are no numbers")
