"""What the encoder is asked in pretraining: the heads that answer, one per task."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import Grade
from lsdc.features.encoder import Encoder
from lsdc.pretraining.encoder.patch_cutting import DISCS
from lsdc.pretraining.encoder.patch_table import FINDINGS, MEASURES
from lsdc.pretraining.encoder.right_answers import FAMILIES
from lsdc.pretraining.encoder.tissue_classes import N_CLASSES
from lsdc.pretraining.real_pictures import GRADINGS

_DROPOUT = 0.1


class Outputs(NamedTuple):
    """What the network answers about n crops.

    Parameters
    ----------
    measures : (n, len(MEASURES)) Tensor
        Standardized.
    findings : (n, len(FINDINGS) + 1) Tensor
        Logits; the last is for T2 weighting.
    level : (n, DISCS) Tensor
        Logits.
    grade : (n, families * grades) Tensor
        Logits, the grades of a family side by side.
    pairs : (n, 64) Tensor
        Vectors that are alike for the same anatomy.
    tissues : (n, tissue classes, cells, cells) Tensor
        Logits of each part of the crop.
    gradings : (n, len(GRADINGS)) Tensor
        Logits of what readers note of real discs.
    embedding : (n, encoder.width) Tensor
        Means of the last two levels, as `Encoder.features` gives them; the gradings are read from both.
    """

    measures: Tensor
    findings: Tensor
    level: Tensor
    grade: Tensor
    pairs: Tensor
    tissues: Tensor
    gradings: Tensor
    embedding: Tensor


class TaskNetwork(nn.Module):  # type: ignore[misc]
    """An encoder with small heads on its pooled features, which must therefore hold all that is asked.

    Parameters
    ----------
    encoder : Encoder
        Convolutional; its network is trained in place.
    """

    def __init__(self, encoder: Encoder) -> None:
        """Add one head per task."""
        super().__init__()
        self.encoder = encoder.network
        width = encoder.head_width
        self.measures = nn.Linear(width, len(MEASURES))
        self.findings = nn.Linear(width, len(FINDINGS) + 1)
        self.level = nn.Linear(width, DISCS)
        self.grade = nn.Linear(width, len(FAMILIES) * len(Grade))
        self.tissues = nn.Conv2d(encoder.network.num_features, N_CLASSES * 16, 1)
        self.pairs = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 64))
        self.gradings = nn.Linear(encoder.width, len(GRADINGS))
        self.two_levels = encoder.width > width
        self.register_buffer("mean", torch.tensor(encoder.mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(encoder.std).view(1, -1, 1, 1) * 255)

    def forward(self, images: Tensor) -> Outputs:
        """Answer all tasks.

        Parameters
        ----------
        images : (n, 3, px, px) Tensor of float
            Gray values from 0 to 255.

        Returns
        -------
        Outputs
            Tissues have four cells per cell of the encoder's last feature map, along each axis.
        """
        batch = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features, finer = self._features(batch)
        pooled = self.encoder.forward_head(features)
        dropped = functional.dropout(pooled, _DROPOUT, self.training)
        cells = functional.pixel_shuffle(self.tissues(features), 4)
        means = [level.mean(dim=(2, 3)) for level in finer]
        return Outputs(
            self.measures(dropped),
            self.findings(dropped),
            self.level(dropped),
            self.grade(dropped),
            self.pairs(pooled),
            cells,
            self.gradings(torch.cat([*means, dropped], 1)),
            torch.cat([*means, pooled], 1),
        )

    def _features(self, batch: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the maps of the last level and, where the encoder's embedding holds it, of the one before."""
        if not self.two_levels:
            return self.encoder.forward_features(batch), []
        last, maps = self.encoder.forward_intermediates(batch, indices=2)
        return last, maps[:1]
