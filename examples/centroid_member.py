"""A member of your own as a class: the nearest mean of each grade, on the features that the built-in heads see.

Name it `centroid_member:CentroidMember` where members are listed; own_member.py does.
"""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lsdc.models import HeadMember
from lsdc.runtime.artifact import read_json, write_json


class CentroidHead:
    """A classifier of one family's rows; saved as JSON, because nothing may be a pickle."""

    suffix: ClassVar[str] = "centroids.json"

    def fit(self, X: np.ndarray, y: np.ndarray, stop_X: np.ndarray, stop_y: np.ndarray, seed: int) -> Self:
        """Average each grade's rows; grades that do not occur get the mean of all."""
        X = np.nan_to_num(X).astype(float)  # as it is when it has been saved and loaded
        self.scale = X.std(axis=0) + 1e-6
        self.means = np.stack(
            [X[y == grade if (y == grade).any() else slice(None)].mean(axis=0) for grade in range(3)]
        )
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Softmax of the negative mean squared distances, (n, 3)."""
        apart = ((np.nan_to_num(X).astype(float)[:, None] - self.means) / self.scale) ** 2
        score = np.exp(-4 * (apart.mean(axis=2) - apart.mean(axis=2).min(axis=1, keepdims=True)))
        return score / score.sum(axis=1, keepdims=True)

    def save(self, path: Path) -> None:
        """Write one file."""
        write_json(path, {"scale": self.scale.tolist(), "means": self.means.tolist()})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        head, content = cls(), read_json(path)
        head.scale, head.means = np.array(content["scale"]), np.array(content["means"])
        return head


class CentroidMember(HeadMember):
    """One head per family; preparation, missing labels, saving and loading are inherited."""

    name = "centroid"
    about = "nearest mean of each grade"
    head = CentroidHead
