"""What the encoder is asked in pretraining, and how its answers are judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import Family
from lsdc.features.encoder import Encoder
from lsdc.phantom.tissues import N_LABELS, Tissue
from lsdc.pretraining.encoder.label_patches import DISCS, FINDINGS, MEASURES
from lsdc.pretraining.encoder.random_acquisition import FRAMES, Choice

N_GRADES = 3
GRADE_WEIGHTS = (1.0, 2.0, 4.0)
FAMILIES = tuple(family.value for family in Family)
_CELL_CLASSES = 11
_IN_SAGITTAL = ("disc_height_mm", "loss_share", "modic_mm", "node_mm", "slip_mm")
_UNSEEN = {
    "box": ("canal_area_mm2", "foramen_fat_mm2", "recess_width_mm"),
    "canal": ("foramen_fat_mm2", "recess_width_mm"),
    "foramen": ("canal_area_mm2", "recess_width_mm", "extrusion_mm", "bulge_mm"),
    "axial_canal": (*_IN_SAGITTAL, "foramen_fat_mm2", "recess_width_mm"),
    "axial_recess": (*_IN_SAGITTAL, "foramen_fat_mm2"),
    "axial_foramen": (*_IN_SAGITTAL, "canal_area_mm2", "recess_width_mm"),
}
"""Measures that a crop does not show."""
_GRADED = {"canal": 0, "foramen": 1, "axial_canal": 0, "axial_recess": 2, "axial_foramen": 1}


@dataclass(frozen=True)
class Lessons:
    """How much each question counts in the loss; 0 leaves it out.

    Parameters
    ----------
    measures, findings, level, grade : float
        The simulator's measurements; what radiologists note of a disc, and the weighting; which disc; the grade.
    tissues : float
        What each part of the crop is made of.
    pairs : float
        To tell which two crops show the same anatomy under two acquisitions (NT-Xent; Chen et al. 2020).
    """

    measures: float = 1.0
    findings: float = 1.0
    level: float = 0.2
    grade: float = 0.5
    tissues: float = 0.3
    pairs: float = 0.2


class Graders(nn.Module):  # type: ignore[misc]
    """An encoder with linear heads on its pooled features, which must therefore say all that is asked.

    Parameters
    ----------
    encoder : Encoder
        Its network is trained; a convolutional one.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder.network
        width = encoder.head_width
        self.measures = nn.Linear(width, len(MEASURES))
        self.findings = nn.Linear(width, len(FINDINGS) + 1)
        self.level = nn.Linear(width, DISCS)
        self.grade = nn.Linear(width, len(FAMILIES) * N_GRADES)
        self.tissues = nn.Conv2d(encoder.network.num_features, _CELL_CLASSES * 16, 1)
        self.pairs = nn.Sequential(nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 64))
        self.register_buffer("mean", torch.tensor(encoder.mean).view(1, -1, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(encoder.std).view(1, -1, 1, 1) * 255)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Answer all questions about pictures (n, 3, px, px) with values from 0 to 255."""
        batch = ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features = self.encoder.forward_features(batch)
        pooled = self.encoder.forward_head(features)
        dropped = functional.dropout(pooled, 0.1, self.training)
        cells = functional.pixel_shuffle(self.tissues(features), 4)
        answers = {name: getattr(self, name)(dropped) for name in ("measures", "findings", "level", "grade")}
        return {**answers, "pairs": self.pairs(pooled), "tissues": cells}


class Goals:
    """The right answers about patches.

    Parameters
    ----------
    rows : DataFrame
        Of the patches.
    train : array of int
        Rows that measures are standardized by.
    """

    def __init__(self, rows: pd.DataFrame, train: NDArray[np.int64]) -> None:
        names = list(MEASURES)
        known = rows.loc[train, names]
        self.mean, self.std = known.mean().to_numpy(), known.std().clip(lower=1e-3).to_numpy()
        values = [rows[side].to_numpy(float) for side in _sides(rows, names)]
        self.measures = [((value - self.mean) / self.std).astype(np.float32) for value in values]
        self.grades = [rows[side].to_numpy(np.int64) for side in _sides(rows, list(FAMILIES))]
        self.findings = rows[list(FINDINGS)].to_numpy(np.float32)
        self.disc = rows["disc"].to_numpy(np.int64)
        self.hidden = np.array([[name in _UNSEEN[frame] for name in names] for frame in FRAMES])
        self.family = np.array([_GRADED.get(frame, -1) for frame in FRAMES])

    def tensors(self, choice: Choice) -> dict[str, Tensor]:
        """Answers about a choice of patches."""
        rows, right = choice.rows, choice.right[:, None]
        measures = np.where(right, self.measures[1][rows], self.measures[0][rows])
        measures[self.hidden[choice.frame]] = np.nan
        family = self.family[choice.frame]
        grades = np.where(right, self.grades[1][rows], self.grades[0][rows])
        grade = np.where(family >= 0, grades[np.arange(len(rows)), np.maximum(family, 0)], -1)
        return {
            "measures": torch.from_numpy(measures),
            "findings": torch.from_numpy(self.findings[rows]),
            "level": torch.from_numpy(self.disc[rows]),
            "grade": torch.from_numpy(grade),
            "family": torch.from_numpy(np.maximum(family, 0)),
            "sagittal": torch.from_numpy(choice.frame < 3),
        }


def _sides(rows: pd.DataFrame, names: list[str]) -> tuple[list[str], list[str]]:
    """Columns of the left side, and of the right one where there are such."""
    return names, [f"{name}_right" if f"{name}_right" in rows else name for name in names]


def composition(seen: Tensor, cells: int) -> Tensor:
    """Share of each class of tissue in each cell: (n, rows, columns) labels to (n, classes, cells, cells)."""
    classes = _classes().to(seen.device)[seen]
    shares = functional.one_hot(classes, _CELL_CLASSES).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(shares, cells)


def _classes() -> Tensor:
    classes = torch.full((N_LABELS,), 2)
    groups = [
        (Tissue.AIR, Tissue.GAS), (Tissue.FAT, Tissue.EPIDURAL_FAT, Tissue.STREAK), (), (Tissue.MARROW, Tissue.VEIN),
        (Tissue.CORTEX, Tissue.LIGAMENT, Tissue.SCLEROSIS), (Tissue.CSF, Tissue.FLUID),
        (Tissue.NERVE, Tissue.CORD, Tissue.ROOT), range(Tissue.NUCLEUS, Tissue.ANNULUS),
        (*range(Tissue.ANNULUS, Tissue.EDEMA), Tissue.DISC_MATERIAL), (Tissue.EDEMA,), (Tissue.FATTY,),
    ]  # fmt: skip
    for k, group in enumerate(groups):
        classes[[int(tissue) for tissue in group]] = k
    return classes


def lesson_loss(answers: dict[str, Tensor], batch: dict[str, Tensor], lessons: Lessons) -> Tensor:
    """The weighted sum of what was answered wrongly; the first half of the batch pairs with the second."""
    known = torch.isfinite(batch["measures"])
    measures = answers["measures"].float()
    goal = torch.where(known, batch["measures"], measures.detach())
    total = (
        lessons.measures
        * functional.smooth_l1_loss(measures, goal, reduction="sum")
        / known.sum().clamp(min=1)
    )
    sagittal = batch["sagittal"]
    said = answers["findings"].float()
    truth = torch.cat([batch["findings"], batch["t2"][:, None].float()], 1)
    rare = functional.binary_cross_entropy_with_logits(said, truth, reduction="none")
    total = total + lessons.findings * (rare * sagittal[:, None]).sum() / (
        sagittal.sum() * said.shape[1]
    ).clamp(min=1)
    total = total + lessons.level * functional.cross_entropy(answers["level"].float(), batch["level"])
    graded = batch["grade"] >= 0
    rows = torch.arange(len(said), device=said.device)
    logits = answers["grade"].float().view(len(said), len(FAMILIES), N_GRADES)[rows, batch["family"]]
    if bool(graded.any()):
        weight = torch.tensor(GRADE_WEIGHTS, device=said.device)
        total = total + lessons.grade * functional.cross_entropy(
            logits[graded], batch["grade"][graded], weight
        )
    if lessons.tissues:
        cells = answers["tissues"].float().log_softmax(1)
        total = total - lessons.tissues * (composition(batch["seen"], cells.shape[-1]) * cells).sum(1).mean()
    return total + lessons.pairs * pair_loss(answers["pairs"].float()) if lessons.pairs else total


def pair_loss(vectors: Tensor, temperature: float = 0.2) -> Tensor:
    """NT-Xent (Chen et al. 2020): row k and row k + n/2 show the same; all others do not."""
    n = len(vectors)
    unit = functional.normalize(vectors, dim=1)
    alike = unit @ unit.T / temperature
    alike = alike.masked_fill(torch.eye(n, dtype=torch.bool, device=vectors.device), -1e4)
    return functional.cross_entropy(alike, (torch.arange(n, device=vectors.device) + n // 2) % n)
