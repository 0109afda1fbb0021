"""How the answers of pretraining are judged: one loss per task, and their weighted sum."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.cohort.vocabulary import Grade
from lsdc.pretraining.encoder.batches import Batch
from lsdc.pretraining.encoder.right_answers import FAMILIES
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.pretraining.encoder.tasks import Outputs
from lsdc.pretraining.encoder.tissue_classes import composition

_PAIR_TEMPERATURE = 0.2
_GRADE_WEIGHTS = tuple(float(grade.weight) for grade in Grade)


def task_loss(outputs: Outputs, batch: Batch, weights: TaskWeights) -> Tensor:
    """Sum the losses of all tasks.

    Parameters
    ----------
    outputs : Outputs
        Of the network, for the batch's images.
    batch : Batch
        With the right answers.
    weights : TaskWeights
        How much each task counts.

    Returns
    -------
    Tensor
        A scalar; answers that are unknown do not count.
    """
    total = weights.measures * _measure_loss(outputs.measures.float(), batch.answers.measures)
    total = total + weights.findings * _finding_loss(outputs.findings.float(), batch)
    total = total + weights.level * functional.cross_entropy(outputs.level.float(), batch.answers.level)
    if bool((batch.answers.grade >= 0).any()):
        total = total + weights.grade * _grade_loss(outputs.grade.float(), batch)
    if weights.tissues:
        total = total + weights.tissues * _tissue_loss(outputs.tissues.float(), batch.seen)
    if weights.pairs:
        total = total + weights.pairs * pair_loss(outputs.pairs.float())
    return total


def _measure_loss(measures: Tensor, truth: Tensor) -> Tensor:
    """Mean smooth L1 distance (Girshick 2015) of the measures that are known."""
    known = torch.isfinite(truth)
    goal = torch.where(known, truth, measures.detach())
    return functional.smooth_l1_loss(measures, goal, reduction="sum") / known.sum().clamp(min=1)


def _finding_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy of findings and weighting on sagittal crops; axial ones hardly show them."""
    sagittal = batch.answers.sagittal
    truth = torch.cat([batch.answers.findings, batch.t2[:, None].float()], 1)
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (each * sagittal[:, None]).sum() / (sagittal.sum() * logits.shape[1]).clamp(min=1)


def _grade_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of the grades that are known, weighted as in the official metric."""
    graded = batch.answers.grade >= 0
    rows = torch.arange(len(logits), device=logits.device)
    of_family = logits.view(len(logits), len(FAMILIES), len(Grade))[rows, batch.answers.family]
    weight = torch.tensor(_GRADE_WEIGHTS, device=logits.device)
    return functional.cross_entropy(of_family[graded], batch.answers.grade[graded], weight)


def _tissue_loss(logits: Tensor, seen: Tensor) -> Tensor:
    """Mean cross-entropy of what the cells are made of."""
    cells = logits.log_softmax(1)
    return -(composition(seen, cells.shape[-1]) * cells).sum(1).mean()


def pair_loss(vectors: Tensor, temperature: float = _PAIR_TEMPERATURE) -> Tensor:
    """Judge whether vectors of the same patch are more alike than all others (NT-Xent).

    Parameters
    ----------
    vectors : (2n, d) Tensor of float
        Rows k and k + n show the same patch.
    temperature : float, default 0.2
        The smaller, the more the nearest of the others count.

    Returns
    -------
    Tensor
        A scalar.

    References
    ----------
    Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, ICML 2020.
    """
    n = len(vectors)
    unit = functional.normalize(vectors, dim=1)
    alike = unit @ unit.T / temperature
    alike = alike.masked_fill(torch.eye(n, dtype=torch.bool, device=vectors.device), -1e4)
    return functional.cross_entropy(alike, (torch.arange(n, device=vectors.device) + n // 2) % n)
