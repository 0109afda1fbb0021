"""Train an encoder on label patches of simulated patients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.features.encoder import Encoder
from lsdc.pretraining.encoder.batches import Batch, BatchMaker
from lsdc.pretraining.encoder.label_patches import LabelPatches
from lsdc.pretraining.encoder.losses import task_loss
from lsdc.pretraining.encoder.right_answers import RightAnswers
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.tasks import TaskNetwork
from lsdc.runtime.device import fast_bfloat16
from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training import train

_VALIDATION, _TEST = 0.05, 0.15
"""Fractions of the patients."""
_VALIDATION_IMAGES = 1536
_VALIDATION_EPOCH = 10**6
"""Stands for the epoch in the seeds of the validation batches."""


def split_patients(patches: LabelPatches, settings: EncoderSettings) -> dict[str, NDArray[np.int64]]:
    """Divide the patches by patient.

    Parameters
    ----------
    patches : LabelPatches
        Of `settings.patients` patients.
    settings : EncoderSettings
        Its seed decides.

    Returns
    -------
    dict of str to (n,) int
        Rows of the patches for `test`, `validation` and `train`.
    """
    order = np.random.default_rng(settings.seed).permutation(settings.patients)
    first = max(2, round(settings.patients * _TEST))
    second = first + max(1, round(settings.patients * _VALIDATION))
    patient = patches.rows["patient"].to_numpy()
    parts = {"test": order[:first], "validation": order[first:second], "train": order[second:]}
    return {name: np.flatnonzero(np.isin(patient, part)) for name, part in parts.items()}


def train_encoder(
    encoder: Encoder, patches: LabelPatches, settings: EncoderSettings, checkpoint: Path | None = None
) -> History:
    """Train an encoder in place on the patches of the training patients.

    Parameters
    ----------
    encoder : Encoder
        On the device to train on.
    patches : LabelPatches
        Of `settings.patients` patients.
    settings : EncoderSettings
        The recipe.
    checkpoint : Path, optional
        File written after each epoch, from which an interrupted training resumes.

    Returns
    -------
    History
        Loss and validation loss by epoch.
    """
    torch.manual_seed(settings.seed)
    device, parts = encoder.device, split_patients(patches, settings)
    network = TaskNetwork(encoder).to(device, memory_format=torch.channels_last)
    answers = RightAnswers(patches.rows, parts["train"])
    maker = BatchMaker(patches, settings.crop_px, settings.painter, settings.boxes)

    def make(part: str, *seed: int) -> Batch:
        return maker.batch(parts[part], answers, settings.batch, (settings.seed, *seed)).to(device)

    def batches(epoch: int) -> Iterator[Batch]:
        return (make("train", epoch, step) for step in range(settings.steps))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return task_loss(model(batch.images), batch, settings.tasks)

    count = max(1, _VALIDATION_IMAGES // (2 * settings.batch))
    judged = [make("validation", _VALIDATION_EPOCH, step) for step in range(count)]
    precision = "bfloat16" if fast_bfloat16(device) else "float32"
    return train(
        network,
        batches,
        loss,
        Recipe(settings.epochs, 3e-3, weight_decay=0.03, ema=0.995, precision=precision, seed=settings.seed),
        steps_per_epoch=settings.steps,
        evaluate=lambda model: float(np.mean([float(loss(model, batch)) for batch in judged])),
        checkpoint=checkpoint,
        description="pretraining",
        device=device,
    )
