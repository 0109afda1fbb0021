"""How a network is trained, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lsdc.runtime.errors import ConfigError

SCHEDULES = ("cosine", "exponential", "plateau", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
PLATEAU_EPOCHS = 3
"""The schedule `plateau` halves the rate after so many epochs without a better score."""


@dataclass(frozen=True)
class Recipe:
    """How to train a network; the optimizer is AdamW.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    learning_rate : float
        Peak of the learning rate, after a linear warm-up.
    schedule : str
        How the rate falls afterwards: `cosine` to zero, `exponential` to a fiftieth, `plateau` by half whenever the
        score has not improved for `PLATEAU_EPOCHS` epochs, or `constant`, which suits a long `ema`.
    weight_decay : float
        Of AdamW.
    warmup : float
        Fraction of the steps in which the rate rises.
    clip : float
        Largest norm of the gradient; a longer one is shortened.
    accumulate : int
        Batches whose gradients are added before a step.
    ema : float or None
        Decay of an exponential moving average of the weights, which is then what is evaluated and kept; None for none.
    patience : int or None
        Epochs without improvement before stopping; None never stops early.
    precision : str
        `auto` (bfloat16 on CUDA, float32 elsewhere), `float32`, `bfloat16`, or `float16` (with loss scaling).
    compile : bool
        Compile the network with torch.compile, which pays in long trainings.
    seed : int
        Of torch's generator.

    Raises
    ------
    ConfigError
        When a value is not among those above.
    """

    epochs: int
    learning_rate: float
    schedule: str = "cosine"
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    ema: float | None = None
    patience: int | None = None
    precision: str = "auto"
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.epochs < 1:
            raise ConfigError(f"epochs: {self.epochs} is not at least 1")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule: {self.schedule!r}; expected {', '.join(SCHEDULES)}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision: {self.precision!r}; expected {', '.join(PRECISIONS)}")


@dataclass
class History:
    """What happened in training.

    Parameters
    ----------
    loss : list of float
        Mean training loss of each epoch.
    score : list of float
        Score of each epoch, lower is better; empty where nothing was evaluated.
    best : int
        The epoch whose weights were kept; -1 where nothing was evaluated, or no score was finite.
    """

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best: int = -1

    def plateaus(self) -> int:
        """Count how often the score went `PLATEAU_EPOCHS` epochs without a new best.

        Returns
        -------
        int
            How often the schedule `plateau` has halved the rate.
        """
        count, waited, best = 0, 0, math.inf
        for score in self.score:
            waited = 0 if score < best else waited + 1
            best = min(best, score)
            if waited == PLATEAU_EPOCHS:
                count, waited = count + 1, 0
        return count
