"""Which point a trial tries: the starts first, then one block of parameters at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from lsdc.models.search_space import Range


class BlockSampler(optuna.samplers.BaseSampler):
    """Draws a point by the trials that count before it, not by when its process began.

    Trials that were interrupted do not count, so that a search that resumes draws what it would have drawn. Optuna
    numbers trials for all workers of a database, so that no two of them draw the same.

    Parameters
    ----------
    blocks : sequence of mapping of str to Range
        After the starts, parameters of the others stay at the best point.
    starts : sequence of mapping of str to float
        Points to try first, with a value for every parameter.
    seed : int
        Decides, with the place of a trial, what it draws.

    Attributes
    ----------
    is_start : bool
        Whether the trial that began last tries one of the starts, which are never given up.
    """

    def __init__(
        self, blocks: Sequence[Mapping[str, Range]], starts: Sequence[Mapping[str, float]], seed: int
    ) -> None:
        self.blocks, self.starts, self.seed = blocks, starts, seed
        self.is_start = False
        self._own: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the sampler of a trial.

        Parameters
        ----------
        study : Study
            Of the trial.
        trial : FrozenTrial
            It has just begun.
        """
        others = study.get_trials(deepcopy=False)
        place = sum(one.number < trial.number and one.state is not TrialState.FAIL for one in others)
        self._own = optuna.samplers.TPESampler(seed=self.seed * 100_003 + place, multivariate=True)
        fixed: dict[str, Any] = {}
        self.is_start = place < len(self.starts)
        if self.is_start:
            fixed = dict(self.starts[place])
        elif len(self.blocks) > 1 and any(one.state is TrialState.COMPLETE for one in others):
            searched = self.blocks[place % len(self.blocks)]
            fixed = {name: value for name, value in study.best_params.items() if name not in searched}
        if fixed:
            self._own = optuna.samplers.PartialFixedSampler(fixed, self._own)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, optuna.distributions.BaseDistribution]:
        """Find which parameters are drawn together.

        Parameters
        ----------
        study : Study
            Of the trial.
        trial : FrozenTrial
            The trial.

        Returns
        -------
        dict of str to BaseDistribution
            As the trial's own sampler finds them.
        """
        return self._own.infer_relative_search_space(study, trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, optuna.distributions.BaseDistribution],
    ) -> dict[str, Any]:
        """Draw parameters together.

        Parameters
        ----------
        study : Study
            Of the trial.
        trial : FrozenTrial
            The trial.
        search_space : dict of str to BaseDistribution
            What `infer_relative_search_space` found.

        Returns
        -------
        dict of str to object
            A value of each.
        """
        return self._own.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: optuna.distributions.BaseDistribution,
    ) -> Any:
        """Draw one parameter by itself.

        Parameters
        ----------
        study : Study
            Of the trial.
        trial : FrozenTrial
            The trial.
        param_name : str
            The parameter.
        param_distribution : BaseDistribution
            Its range.

        Returns
        -------
        object
            A value.
        """
        return self._own.sample_independent(study, trial, param_name, param_distribution)
