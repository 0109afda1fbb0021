"""Train an encoder on label patches of simulated patients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.features.encoder import Encoder
from lsdc.pretraining.drawing_ahead import DrawnAhead, drawing_workers, to_device
from lsdc.pretraining.encoder.batches import Batch, BatchMaker
from lsdc.pretraining.encoder.label_patches import LabelPatches
from lsdc.pretraining.encoder.losses import task_loss
from lsdc.pretraining.encoder.real_crops import RealCrops
from lsdc.pretraining.encoder.real_losses import real_loss
from lsdc.pretraining.encoder.right_answers import RightAnswers
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.tasks import Outputs, TaskNetwork
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


@dataclass(frozen=True)
class TrainingBatches:
    """Draws the batches of a training; picklable, so that other processes can.

    Parameters
    ----------
    maker : BatchMaker
        Draws.
    rows : (m,) int
        Of the training patches.
    answers : RightAnswers
        About all patches.
    settings : EncoderSettings
        The recipe.
    """

    maker: BatchMaker
    rows: NDArray[np.int64]
    answers: RightAnswers
    settings: EncoderSettings

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, ...]:
        """Draw a batch.

        Parameters
        ----------
        epoch, step : int
            Which; the same give the same batch.

        Returns
        -------
        tuple of Tensor
            See `Batch.tensors`.
        """
        seed = (self.settings.seed, epoch, step)
        return self.maker.batch(self.rows, self.answers, self.settings.batch, seed).tensors()


def train_encoder(
    encoder: Encoder,
    patches: LabelPatches,
    settings: EncoderSettings,
    checkpoint: Path | None = None,
    *,
    real: RealCrops | None = None,
    workers: int | None = None,
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
    real : RealCrops, optional
        Real discs to learn from beside the patches.
    workers : int, optional
        Processes that draw batches for a GPU; by default one per core. On a CPU they are drawn in this process.

    Returns
    -------
    History
        Loss and validation loss by epoch; the latter is of simulated patches alone.
    """
    torch.manual_seed(settings.seed)
    device, parts = torch.device(encoder.device), split_patients(patches, settings)
    network = TaskNetwork(encoder).to(device, memory_format=torch.channels_last)
    answers = RightAnswers(patches.rows, parts["train"])
    maker = BatchMaker(patches, settings.crop_px, settings.painter, settings.boxes, real)
    without = replace(maker, real=None)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        if batch.real is None:
            return task_loss(model(batch.images), batch, settings.tasks)
        both = model(torch.cat([batch.images, batch.real.images]))
        halves = [part.split([len(batch.images), len(batch.real.images)]) for part in both]
        of_patches, of_real = Outputs(*(half[0] for half in halves)), Outputs(*(half[1] for half in halves))
        total = task_loss(of_patches, batch, settings.tasks)
        return total + real_loss(
            of_patches.embedding[batch.answers.sagittal], of_real, batch.real, settings.tasks
        )

    count = max(1, _VALIDATION_IMAGES // (2 * settings.batch))
    judged = [
        without.batch(parts["validation"], answers, settings.batch, (settings.seed, _VALIDATION_EPOCH, step))
        for step in range(count)
    ]
    judged = [Batch.of(to_device(batch.tensors(), device)) for batch in judged]
    precision = "bfloat16" if fast_bfloat16(device) else "float32"
    make = TrainingBatches(maker, parts["train"], answers, settings)
    with DrawnAhead(make, settings.steps, settings.epochs, drawing_workers(device, workers)) as drawn:
        return train(
            network,
            lambda epoch: (Batch.of(to_device(tensors, device)) for tensors in drawn.epoch(epoch)),
            loss,
            Recipe(
                settings.epochs, 3e-3, weight_decay=0.03, ema=0.995, precision=precision, seed=settings.seed
            ),
            steps_per_epoch=settings.steps,
            evaluate=lambda model: float(np.mean([float(loss(model, batch)) for batch in judged])),
            checkpoint=checkpoint,
            description="pretraining",
            device=device,
        )
