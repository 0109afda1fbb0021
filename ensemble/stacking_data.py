"""What a stack is fitted and scored on: members' out-of-fold predictions with the grades and folds of the studies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.predictions import Predictions
from lsdc.metrics.official import Grades
from lsdc.runtime.artifact import fingerprint


@dataclass(frozen=True)
class StackingData:
    """Out-of-fold predictions, grades and folds of the same n studies, in the same order.

    Parameters
    ----------
    predictions : Predictions
        What the members predict for the n studies; none of them was fitted on a study that it predicts here.
    grades : (n, 5, 5) int8
        Grades by study, condition and level; -1 where unlabeled.
    folds : (n,) int
        Fold of each study; the nested score fits a stack without each fold in turn.
    """

    predictions: Predictions
    grades: Grades
    folds: NDArray[np.int_]

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits of SHA-256 over members, studies, predictions, grades and folds."""
        return fingerprint(
            {
                "members": list(self.predictions.members),
                "studies": list(self.predictions.studies),
                "cubes": self.predictions.cubes.tobytes().hex(),
                "grades": self.grades.tobytes().hex(),
                "folds": self.folds.tolist(),
            }
        )
