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
    """Return the official weight of every grade; 0 where unlabeled."""
    return torch.tensor([*(float(grade.weight) for grade in Grade), 0.0], device=grades.device)[grades]


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean; 0 where all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp_min(1e-9)


def _cross_entropy(logits: Tensor, grades: Tensor, groups: Iterable[list[int]]) -> Tensor:
    """Return the mean over groups of targets of the weighted cross-entropy; each labeled group counts the same."""
    rows = functional.cross_entropy(
        logits.flatten(0, 1).float(), grades.flatten().clamp_min(0), reduction="none"
    )
    rows, weights = rows.view(grades.shape), _weights(grades)
    parts = [_mean(rows[:, of], weights[:, of]) for of in groups if weights[:, of].any()]
    return torch.stack(parts).mean() if parts else logits.sum() * 0


def cross_entropy(logits: Tensor, grades: Tensor) -> Tensor:
    """Return the mean over the three families of the weighted cross-entropy.

    Parameters
    ----------
    logits : (b, 25, 3) Tensor
        Of the grades.
    grades : (b, 25) int64 Tensor
        -1 where unlabeled.

    Returns
    -------
    () Tensor
        The loss; 0 without labels.
    """
    return _cross_entropy(logits, grades, map(of_family, Family))


def per_side(logits: Tensor, grades: Tensor) -> Tensor:
    """Return the mean over the tasks central, left and right of the weighted cross-entropy.

    Parameters
    ----------
    logits : (b, 25, 3) Tensor
        Of the grades.
    grades : (b, 25) int64 Tensor
        -1 where unlabeled.

    Returns
    -------
    () Tensor
        The loss; 0 without labels.
    """
    sides = (None, Side.LEFT, Side.RIGHT)
    groups = ([k for k, target in enumerate(TARGETS) if target.condition.side is side] for side in sides)
    return _cross_entropy(logits, grades, groups)


def official(logits: Tensor, grades: Tensor, sharpness: float | None = _SHARPNESS) -> Tensor:
    """Return the competition's metric: the mean of three weighted log losses and of that of any severe stenosis.

    The fourth loss is that of the statement that some level of the canal is severe.

    Parameters
    ----------
    logits : (b, 25, 3) Tensor
        Of the grades.
    grades : (b, 25) int64 Tensor
        -1 where unlabeled.
    sharpness : float or None
        The metric takes the highest probability of severe over the levels of the canal. With a number, that is a
        softmax-weighted mean, so that all levels learn; the higher, the closer to the maximum. With None it is the
        maximum, and the value is that of `lsdc.metrics.official.official_score`.

    Returns
    -------
    () Tensor
        The loss; 0 without labels.

    References
    ----------
    RSNA 2024 Lumbar Spine Degenerative Classification, evaluation page of the Kaggle competition.
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
    """Return the weighted log loss of "moderate or worse" and of "severe", averaged with the cross-entropy.

    A mild target called severe costs more than one called moderate, which cross-entropy alone does not know.

    Parameters
    ----------
    logits : (b, 25, 3) Tensor
        Of the grades.
    grades : (b, 25) int64 Tensor
        -1 where unlabeled.

    Returns
    -------
    () Tensor
        The loss; 0 without labels.
    """
    probability = logits.float().softmax(-1)
    worse = probability.flip(-1).cumsum(-1).flip(-1)[..., 1:].clamp(_EPS, 1 - _EPS)
    truth = (grades[..., None] > torch.arange(2, device=grades.device)).float()
    rows = -(truth * worse.log() + (1 - truth) * (1 - worse).log()).mean(-1)
    return (_mean(rows, _weights(grades)) + cross_entropy(logits, grades)) / 2


def binary(logits: Tensor, grades: Tensor) -> Tensor:
    """Return the weighted binary cross-entropy of the 75 outputs, each taken alone.

    Parameters
    ----------
    logits : (b, 25, 3) Tensor
        Log-odds of each grade.
    grades : (b, 25) int64 Tensor
        -1 where unlabeled.

    Returns
    -------
    () Tensor
        The loss; 0 without labels.
    """
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
"""The losses that `Options.loss` names."""


def probabilities(logits: Tensor, loss: str) -> Tensor:
    """Turn logits into probabilities, in the way that fits the loss with which they were trained.

    Parameters
    ----------
    logits : (..., 3) Tensor
        Of the grades, on any device.
    loss : str
        Name in `LOSSES`: for `binary` the three sigmoids are scaled to sum to 1, for all others a softmax is taken.

    Returns
    -------
    (..., 3) float64 Tensor
        On the CPU, without gradient; the last axis sums to 1.
    """
    logits = logits.detach().cpu().double()  # not every device has double precision
    if loss != "binary":
        return logits.softmax(-1)
    alone = logits.sigmoid().clamp_min(_EPS)
    return alone / alone.sum(-1, keepdim=True)
