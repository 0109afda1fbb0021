"""Which features matter: what it costs when those of one group are taken from another patient."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import GRADES, TARGETS
from lsdc.features.store import VIEWS
from lsdc.metrics.bootstrap import Interval
from lsdc.metrics.official import StudyLosses, study_losses
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.models.examples import Examples
from lsdc.models.fold_model import predict_shrunk
from lsdc.report.model_page.feature_groups import IMAGES, numeric_groups
from lsdc.report.model_page.loss_table import difference
from lsdc.report.model_page.own_store import FoldModel, OwnStore
from lsdc.runtime.console import track

_ENOUGH_STUDIES, _MOST_REPEATS = 150, 5


@dataclass(frozen=True)
class GroupCost:
    """What a group of features is worth to the members that read them.

    Parameters
    ----------
    name : str
        The group.
    columns : int
        How many columns it has.
    cost : Interval
        Official score with the group's features of another patient minus the score with the patient's own; a 95 %
        interval over studies.
    """

    name: str
    columns: int
    cost: Interval


def permutation_costs(own: OwnStore, seed: int = 0) -> tuple[GroupCost, ...]:
    """Exchange the features of one group among the patients of a fold, and score the members' plain mean again.

    Each fold is predicted by models that never saw it, and the same targets are exchanged: L4/L5 with L4/L5.

    Parameters
    ----------
    own : OwnStore
        A model with its store.
    seed : int
        Draws who gets whose features.

    Returns
    -------
    tuple of GroupCost
        The costliest first; empty where no member puts a head on embeddings and metadata.
    """
    models = list(own.head_models())
    if not models:
        return ()
    training, groups = own.training, _groups(own.training)
    n = len(training) // len(TARGETS)
    grades = training.grades.reshape(n, *SHAPE).astype(np.int8)
    base = study_losses(grades, _predicted(models, training))
    repeats = int(np.clip(_ENOUGH_STUDIES // n, 1, _MOST_REPEATS))
    rng = np.random.default_rng(seed)
    orders = [_exchanged(training, rng) for _ in range(repeats)]
    found = []
    for name, (part, columns) in track(groups.items(), "exchanging features", len(groups)):
        losses = [study_losses(grades, _predicted(models, _with(training, part, columns, o))) for o in orders]
        mean = StudyLosses(np.mean([one.loss for one in losses], axis=0), losses[0].weight)
        found.append(GroupCost(name, len(columns), difference(mean, base, seed)))
    return tuple(sorted(found, key=lambda one: -one.cost.value))


def _groups(examples: Examples) -> dict[str, tuple[str, NDArray[np.intp]]]:
    """Name the groups, with the array in which they are and their columns there."""
    parts = np.array_split(np.arange(examples.embedding.shape[1]), len(VIEWS))
    images = {name: ("embedding", part) for name, part in zip(IMAGES, parts)}
    return images | {name: ("numeric", part) for name, part in numeric_groups(examples.numeric_names).items()}


def _exchanged(examples: Examples, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw for each study of a fold another of the same fold, (n studies,)."""
    fold = examples.rows["fold"].to_numpy()[:: len(TARGETS)]
    order = np.arange(len(fold))
    for one in np.unique(fold):
        own = np.flatnonzero(fold == one)
        ring = rng.permutation(own)
        order[ring] = np.roll(ring, 1)
    return order


def _with(examples: Examples, part: str, columns: NDArray[np.intp], order: NDArray[np.intp]) -> Examples:
    """Give studies some columns of others."""
    rows = (order[:, None] * len(TARGETS) + np.arange(len(TARGETS))).ravel()
    values = getattr(examples, part).copy()
    values[:, columns] = values[rows][:, columns]
    return replace(examples, **{part: values})


def _predicted(models: list[FoldModel], examples: Examples) -> NDArray[np.float64]:
    """Average what the models of each fold predict for it, (n, 5, 5, 3)."""
    total, count = np.zeros((len(examples), len(GRADES))), np.zeros((len(examples), 1))
    fold = examples.rows["fold"].to_numpy()
    for one in models:
        rows = fold == one.fold
        total[rows] += predict_shrunk(one.member, one.shrinkage, examples.where(rows))
        count[rows] += 1
    return (total / count).reshape(-1, *SHAPE, len(GRADES))
