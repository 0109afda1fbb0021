"""The neural head: a small network on standardized features."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from scipy.special import erf, softmax

from lsdc.cohort.vocabulary import Grade
from lsdc.models.heads.head import Features, Labels, Probabilities
from lsdc.models.search_space import Range, Settings, Space
from lsdc.runtime import ArtifactError
from lsdc.runtime.tensor_files import read_header, read_weights, write_tensors

_HIDDEN = 64
_EPOCHS = 40
_LAYERS = (1, 4)
"""Places of the two layers among those of the network that is trained, which dropout and GELU are part of."""


class NeuralHead:
    """Two layers with dropout, trained with AdamW, saved as safetensors.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`; by default those of `defaults`.
    """

    suffix: ClassVar[str] = "neural.safetensors"
    space: ClassVar[Space] = {
        "learning_rate": Range(3e-4, 1e-2, log=True),
        "weight_decay": Range(0.01, 3.0, log=True),
        "dropout": Range(0.0, 0.8),
    }
    defaults: ClassVar[Settings] = {"learning_rate": 2e-3, "weight_decay": 0.1, "dropout": 0.4}
    epochs: int = _EPOCHS
    """Number of epochs up to the one that was kept."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = {**self.defaults, **(settings or {})}

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Train on the CPU for at most 40 epochs, and keep the epoch that is best on the second set.

        Parameters
        ----------
        X : (n, d) float32
            Features, standardized here; NaN where unknown, which the network sees as such.
        y : (n,) int64
            Grades 0, 1, 2.
        stop_X : (m, d) float32
            Features of rows that decide which epoch is kept; with none it is the last one.
        stop_y : (m,) int64
            Their grades.
        seed : int
            Decides first weights, dropout and the order of rows; the global random state is left alone.

        Returns
        -------
        NeuralHead
            Itself.
        """
        self.epochs = self._fit(X, y, stop_X, stop_y, _EPOCHS, seed)
        return self

    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Train anew on more rows, for as many epochs as the last fit kept.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        seed : int
            Decides first weights, dropout and the order of rows.

        Returns
        -------
        NeuralHead
            Itself.
        """
        self._fit(X, y, X[:0], y[:0], self.epochs, seed)
        return self

    def _fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, epochs: int, seed: int) -> int:
        """Train, and return the number of epochs up to the one that is kept."""
        from lsdc.models.heads.neural_training import train_head

        self.weights, kept = train_head(X, y, stop_X, stop_y, epochs, seed, self.settings, _HIDDEN)
        return kept

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
        first, second = (
            (self.weights[f"layers.{k}.weight"], self.weights[f"layers.{k}.bias"]) for k in _LAYERS
        )
        standard = np.nan_to_num((X - self.weights["mean"]) / self.weights["scale"]).clip(-5, 5)
        inputs = np.concatenate([standard, np.isnan(X).astype(np.float32)], axis=1)
        hidden = inputs @ first[0].T + first[1]
        hidden *= (erf(hidden * np.float32(0.5**0.5)) + 1) / 2  # GELU
        logits = hidden @ second[0].T + second[1]
        probabilities: Probabilities = softmax(logits.astype(np.float64), axis=1)
        return probabilities

    def save(self, path: Path) -> None:
        """Write the network's weights as safetensors.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_tensors(path, self.weights)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the network's weights.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        NeuralHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        head = cls()
        try:
            [width] = read_header(path).shapes["mean"]
            head.weights = read_weights(path, _shapes(width))
        except (OSError, LookupError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return head


def _shapes(width: int) -> dict[str, tuple[int, ...]]:
    """List the shapes of the weights for so many features."""
    shapes: dict[str, tuple[int, ...]] = {"mean": (width,), "scale": (width,)}
    for layer, (inputs, outputs) in zip(_LAYERS, ((2 * width, _HIDDEN), (_HIDDEN, len(Grade)))):
        shapes |= {f"layers.{layer}.weight": (outputs, inputs), f"layers.{layer}.bias": (outputs,)}
    return shapes
