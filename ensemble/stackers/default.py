"""The stack that is used: members and stackers mixed, everything tuned on studies held out inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from threadpoolctl import threadpool_limits

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions, labeled
from lsdc.ensemble.stackers.evidence import gather
from lsdc.ensemble.stackers.pool_part import PoolPart, apply_part
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.row_stacker import RowStacker
from lsdc.ensemble.tuning.mix_problem import MixProblem
from lsdc.ensemble.tuning.mixing import LEARNERS, POOLS, mix_family
from lsdc.ensemble.tuning.search import minimize
from lsdc.ensemble.tuning.storage import open_storage
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class DefaultStacker:
    """Per family a convex mix of the members and of stackers that learn, with a temperature.

    Optuna tunes the weights of the mix, the pools' shrinkage and the temperature against the official score of
    studies held out inside, starting from the plain mean, the best single, greedy selection, each pool, and the
    best mix at the usual shrinkage. A family keeps the plain mean unless what was found surely beats it.

    Parameters
    ----------
    trials : int
        Number of points to try, the six starting points included; with fewer, the later starts are left out.
    seed : int
        Seed of the inner folds, the learners and the sampler.
    storage : Path, str or None
        Journal file or database URL that keeps the trials, so that a killed fit resumes. By default they are in
        memory and gone with the process, and no progress bar is drawn.

    Attributes
    ----------
    members_ : tuple of str
        All members seen in `fit`.
    weights_ : dict of Family to dict of str to float
        Positive weights of members and stackers; they sum to 1.
    temperature_ : dict of Family to float
        See `lsdc.ensemble.tuning.mixing.mix_family`.
    parts_ : dict of Family to dict of str to PoolPart
        The pools with a weight, fitted on all studies.
    learners_ : dict of str to RowStacker
        The learners with a weight in some family, fitted on all studies.
    gains_ : dict of Family to float
        What the search seems to gain over the plain mean on the inner folds; positive is better, 0 where the plain
        mean is kept.
    prior_ : WeightedPrior
        Fitted on the same grades, for rows that no member has.
    """

    name: ClassVar[str] = "tuned"

    def __init__(self, trials: int = 60, seed: int = 0, storage: Path | str | None = None) -> None:
        self.trials = trials
        self.seed = seed
        self.storage = storage

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Search, then fit what is used on all studies.

        Parameters
        ----------
        predictions : Predictions
            The members' out-of-fold predictions of n studies.
        grades : (n, 5, 5) int8
            Grades of the same studies; -1 where unlabeled.

        Returns
        -------
        DefaultStacker
            Itself.

        Raises
        ------
        ConfigError
            When the storage cannot be reached, or holds trials on other data.
        ArtifactError
            When the journal is damaged.
        """
        with threadpool_limits(1):  # small products, for which a second thread only waits
            return self._fit(predictions, grades)

    def _fit(self, predictions: Predictions, grades: Grades) -> Self:
        predictions, grades = labeled(predictions, grades)
        problem = MixProblem(predictions, grades, self.seed)
        search = problem.search(self.trials, self.seed)
        best = minimize(search, problem.losses, open_storage(self.storage), show=self.storage is not None)
        self.members_ = predictions.members
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self._clear()
        for family, space in problem.spaces.items():
            chosen, self.gains_[family] = problem.settle(family, best)
            weights = space.weights(chosen)
            self.weights_[family] = {name: weight for name, weight in weights.items() if weight > 0}
            self.temperature_[family] = space.temperature(chosen)
            self.parts_[family] = problem.fit_pools(family, chosen)
        used = {name for weights in self.weights_.values() for name in weights}
        self.learners_: dict[str, RowStacker] = {
            name: learner(self.seed).fit(predictions, grades)
            for name, learner in LEARNERS.items()
            if name in used
        }
        return self

    def _clear(self) -> None:
        """Forget what an earlier fit found for the families."""
        self.weights_: dict[Family, dict[str, float]] = {}
        self.temperature_: dict[Family, float] = {}
        self.parts_: dict[Family, dict[str, PoolPart]] = {}
        self.gains_: dict[Family, float] = {}

    def predict(self, predictions: Predictions) -> Probabilities:
        """Mix the members present and the stackers.

        Parameters
        ----------
        predictions : Predictions
            Of any n studies, by any of the members.

        Returns
        -------
        (n, 5, 5, 3) float
            Probabilities; the prior where no member has the row.
        """
        given = predictions.of(self.members_)
        prior = self.prior_.fractions_
        out = np.empty(given.cubes.shape[1:])
        learned = {name: learner.predict(given) for name, learner in self.learners_.items()}
        for family, conditions in CONDITIONS_OF.items():
            stacked = {
                name: apply_part(part, gather(given, prior, family, part.members, POOLS[name]))
                for name, part in self.parts_[family].items()
            }
            stacked |= {name: cube[:, conditions] for name, cube in learned.items()}
            out[:, conditions] = mix_family(
                given, family, stacked, self.weights_[family], self.temperature_[family], prior
            )
        return out

    @property
    def is_plain_mean(self) -> bool:
        """Whether nothing was found that surely beats the plain mean."""
        return all(gain == 0 for gain in self.gains_.values())

    def state(self) -> dict[str, Any]:
        """Give what was fitted.

        Returns
        -------
        dict
            `members`; weights, temperature, gain and pools by `families`; the states of `learners` and `prior`.
        """
        families = {
            family.value: {
                "weights": self.weights_[family],
                "temperature": self.temperature_[family],
                "gain": self.gains_[family],
                "pools": {name: part.state() for name, part in self.parts_[family].items()},
            }
            for family in FAMILIES
        }
        learners = {name: learner.state() for name, learner in self.learners_.items()}
        return {
            "members": list(self.members_),
            "families": families,
            "learners": learners,
            "prior": self.prior_.state(),
        }

    @classmethod
    def restore(cls, state: dict[str, Any]) -> Self:
        """Make a fitted stacker from its state; it predicts, and is not meant to be fitted again.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Returns
        -------
        DefaultStacker
            Predicts the same.
        """
        stack = cls()
        stack.members_ = tuple(state["members"])
        stack.prior_ = WeightedPrior.restore(state["prior"])
        stack._clear()
        stack.learners_ = {
            name: LEARNERS[name].restore(learner) for name, learner in state["learners"].items()
        }
        for family in FAMILIES:
            fitted = state["families"][family.value]
            stack.weights_[family] = dict(fitted["weights"])
            stack.temperature_[family] = float(fitted["temperature"])
            stack.gains_[family] = float(fitted["gain"])
            stack.parts_[family] = {name: PoolPart.restore(part) for name, part in fitted["pools"].items()}
        return stack
