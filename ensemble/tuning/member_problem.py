"""The loss of a member's out-of-fold predictions as a function of its settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.ensemble.training_data import TrainingData
from lsdc.ensemble.tuning.search import Point, ReportStep
from lsdc.metrics.official import EPS, GRADE_WEIGHTS
from lsdc.models.examples import Examples
from lsdc.models.fold_model import predict_fold_by_fold
from lsdc.models.member import Member
from lsdc.models.options import Options
from lsdc.models.registry import Factory
from lsdc.models.search_space import Space
from lsdc.models.targets import of_family
from lsdc.runtime import ConfigError

METRIC = "mean_family_loss"
"""Name of what is minimized: the mean over the families of the weighted log loss, out of fold."""


class MemberProblem:
    """Cross-fits a member with given settings; small where its data is a place, so that other machines can work on it.

    Parameters
    ----------
    data : Examples or TrainingData
        Labeled training studies with their folds, or where they are.
    factory : callable
        Makes the unfitted member from a seed and options.
    seed : int
        Of the member.
    options : Options
        Choices for deep members.
    """

    def __init__(self, data: Examples | TrainingData, factory: Factory, seed: int, options: Options) -> None:
        self.data, self.factory, self.seed, self.options = data, factory, seed, options

    @property
    def examples(self) -> Examples:
        """The training studies."""
        return self.data.examples() if isinstance(self.data, TrainingData) else self.data

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that decides the losses."""
        examples, factory, seed, options = self.examples, self.factory, self.seed, self.options
        content = json.dumps(
            {"rows": examples.rows[["row_id", "grade", "fold"]].to_csv(index=False), "seed": seed,
             "options": asdict(options), "numeric": examples.numeric_names, "member": _choices(factory(seed, options))}
        ).encode()  # fmt: skip
        found = hashlib.sha256(content)
        for values in (examples.embedding, examples.numeric):
            found.update(np.ascontiguousarray(values).data)
        return found.hexdigest()

    def __call__(self, point: Point, report_step: ReportStep) -> dict[str, float]:
        """Cross-fit with some settings; each family of each fold is a step.

        Parameters
        ----------
        point : mapping of str to float
            The settings.
        report_step : callable
            Is told the loss of each step.

        Returns
        -------
        dict of str to float
            The loss of each family, and `METRIC`.
        """

        def make() -> Member:
            unfitted: Any = self.factory(self.seed, self.options)
            configured: Member = unfitted.configured(point)
            return configured

        count, examples = len(TARGETS), self.examples
        grades = examples.grades.reshape(-1, count)
        found = np.full((len(grades), count, 3), np.nan)
        for number, (rows, probabilities) in enumerate(predict_fold_by_fold(make, examples)):
            studies = rows[::count]
            found[studies] = probabilities.reshape(-1, count, 3)
            losses = family_losses(found[studies], grades[studies])
            for step, family in enumerate(Family):
                if family.value in losses:
                    report_step(number * len(Family) + step, losses[family.value])
        losses = family_losses(found, grades)
        return {**losses, METRIC: float(np.mean([*losses.values()]))}


def family_losses(probabilities: NDArray[np.float64], grades: NDArray[np.int64]) -> dict[str, float]:
    """Compute the weighted log loss of each family.

    Parameters
    ----------
    probabilities : (n, 25, 3) float64
        Of n studies.
    grades : (n, 25) int64
        -1 where unlabeled.

    Returns
    -------
    dict of str to float
        By the family's name; those without a label are left out.
    """
    losses = {}
    for family in Family:
        targets = of_family(family)
        known = grades[:, targets] >= 0
        truth = grades[:, targets][known]
        if len(truth):
            given = probabilities[:, targets][known][np.arange(len(truth)), truth]
            weights = GRADE_WEIGHTS[truth]
            losses[family.value] = float(-(weights @ np.log(np.maximum(given, EPS))) / weights.sum())
    return losses


def space_of(member: Member) -> Space:
    """Ask a member what can be searched.

    Parameters
    ----------
    member : Member
        Unfitted.

    Returns
    -------
    Space
        Ranges by name; at least one.

    Raises
    ------
    ConfigError
        When it declares none.
    """
    space: Any = getattr(member, "space", dict)
    found: Space = space()
    if not found or not hasattr(member, "configured"):
        raise ConfigError(f"member: {member.name!r} declares no settings to search; see `HeadMember.space`")
    return found


def _choices(member: Member) -> str:
    """Write down what else decides a member's predictions, so that other searches are not mixed in."""
    configuration: Any = getattr(member, "configuration", dict)
    return json.dumps([configuration(), str(space_of(member))], sort_keys=True, default=str)
