"""How the answers about real crops are judged, and how far they are from simulated ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.pretraining.encoder.losses import pair_loss
from lsdc.pretraining.encoder.real_crops import RealBatch
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.pretraining.encoder.tasks import Outputs

_LEAST_SPREAD = 1e-2
"""Features that hardly vary are not enlarged by more than what this allows."""


def real_loss(simulated: Tensor, outputs: Outputs, batch: RealBatch, weights: TaskWeights) -> Tensor:
    """Sum the losses of what is asked about real crops.

    Parameters
    ----------
    simulated : (m, width) Tensor of float
        Embeddings of simulated sagittal crops of the same step.
    outputs : Outputs
        Of the network, for the batch's images.
    batch : RealBatch
        With what readers noted.
    weights : TaskWeights
        How much each task counts; the weight of the weighting is that of findings.

    Returns
    -------
    Tensor
        A scalar; what nobody noted does not count.
    """
    known = torch.isfinite(batch.gradings)
    each = functional.binary_cross_entropy_with_logits(
        outputs.gradings.float(), batch.gradings.nan_to_num(0.0), reduction="none"
    )
    total = weights.gradings * (each * known).sum() / known.sum().clamp(min=1)
    weighting = functional.binary_cross_entropy_with_logits(outputs.findings[:, -1].float(), batch.t2.float())
    total = total + weights.findings * weighting / outputs.findings.shape[1]
    if weights.pairs:
        total = total + weights.pairs * pair_loss(outputs.pairs.float())
    if weights.moments and len(simulated) > 1:
        total = total + weights.moments * moment_loss(simulated.float(), outputs.embedding.float())
    return total


def moment_loss(one: Tensor, other: Tensor) -> Tensor:
    """Measure how far apart two sets of features are in mean and spread.

    Parameters
    ----------
    one, other : (n, d), (m, d) Tensor of float
        Features of crops of two kinds.

    Returns
    -------
    Tensor
        A scalar: the mean over features of the squared distance of the means, in units of the spread of both together,
        and of the squared logarithm of the ratio of the spreads. Bringing the first two moments together is what Sun &
        Saenko (Deep CORAL, ECCV workshops 2016) do with covariances, here without these.
    """
    spread = torch.cat([one, other]).std(0).detach().clamp_min(_LEAST_SPREAD)
    means = ((one.mean(0) - other.mean(0)) / spread).square().mean()
    ratio = (one.std(0) + _LEAST_SPREAD).log() - (other.std(0) + _LEAST_SPREAD).log()
    return means + ratio.square().mean()
