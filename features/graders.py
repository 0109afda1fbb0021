"""The network that is pretrained: an encoder with one linear head per condition family and view."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import Family
from lsdc.features.annotated import Material
from lsdc.features.encoder import Encoder
from lsdc.features.store import VIEWS

N_GRADES = 3
GRADE_WEIGHTS = (1.0, 2.0, 4.0)
GROUPS = [(family, view) for family in Family for view in VIEWS]


class Graders(nn.Module):  # type: ignore[misc]
    """Predicts measurements and grades from single crops.

    Parameters
    ----------
    encoder : Encoder
        Its network is trained.
    n_measures : int
        Number of measurements.
    """

    def __init__(self, encoder: Encoder, n_measures: int) -> None:
        super().__init__()
        self.encoder = encoder.network
        self.heads = nn.Linear(encoder.width, len(GROUPS) * (n_measures + N_GRADES))
        self.register_buffer("mean", torch.tensor(encoder.mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(encoder.std).view(1, -1, 1, 1) * 255)

    def forward(self, pictures: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Parameters
        ----------
        pictures : (n, 3, P, P) float32
            In 0..255.
        group : (n,) int64
            Index into GROUPS.

        Returns
        -------
        (n, M) and (n, 3) float32
            Standardized measurements, and logits of the grades.
        """
        batch = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        out = self.heads(functional.dropout(self.encoder(batch), 0.2, self.training))
        out = out.view(len(out), len(GROUPS), -1)[torch.arange(len(out), device=out.device), group]
        return out[:, :-N_GRADES].float(), out[:, -N_GRADES:].float()


class Goals:
    """What the crops of a material should be read as.

    Parameters
    ----------
    material : Material
        Crops and measurements.
    train : (m,) int
        Rows that the standardization is taken from, per family.
    """

    def __init__(self, material: Material, train: NDArray[np.int64]) -> None:
        rows, names = material.rows, list(material.names)
        known = rows.iloc[train].groupby("family")[names]
        mean, std = known.mean(), known.std().clip(lower=1e-3)
        centered = rows[names].to_numpy(float) - mean.loc[rows["family"]].to_numpy()
        self.measures = (centered / std.loc[rows["family"]].to_numpy()).astype(np.float32)
        self.grades = rows["grade"].to_numpy(np.int64)
        self.groups = group_of(rows)

    def tensors(
        self, rows: NDArray[np.int64], views: NDArray[np.int64], device: torch.device
    ) -> dict[str, Tensor]:
        """The goals of some crops, given by row and view."""
        return {
            "group": torch.from_numpy(self.groups[rows, views]).to(device),
            "measures": torch.from_numpy(self.measures[rows]).to(device),
            "grade": torch.from_numpy(self.grades[rows]).to(device),
        }


def group_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Index into GROUPS of every row and view, (n, 3)."""
    family = rows["family"].map({name: k for k, name in enumerate(Family)}).to_numpy(np.int64)
    return family[:, None] * len(VIEWS) + np.arange(len(VIEWS))


def grading_loss(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Smooth L1 of the measurements that are defined, plus weighted cross-entropy of the grade."""
    measures, logits = network(batch["pictures"], batch["group"])
    known = torch.isfinite(batch["measures"])
    goal = torch.where(known, batch["measures"], measures.detach())
    regression = functional.smooth_l1_loss(measures, goal, reduction="sum") / known.sum().clamp(min=1)
    weight = torch.tensor(GRADE_WEIGHTS, device=logits.device)
    return regression + 0.5 * functional.cross_entropy(logits, batch["grade"], weight)
