"""A finished model with all that was predicted of its own studies by parts that never saw them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.opening import open_stack
from lsdc.ensemble.stack_artifact import StackArtifact
from lsdc.ensemble.stackers.fixed import BestSingle, PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.unseen import known_grades
from lsdc.metrics.official import Grades, Probabilities
from lsdc.metrics.prediction_tables import to_cube
from lsdc.runtime.paths import PathLike

STACK = "stack"
"""What the pages call the model's own predictions."""
BEST = "best member per family, chosen without each fold"
"""What the pages call `BestSingle`, which is no one member."""


@dataclass(frozen=True)
class ScoredModel:
    """A model or a blend, with nested and out-of-fold predictions of the n studies that it was fitted on.

    Parameters
    ----------
    opened : StackArtifact
        The model.
    studies : tuple of str
        Names of the studies: their ids where these are known, else the pseudonyms of the model.
    grades : (n, 5, 5) int8
        Readers' grades; -1 where unlabeled.
    nested : (n, 5, 5, 3) float
        What stacks predicted that were fitted without the study's fold.
    data : StackingData or None
        What members predicted out of fold, and the folds; None for a blend, which does not keep them.
    """

    opened: StackArtifact
    studies: tuple[str, ...]
    grades: Grades
    nested: Probabilities
    data: StackingData | None

    @classmethod
    def read(cls, model: PathLike) -> Self:
        """Read a finished model or blend.

        Parameters
        ----------
        model : path
            What `fit` or `blend` wrote.

        Returns
        -------
        ScoredModel
            Its predictions side by side.

        Raises
        ------
        ArtifactError
            When it is damaged or unfinished.
        """
        opened = open_stack(model)
        data = opened.fitted_data if isinstance(opened, Model) else None
        grades, studies = known_grades(opened.nested)
        return cls(opened, tuple(studies), grades, to_cube(opened.nested, studies), data)

    @property
    def hides_ids(self) -> bool:
        """Whether some studies have the model's pseudonyms for names."""
        if not self.opened.pseudonyms.salt:
            return False
        hidden = {parse_row_id(row_id)[0] for row_id in self.opened.nested["row_id"]}
        return not hidden.isdisjoint(self.studies)

    def naming(self, ids: Iterable[str]) -> Self:
        """Give studies their ids back, which a model hides.

        Parameters
        ----------
        ids : iterable of str
            Ids of studies, such as those of the store; others than the model's are left out of account.

        Returns
        -------
        ScoredModel
            The same, with the ids of the studies that are among them.
        """
        known = {self.opened.pseudonyms.of(study): study for study in ids}
        return replace(self, studies=tuple(known.get(name, name) for name in self.studies))

    @cached_property
    def baselines(self) -> dict[str, Probabilities]:
        """What needs no stack, fitted without each study's fold; the prior alone without members' predictions."""
        if self.data is None:
            return {}
        makers = {"plain mean": PlainMean, BEST: BestSingle, "weighted prior": WeightedPrior}
        return {name: cross_fit_stacker(maker, self.data) for name, maker in makers.items()}

    @cached_property
    def members_alone(self) -> dict[str, Probabilities]:
        """What each member predicts alone; where it has no row, the prior of the other folds."""
        if self.data is None:
            return {}
        return {name: self.mean_of([name]) for name in self.data.predictions.members}

    def mean_of(self, members: list[str]) -> Probabilities:
        """Average some of the members.

        Parameters
        ----------
        members : list of str
            Their names, at least one.

        Returns
        -------
        (n, 5, 5, 3) float
            The plain mean of those that have a row; the prior of the other folds where none has.

        Raises
        ------
        ValueError
            For a blend, which does not keep what members predicted.
        """
        if self.data is None:
            raise ValueError("a blend keeps no predictions of its members")
        some = StackingData(self.data.predictions.of(members), self.grades, self.data.folds)
        return cross_fit_stacker(PlainMean, some)
