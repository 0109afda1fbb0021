"""A head that is any scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.head import Features, Labels, Probabilities
from lsdc.runtime import LsdcError
from lsdc.runtime.estimators import SKLEARN_TYPES, load_estimator, save_estimator


class SklearnHead:
    """A clone of a scikit-learn classifier on one family's rows.

    Where the classifier takes no NaN, unknown features get the median of the known ones. Where its `fit` takes
    `sample_weight` (for a pipeline: its last step's), rows weigh 1, 2, 4 by grade; otherwise all weigh the same.

    Parameters
    ----------
    estimator : classifier
        It has `fit`, `predict_proba` and `get_params`; it is cloned, and never fitted itself.
    trusted : sequence of str
        Types beyond scikit-learn's that the saved file may hold, as `module.Class`; none by default.
    """

    suffix: ClassVar[str] = "estimator.skops"

    def __init__(self, estimator: Any, trusted: Sequence[str] = ()) -> None:
        self.estimator = estimator
        self.trusted = (*SKLEARN_TYPES, *trusted)

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Fit a clone.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2; a grade that does not occur is predicted with probability 0.
        stop_X : (m, d) float32
            Not used: scikit-learn's interface knows no second set.
        stop_y : (m,) int64
            Not used.
        seed : int
            Becomes every `random_state` of the estimator that is None.

        Returns
        -------
        SklearnHead
            Itself.
        """
        return self.refit(X, y, seed)

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Fit a new clone on more rows.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        seed : int
            Becomes every `random_state` of the estimator that is None.

        Returns
        -------
        SklearnHead
            Itself.
        """
        from sklearn.base import clone
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.utils import get_tags

        model = _seeded(clone(self.estimator), seed)
        if not get_tags(model).input_tags.allow_nan:
            model = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), model)
        weights = _weights_argument(model)
        # Some classifiers refuse labels with a gap: they see the places of the grades among those that occur.
        self.grades_, labels = np.unique(y, return_inverse=True)
        self.model_ = model.fit(X, labels, **({weights: GRADE_WEIGHTS[y]} if weights else {}))
        return self

    def predict(self, X: Features) -> Probabilities:
        """Predict rows.

        Parameters
        ----------
        X : (n, d) float32
            Features as in `fit`.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades; 0 for a grade that the estimator was not fitted on.

        Raises
        ------
        LsdcError
            When the estimator fails, such as one of a damaged model.
        """
        result = np.zeros((len(X), len(Grade)))
        try:
            result[:, self.grades_] = self.model_.predict_proba(X)
        except Exception as error:  # an estimator of anybody's, perhaps read from a stranger's file
            raise LsdcError(
                f"the estimator {type(self.model_).__name__} cannot predict ({ascii(error)[:200]}); fit it again"
            ) from error
        if not np.isfinite(result).all():
            raise LsdcError(
                f"the estimator {type(self.model_).__name__} predicts values that are no numbers; fit it again"
            )
        return result

    def save(self, path: Path) -> None:
        """Write the fitted clone in skops' format.

        Parameters
        ----------
        path : Path
            The file.

        Raises
        ------
        LsdcError
            When the fitted estimator holds a type that is neither scikit-learn's nor trusted.
        """
        save_estimator(path, {"model": self.model_, "grades": self.grades_}, self.trusted)

    @classmethod
    def load(cls, path: Path, trusted: Sequence[str] = ()) -> Self:
        """Read a fitted clone; nothing in the file is run.

        Parameters
        ----------
        path : Path
            What `save` wrote.
        trusted : sequence of str
            Types beyond scikit-learn's that may be loaded, as `module.Class`; none by default.

        Returns
        -------
        SklearnHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file is damaged, or holds a type that is not trusted, which is named.
        """
        head = cls(None, trusted)
        content = load_estimator(path, head.trusted)
        head.model_, head.grades_ = content["model"], content["grades"]
        return head


def _seeded(estimator: Any, seed: int) -> Any:
    """Give the seed to every random state that is left open."""
    names = [name for name, value in estimator.get_params().items() if value is None]
    return estimator.set_params(**{name: seed for name in names if name.split("__")[-1] == "random_state"})


def _weights_argument(model: Any) -> str | None:
    """Find the argument of `fit` that takes the rows' weights; None where there is none."""
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import has_fit_parameter

    if isinstance(model, Pipeline):
        name, last = model.steps[-1]
        inner = _weights_argument(last)
        return f"{name}__{inner}" if inner else None
    return "sample_weight" if has_fit_parameter(model, "sample_weight") else None
