"""The neural head: a small network on standardized features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.head import Features, Labels, Probabilities, known_moments
from lsdc.models.search_space import Range, Settings, Space
from lsdc.runtime import ArtifactError
from lsdc.runtime.recipe import Recipe
from lsdc.runtime.tensor_files import read_header, read_tensors, write_tensors
from lsdc.runtime.training import train

_BATCH, _HIDDEN, _EPOCHS = 128, 64, 40


class _Network(nn.Module):
    """Standardize, mark what is unknown, and classify."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Dropout(dropout / 2),
            nn.Linear(2 * width, _HIDDEN),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(_HIDDEN, len(Grade)),
        )

    def forward(self, x: Tensor) -> Tensor:
        unknown = torch.isnan(x)
        standard = ((x - self.mean) / self.scale).nan_to_num(0.0).clamp(-5, 5)
        return self.layers(torch.cat([standard, unknown.to(x.dtype)], dim=1))


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
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the layers are so small that threads cost more than they bring
        try:
            with torch.random.fork_rng(devices=[]):
                return self._train(X, y, stop_X, stop_y, epochs, seed)
        finally:
            torch.set_num_threads(threads)

    def _train(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, epochs: int, seed: int) -> int:
        torch.manual_seed(seed)
        self.network = _Network(X.shape[1], self.settings["dropout"])
        mean, scale = known_moments(X)
        self.network.mean.copy_(torch.from_numpy(mean))
        self.network.scale.copy_(torch.from_numpy(scale))
        features, labels = torch.from_numpy(X), torch.from_numpy(y)
        weights = torch.from_numpy(GRADE_WEIGHTS[: len(Grade)]).float()
        steps = max(1, len(y) // _BATCH)

        def batches(epoch: int) -> Iterator[Tensor]:
            order = np.random.default_rng([seed, epoch]).permutation(len(y))
            return (torch.from_numpy(part) for part in np.array_split(order, steps))

        def loss(network: nn.Module, rows: Tensor) -> Tensor:
            return functional.cross_entropy(network(features[rows]), labels[rows], weights)

        def evaluate(network: nn.Module) -> float:
            return float(
                functional.cross_entropy(network(torch.from_numpy(stop_X)), torch.from_numpy(stop_y), weights)
            )

        recipe = Recipe(
            epochs, self.settings["learning_rate"], weight_decay=self.settings["weight_decay"],
            patience=10, ema=0.9, seed=seed,
        )  # fmt: skip
        history = train(
            self.network, batches, loss, recipe, steps_per_epoch=steps, evaluate=evaluate if len(stop_y) else None,
            description="neural head", device=torch.device("cpu"),
        )  # fmt: skip
        return int(np.argmin(history.score)) + 1 if history.score else epochs

    @torch.inference_mode()
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
        self.network.eval()
        return self.network(torch.from_numpy(X)).double().softmax(dim=1).numpy()

    def save(self, path: Path) -> None:
        """Write the network's weights as safetensors.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_tensors(path, {name: value.numpy() for name, value in self.network.state_dict().items()})

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
            with torch.device("meta"):  # a file from a stranger must not decide how much memory is asked for
                wanted = {name: tuple(value.shape) for name, value in _Network(width).state_dict().items()}
            state = read_tensors(path, wanted)
            head.network = _Network(width)
            head.network.load_state_dict(state)
        except (OSError, LookupError, ValueError, RuntimeError) as error:
            raise ArtifactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return head
