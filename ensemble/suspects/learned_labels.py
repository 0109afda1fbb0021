"""The labels that members learn from, where they are not simply those of the store."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.tables import UNLABELED
from lsdc.ensemble.suspects.decisions import Decisions, one_hot
from lsdc.ensemble.suspects.inner_suspicion import inner_posterior
from lsdc.models.examples import Examples
from lsdc.runtime import ConfigError
from lsdc.runtime.console import say

Noise = Literal["none", "drop", "soften"]
"""What is done about labels that are probably wrong."""
WRONG = 0.5
"""A label is dropped when it is wrong with more than this probability."""


@dataclass(frozen=True)
class LearnedLabels:
    """Changes the labels of training studies before a member is fitted on them; `cross_fit` takes it as `relabel`.

    It sees nothing but the training studies of the fold, so it cannot tell a member anything about the studies that
    it is scored on. Studies that decide when to stop, and all scores, keep the store's labels.

    A softened label is a probability of each grade. Members learn grades, so each model that is fitted is given a
    grade drawn from it, the same for all members of a fold: over the folds these are the probabilities, and the loss
    that a model minimizes has the expectation of the softened one's.

    Parameters
    ----------
    noise : Noise
        `drop` leaves out rows whose label is probably wrong; `soften` draws every label from the probabilities of the
        true grade; `none` leaves all as they are.
    decisions : Decisions, optional
        What a person decided; such rows are not touched by `noise`.
    seed : int
        Of the inner predictions and of the draws.

    Raises
    ------
    ConfigError
        When `noise` is another word.
    """

    noise: Noise = "none"
    decisions: Decisions | None = None
    seed: int = 0
    _known: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse unknown words."""
        if self.noise not in get_args(Noise):
            raise ConfigError(f"noise must be one of {', '.join(get_args(Noise))}, not {self.noise!r}")

    @property
    def changes_nothing(self) -> bool:
        """Whether members learn the labels of the store."""
        return self.noise == "none" and self.decisions is None

    def configuration(self) -> dict[str, Any]:
        """Describe what decides the labels, so that an interrupted fit is resumed only with the same ones.

        Returns
        -------
        dict
            The kind of treatment, the hash of the decisions, and the seed.
        """
        decided = None if self.decisions is None else self.decisions.hash
        return {"noise": self.noise, "decisions": decided, "seed": self.seed}

    def __call__(self, examples: Examples) -> Examples:
        """Change the labels of some training studies.

        Parameters
        ----------
        examples : Examples
            Whole studies with the labels of the store.

        Returns
        -------
        Examples object
            The same studies with the labels to learn from; -1 where a row is not to be learned.
        """
        key = _hash(examples)
        if key not in self._known:
            self._known[key] = self._drawn(examples, key)
        return replace(examples, rows=examples.rows.assign(grade=self._known[key]))

    def _drawn(self, examples: Examples, key: str) -> NDArray[np.int64]:
        """Find the probabilities of the grades and draw from them."""
        raw = examples.grades
        labels, decided = one_hot(raw), np.zeros(len(examples), bool)
        if self.decisions is not None:
            labels, decided = self.decisions.apply(examples.rows["row_id"], labels)
        if self.noise != "none":
            self._treat(examples, labels, decided)
        rng = np.random.default_rng([self.seed, int(key[:8], 16)])
        above = rng.random((len(labels), 1)) >= labels.cumsum(axis=1)
        drawn = np.minimum(above.sum(axis=1), labels.shape[1] - 1)
        drawn = np.where(labels.any(axis=1), drawn, UNLABELED)
        changed, dropped = int(((drawn != raw) & (drawn >= 0)).sum()), int(((drawn < 0) & (raw >= 0)).sum())
        say(f"labels learned from: {dropped} of {int((raw >= 0).sum())} left out, {changed} changed")
        return drawn

    def _treat(self, examples: Examples, labels: NDArray[np.float64], decided: NDArray[np.bool_]) -> None:
        """Replace, in place, the labels of rows that nobody decided about."""
        certain = np.where(labels.max(axis=1) == 1, labels.argmax(axis=1), UNLABELED)
        believed = replace(examples, rows=examples.rows.assign(grade=certain))
        posterior = inner_posterior(believed, self.seed)
        rows = np.flatnonzero((certain >= 0) & ~decided)
        if self.noise == "soften":
            labels[rows] = posterior[rows]
        else:
            labels[rows[posterior[rows, certain[rows]] < 1 - WRONG]] = 0.0


def _hash(examples: Examples) -> str:
    """Compute the SHA-256 over rows and their labels."""
    return hashlib.sha256(examples.rows[["row_id", "grade"]].to_csv(index=False).encode()).hexdigest()
