"""Losses of whole studies, by name; all of them leave out what is not labeled.

Every loss takes logits (b, 25, 3) and grades (b, 25) of the targets in the competition's order, -1 where unlabeled,
and weighs rows 1, 2, 4 by their grade, as the official metric does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.cohort.vocabulary import TARGETS, Family, Grade, Side
from lsdc.models.targets import of_family

Loss = Callable[[Tensor, Tensor], Tensor]
_SEVERE = list(Grade).index(Grade.SEVERE)
_SHARPNESS = 12.0
_EPS = 1e-6


def _weights(grades: Tensor) -> Tensor:
    return torch.tensor([*(float(grade.weight) for grade in Grade), 0.0], device=grades.device)[grades]


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-9)


def _cross_entropy(logits: Tensor, grades: Tensor, groups: Iterable[list[int]]) -> Tensor:
    """Mean over groups of targets of the weighted cross-entropy, each labeled group counting the same."""
    rows = functional.cross_entropy(
        logits.flatten(0, 1).float(), grades.flatten().clamp_min(0), reduction="none"
    )
    rows, weights = rows.view(grades.shape), _weights(grades)
    parts = [_mean(rows[:, of], weights[:, of]) for of in groups if weights[:, of].any()]
    return torch.stack(parts).mean() if parts else logits.sum() * 0


def cross_entropy(logits: Tensor, grades: Tensor) -> Tensor:
    """Mean over the families of the weighted cross-entropy."""
    return _cross_entropy(logits, grades, map(of_family, Family))


def per_side(logits: Tensor, grades: Tensor) -> Tensor:
    """Mean over the tasks central, left and right of the weighted cross-entropy."""
    sides = (None, Side.LEFT, Side.RIGHT)
    groups = ([k for k, target in enumerate(TARGETS) if target.condition.side is side] for side in sides)
    return _cross_entropy(logits, grades, groups)


def official(logits: Tensor, grades: Tensor, sharpness: float | None = _SHARPNESS) -> Tensor:
    """The competition's metric: the three weighted log losses and that of "some level of the canal is severe".

    The highest probability of severe is a softmax-weighted mean over the levels, so that all of them learn;
    without `sharpness` it is the maximum, and the value is that of `lsdc.metrics.official.official_score`.
    """
    canal = of_family(Family.SPINAL)
    labeled = grades[:, canal] >= 0
    severe = logits[:, canal].float().softmax(-1)[..., _SEVERE] * labeled
    if sharpness is None:
        highest = severe.amax(1)
    else:
        highest = (severe * (sharpness * severe).softmax(1)).sum(1)
    worst = grades[:, canal].amax(1)
    is_severe = (worst == _SEVERE).float()
    highest = highest.clamp(_EPS, 1 - _EPS)
    rows = -(is_severe * highest.log() + (1 - is_severe) * (1 - highest).log())
    any_severe = _mean(rows, _weights(worst))
    labeled_families = sum(bool((grades[:, of_family(family)] >= 0).any()) for family in Family)
    some = int(bool(labeled.any()))
    families = cross_entropy(logits, grades) * labeled_families
    return (families + any_severe * some) / max(1, labeled_families + some)


def ordinal(logits: Tensor, grades: Tensor) -> Tensor:
    """Weighted log loss of "moderate or worse" and of "severe", plus the cross-entropy.

    A mild target called severe costs more than one called moderate, which cross-entropy alone does not know.
    """
    chance = logits.float().softmax(-1)
    worse = chance.flip(-1).cumsum(-1).flip(-1)[..., 1:].clamp(_EPS, 1 - _EPS)
    truth = (grades[..., None] > torch.arange(2, device=grades.device)).float()
    rows = -(truth * worse.log() + (1 - truth) * (1 - worse).log()).mean(-1)
    return (_mean(rows, _weights(grades)) + cross_entropy(logits, grades)) / 2


def binary(logits: Tensor, grades: Tensor) -> Tensor:
    """Weighted binary cross-entropy of the 75 outputs, each taken alone."""
    truth = functional.one_hot(grades.clamp_min(0), len(Grade)).float()
    rows = functional.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none").mean(-1)
    return _mean(rows, _weights(grades))


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "per_side": per_side,
    "official": official,
    "ordinal": ordinal,
    "binary": binary,
}


def chances(logits: Tensor, loss: str) -> Tensor:
    """Probabilities (b, 25, 3) from logits that were trained with a loss."""
    logits = logits.detach().cpu().double()  # not every device has double precision
    if loss != "binary":
        return logits.softmax(-1)
    alone = logits.sigmoid().clamp_min(_EPS)
    return alone / alone.sum(-1, keepdim=True)
