"""Training the neural head."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.head import Features, Labels, known_moments
from lsdc.models.search_space import Settings
from lsdc.runtime.recipe import Recipe
from lsdc.runtime.training import train

_BATCH = 128


class _Network(nn.Module):
    """Standardize, mark what is unknown, and classify."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Dropout(dropout / 2),
            nn.Linear(2 * width, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(Grade)),
        )

    def forward(self, x: Tensor) -> Tensor:
        unknown = torch.isnan(x)
        standard = ((x - self.mean) / self.scale).nan_to_num(0.0).clamp(-5, 5)
        return self.layers(torch.cat([standard, unknown.to(x.dtype)], dim=1))


def train_head(
    X: Features,
    y: Labels,
    stop_X: Features,
    stop_y: Labels,
    epochs: int,
    seed: int,
    settings: Settings,
    hidden: int,
) -> tuple[dict[str, NDArray[Any]], int]:
    """Train a network on the CPU; the global random state is left alone.

    Parameters
    ----------
    X : (n, d) float32
        Features; NaN where unknown.
    y : (n,) int64
        Grades 0, 1, 2.
    stop_X : (m, d) float32
        Features of rows that decide which epoch is kept; with none it is the last one.
    stop_y : (m,) int64
        Their grades.
    epochs : int
        Number of epochs at most.
    seed : int
        Decides first weights, dropout and the order of rows.
    settings : mapping of str to float
        All of `NeuralHead.space`.
    hidden : int
        Units of the hidden layer.

    Returns
    -------
    weights : dict of str to array
        As `NeuralHead` holds them.
    epochs : int
        Number of epochs up to the one that was kept.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the layers are so small that threads cost more than they bring
    try:
        with torch.random.fork_rng(devices=[]):
            network, kept = _train(X, y, stop_X, stop_y, epochs, seed, settings, hidden)
    finally:
        torch.set_num_threads(threads)
    return {name: value.numpy() for name, value in network.state_dict().items()}, kept


def _train(
    X: Features,
    y: Labels,
    stop_X: Features,
    stop_y: Labels,
    epochs: int,
    seed: int,
    settings: Settings,
    hidden: int,
) -> tuple[nn.Module, int]:
    torch.manual_seed(seed)
    network = _Network(X.shape[1], hidden, settings["dropout"])
    mean, scale = known_moments(X)
    network.mean.copy_(torch.from_numpy(mean))
    network.scale.copy_(torch.from_numpy(scale))
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
        epochs, settings["learning_rate"], weight_decay=settings["weight_decay"],
        patience=10, ema=0.9, seed=seed,
    )  # fmt: skip
    history = train(
        network, batches, loss, recipe, steps_per_epoch=steps, evaluate=evaluate if len(stop_y) else None,
        description="neural head", device=torch.device("cpu"),
    )  # fmt: skip
    return network, history.best + 1 if history.best >= 0 else epochs
