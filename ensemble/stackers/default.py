"""The stack that is used: members and stackers mixed, everything tuned on studies held out inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from threadpoolctl import threadpool_limits

from lsdc.ensemble.predictions import Predictions, labeled
from lsdc.ensemble.stackers.evidence import gather
from lsdc.ensemble.stackers.pool import PoolPart, apply_part
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.tuning.mix_problem import LEARNERS, POOLS, MixProblem, mix
from lsdc.ensemble.tuning.search import minimize, open_storage
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities


class Tuned:
    """Per family a convex mix of the members and of stackers that learn, with a temperature.

    Optuna tunes the weights of the mix, the pools' shrinkage and the temperature against the official score of
    studies held out inside, starting from the plain mean, the best single, greedy selection, each pool, and the
    best mix at the usual shrinkage. A family keeps the plain mean unless what was found surely beats it.

    Parameters
    ----------
    trials : int
        Points to try.
    seed : int
        For the inner folds and the sampler.
    storage : Path, str or None
        Journal file or database URL that keeps the trials; in memory by default.

    Attributes
    ----------
    weights_ : dict of Family to dict of str to float
        Of members and pools; sum to 1.
    gains_ : dict of Family to float
        What the search seems to gain over the plain mean on the inner folds; positive is better.
    """

    name: ClassVar[str] = "tuned"

    def __init__(self, trials: int = 60, seed: int = 0, storage: Path | str | None = None) -> None:
        self.trials = trials
        self.seed = seed
        self.storage = storage

    def fit(self, predictions: Predictions, grades: Grades) -> Self:
        """Search, then fit what is used on all studies."""
        with threadpool_limits(1):  # small products, for which a second thread only waits
            return self._fit(predictions, grades)

    def _fit(self, predictions: Predictions, grades: Grades) -> Self:
        predictions, grades = labeled(predictions, grades)
        problem = MixProblem(predictions, grades, self.seed)
        search = problem.search(self.trials, self.seed)
        best = minimize(search, problem.losses, open_storage(self.storage), show=self.storage is not None)
        self.prior_ = WeightedPrior().fit(predictions, grades)
        self.weights_, self.temperature_, self.parts_, self.gains_ = {}, {}, {}, {}
        for family in FAMILIES:
            chosen, self.gains_[family] = problem.settle(family, best)
            weights = problem.weights(family, chosen)
            self.weights_[family] = {name: weight for name, weight in weights.items() if weight > 0}
            self.temperature_[family] = chosen[f"{family}.temperature"]
            self.parts_[family] = {
                name: problem.fit_pool(family, name, problem.shrinkage(family, chosen), None)
                for name in self.weights_[family]
                if name in POOLS
            }
        used = {name for weights in self.weights_.values() for name in weights}
        self.learners_ = {
            name: learner(self.seed).fit(predictions, grades)
            for name, learner in LEARNERS.items()
            if name in used
        }
        self.members_ = predictions.members
        return self

    def predict(self, predictions: Predictions) -> Probabilities:
        """Mix the members present and the pools."""
        given = predictions.of(self.members_)
        prior = self.prior_.shares_
        out = np.empty(given.cubes.shape[1:])
        learned = {name: learner.predict(given) for name, learner in self.learners_.items()}
        for family, conditions in CONDITIONS_OF.items():
            stacked = {
                name: apply_part(part, gather(given, prior, family, part.members, POOLS[name]))
                for name, part in self.parts_[family].items()
            }
            stacked |= {name: cube[:, conditions] for name, cube in learned.items()}
            out[:, conditions] = mix(
                given, family, stacked, self.weights_[family], self.temperature_[family], prior
            )
        return out

    @property
    def is_plain_mean(self) -> bool:
        """Whether nothing was found that beats the plain mean."""
        return all(gain == 0 for gain in self.gains_.values())

    def state(self) -> dict[str, Any]:
        """Weights, temperatures, pools and prior."""
        families = {
            family.value: {
                "weights": self.weights_[family],
                "temperature": self.temperature_[family],
                "gain": self.gains_[family],
                "pools": {
                    name: {
                        "members": list(part.members),
                        "weights": part.weights.tolist(),
                        "bias": part.bias.tolist(),
                    }
                    for name, part in self.parts_[family].items()
                },
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
        """From `state`; it predicts, and is not meant to be fitted again."""
        stack = cls()
        stack.members_ = tuple(state["members"])
        stack.prior_ = WeightedPrior.restore(state["prior"])
        stack.weights_, stack.temperature_, stack.parts_, stack.gains_ = {}, {}, {}, {}
        stack.learners_ = {name: LEARNERS[name].restore(own) for name, own in state["learners"].items()}
        for family in FAMILIES:
            own = state["families"][family.value]
            stack.weights_[family] = dict(own["weights"])
            stack.temperature_[family] = float(own["temperature"])
            stack.gains_[family] = float(own["gain"])
            stack.parts_[family] = {
                name: PoolPart(
                    tuple(part["members"]), np.array(part["weights"]), np.array(part["bias"]).reshape(5, 3)
                )
                for name, part in own["pools"].items()
            }
        return stack
