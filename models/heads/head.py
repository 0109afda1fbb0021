"""What a head is: a classifier of one family's rows, saved as one file in a safe format."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.runtime import ArtifactError
from lsdc.runtime.json_files import read_json, write_json
from lsdc.runtime.schema import check_schema, list_of, number

Features = NDArray[np.float32]
"""Prepared features, (n, d); NaN where unknown."""
Labels = NDArray[np.int64]
"""Grades 0, 1, 2 of rows, (n,)."""
Probabilities = NDArray[np.float64]
"""Probabilities of the three grades, (n, 3)."""

_FRACTIONS = list_of(number(0, 1), len(Grade), len(Grade))


def known_moments(X: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the mean and the spread of each feature over the rows where it is known.

    Parameters
    ----------
    X : (n, d) float32
        Features; NaN where unknown.

    Returns
    -------
    mean : (d,) float32
        0 for a feature that is never known.
    scale : (d,) float32
        Standard deviation; 1 where it is about 0 or unknown.
    """
    mean, scale = np.zeros(X.shape[1], np.float32), np.ones(X.shape[1], np.float32)
    known = np.isfinite(X).any(axis=0)
    with np.errstate(invalid="ignore"):
        mean[known], scale[known] = np.nanmean(X[:, known], axis=0), np.nanstd(X[:, known], axis=0)
    return mean, np.where(scale > 1e-6, scale, np.float32(1))


class Head(Protocol):
    """A classifier of three grades, which minimizes the log loss with rows weighted 1, 2, 4 by grade.

    One that stops on the second set should have `refit(X, y, seed)` too, which fits it anew on more rows for as long
    as the last fit found best; another is fitted again without a second set. One whose settings can be chosen takes
    them as its only argument, and says with `space` and `defaults` which there are; see `LightGBMHead`.
    """

    suffix: ClassVar[str]
    """The end of its file's name, such as `lightgbm.txt`."""

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Fit on labeled rows, and stop early where the second set gets no better.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2; at least two different ones.
        stop_X : (m, d) float32
            Features of rows that decide when to stop; m may be 0.
        stop_y : (m,) int64
            Their grades.
        seed : int
            Decides everything random.

        Returns
        -------
        Head
            Itself.
        """
        ...

    def predict(self, X: Features) -> Probabilities:
        """Predict rows.

        Parameters
        ----------
        X : (n, d) float32
            Features as in `fit`.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades; rows sum to 1.
        """
        ...

    def save(self, path: Path) -> None:
        """Write one file, whole or not at all.

        Parameters
        ----------
        path : Path
            The file.
        """
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a head that `save` wrote.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        Head
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        ...


def weighted_fractions(y: Labels) -> NDArray[np.float64]:
    """Count the grades, weighted as in the official metric and smoothed: the best constant prediction.

    Parameters
    ----------
    y : (n,) int64
        Grades 0, 1, 2; n may be 0.

    Returns
    -------
    (3,) float64
        Fractions that sum to 1; a third each without labels.

    Examples
    --------
    >>> weighted_fractions(np.array([0, 0, 0, 2])).round(2).tolist()
    [0.4, 0.1, 0.5]
    """
    counts = np.bincount(y, minlength=len(Grade)).astype(float) * GRADE_WEIGHTS[: len(Grade)] + 1.0
    return counts / counts.sum()


class PriorHead:
    """Predicts the weighted fractions of the grades for every row: for families with nothing to learn from."""

    suffix: ClassVar[str] = "prior.json"

    def __init__(self) -> None:
        self.fractions = np.full(len(Grade), 1 / len(Grade))

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Count the grades.

        Parameters
        ----------
        X : (n, d) float32
            Not used.
        y : (n,) int64
            Grades 0, 1, 2; n may be 0.
        stop_X : (m, d) float32
            Not used.
        stop_y : (m,) int64
            Not used.
        seed : int
            Not used.

        Returns
        -------
        PriorHead
            Itself.
        """
        return self.refit(X, y, seed)

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Count the grades of more rows.

        Parameters
        ----------
        X : (n, d) float32
            Not used.
        y : (n,) int64
            Grades 0, 1, 2; n may be 0.
        seed : int
            Not used.

        Returns
        -------
        PriorHead
            Itself.
        """
        self.fractions = weighted_fractions(y)
        return self

    def predict(self, X: Features) -> Probabilities:
        """Give every row the same probabilities.

        Parameters
        ----------
        X : (n, d) float32
            Only its length counts.

        Returns
        -------
        (n, 3) float64
            The weighted fractions, n times.
        """
        return np.tile(self.fractions, (len(X), 1))

    def save(self, path: Path) -> None:
        """Write the three fractions as JSON.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_json(path, self.fractions.tolist())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the three fractions.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        PriorHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file is absent or does not hold three numbers.
        """
        head, fractions = cls(), read_json(path)
        check_schema(fractions, _FRACTIONS, path, "fit the model again")
        head.fractions = np.array(fractions, float)
        if abs(head.fractions.sum() - 1) > 1e-6:
            raise ArtifactError(f"{path}: damaged, its fractions do not add up to 1; fit the model again")
        return head
