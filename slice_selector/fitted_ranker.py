"""A fitted ranking as plain arrays: what is saved, checked and predicted from, so that no library reads a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.tensor_files import read_arrays, write_tensors
from lsdc.runtime.trees import Trees

REGRESSORS = ("forest", "svm", "mlp", "xgboost")
"""The parts of the ensemble, in the order of its weights."""
Arrays = dict[str, NDArray[Any]]
_FOREST, _BOOSTED = "forest.", "xgboost."
_MATRICES = ("components", "support", "hidden")
_VECTORS = ("pca_mean", "mean", "scale", "weights", "dual", "hidden_bias", "out")
_NUMBERS = ("offset", "gamma", "out_bias")


@dataclass(frozen=True)
class FittedRanker:
    """Compresses descriptors and predicts the relevance of rows, as the fitted `EnsembleRanker` does.

    Parameters
    ----------
    arrays : dict of str to float array
        `pca_mean` (d,) and `components` (k, d) of the compression; `mean` and `scale` (f,) of the features; `weights`
        (4,) of the parts; of the SVM `support` (s, f), `dual` (s,), `offset` and `gamma` (1,); of the network `hidden`
        (f, h), `hidden_bias` and `out` (h,), `out_bias` (1,).
    forest, boosted : Trees
        The random forest, whose leaves are divided by the number of trees, and the boosted trees.

    Raises
    ------
    KeyError
        When an array is missing.
    ValueError
        When shapes do not fit each other, or a value is no number.
    """

    arrays: Arrays
    forest: Trees
    boosted: Trees

    def __post_init__(self) -> None:
        """Refuse what cannot be predicted from."""
        for names, dimensions in ((_MATRICES, 2), (_VECTORS, 1), (_NUMBERS, 1)):
            for name in names:
                values = self.arrays[name]
                if values.ndim != dimensions or values.dtype.kind != "f" or not np.isfinite(values).all():
                    raise ValueError(f"{name} is no array of numbers")
        shape = {name: self.arrays[name].shape for name in (*_MATRICES, *_VECTORS, *_NUMBERS)}
        features, hidden = shape["mean"][0], shape["out"][0]
        right = (
            shape["components"][1:] == shape["pca_mean"]
            and shape["scale"] == (features,) and shape["weights"] == (len(REGRESSORS),)
            and shape["support"] == (shape["dual"][0], features)
            and shape["hidden"] == (features, hidden) and shape["hidden_bias"] == (hidden,)
            and all(shape[name] == (1,) for name in _NUMBERS)
            and shape["components"][0] < features
            and all(t.num_feature() == features and len(t.base) == 1 for t in (self.forest, self.boosted))
        )  # fmt: skip
        if not right or not (self.arrays["scale"] > 0).all():
            raise ValueError("arrays that do not fit each other")

    def transform(self, descriptors: NDArray[Any]) -> NDArray[Any]:
        """Compress descriptors.

        Parameters
        ----------
        descriptors : (n, d) float32
            Of n slices.

        Returns
        -------
        (n, k) float
            Principal components.
        """
        components = self.arrays["components"].T
        return np.asarray(descriptors @ components - self.arrays["pca_mean"] @ components)

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Predict the relevance of rows.

        Parameters
        ----------
        X : (n, f) float
            Features.

        Returns
        -------
        (n,) float64
            Larger ranks higher.
        """
        scaled = (np.asarray(X, np.float64) - self.arrays["mean"]) / self.arrays["scale"]
        single = scaled.astype(np.float32)  # in which both libraries compare
        parts = [
            self.forest.sums(single)[:, 0], self._svm(scaled), self._network(scaled), self.boosted.sums(single)[:, 0]
        ]  # fmt: skip
        return np.asarray(np.stack(parts, axis=1) @ self.arrays["weights"])

    def _svm(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict with the SVM and its radial kernel."""
        support = self.arrays["support"]
        distance = (X**2).sum(axis=1)[:, None] + (support**2).sum(axis=1) - 2 * X @ support.T
        kernel = np.exp(-self.arrays["gamma"] * np.maximum(distance, 0.0))
        return np.asarray(kernel @ self.arrays["dual"] + self.arrays["offset"])

    def _network(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict with the network of one hidden layer."""
        hidden = np.maximum(X @ self.arrays["hidden"] + self.arrays["hidden_bias"], 0.0)
        return np.asarray(hidden @ self.arrays["out"] + self.arrays["out_bias"])

    def save(self, path: Path) -> None:
        """Write all arrays as safetensors.

        Parameters
        ----------
        path : Path
            The file.
        """
        trees = ((_FOREST, self.forest), (_BOOSTED, self.boosted))
        named = {prefix + name: values for prefix, found in trees for name, values in found.arrays.items()}
        write_tensors(path, {**self.arrays, **named})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        FittedRanker
            Checked.

        Raises
        ------
        OSError
            When the file cannot be read.
        KeyError, ValueError
            When it is damaged.
        """
        found = read_arrays(path)
        trees = [
            Trees.from_arrays(
                {name.removeprefix(prefix): found[name] for name in found if name.startswith(prefix)}
            )
            for prefix in (_FOREST, _BOOSTED)
        ]
        return cls({name: found[name] for name in (*_MATRICES, *_VECTORS, *_NUMBERS)}, *trees)
