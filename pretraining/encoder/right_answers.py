"""The right answers about label patches, as the tasks of pretraining ask for them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import Family
from lsdc.pretraining.encoder.patch_table import FINDINGS, MEASURES
from lsdc.pretraining.encoder.random_acquisition import FIRST_AXIAL_FRAME, FRAMES, Choice

FAMILIES = tuple(family.value for family in Family)
_ON_SAGITTAL = ("disc_height_mm", "loss_share", "modic_mm", "node_mm", "slip_mm")
_NOT_SHOWN = {
    "box": ("canal_area_mm2", "foramen_fat_mm2", "recess_width_mm"),
    "canal": ("foramen_fat_mm2", "recess_width_mm"),
    "foramen": ("canal_area_mm2", "recess_width_mm", "extrusion_mm", "bulge_mm"),
    "axial_canal": (*_ON_SAGITTAL, "foramen_fat_mm2", "recess_width_mm"),
    "axial_recess": (*_ON_SAGITTAL, "foramen_fat_mm2"),
    "axial_foramen": (*_ON_SAGITTAL, "canal_area_mm2", "recess_width_mm"),
}
"""Measures that a crop does not show, by its frame."""
_GRADED_FAMILY = {"canal": 0, "foramen": 1, "axial_canal": 0, "axial_recess": 2, "axial_foramen": 1}
"""Family whose grade is asked for, by frame; index into `FAMILIES`."""


class Answers(NamedTuple):
    """Right answers about n crops.

    Parameters
    ----------
    measures : (n, len(MEASURES)) Tensor of float32
        Standardized over the training patches; NaN where the crop does not show what is measured.
    findings : (n, len(FINDINGS)) Tensor of float32
        0 or 1.
    level : (n,) Tensor of int64
        Index of the disc, from T10/T11.
    grade : (n,) Tensor of int64
        0 to 2, or -1 where there is none.
    family : (n,) Tensor of int64
        Index into `FAMILIES` that the grade belongs to; 0 where there is none.
    sagittal : (n,) Tensor of bool
        Whether the crop is from a sagittal patch.
    """

    measures: Tensor
    findings: Tensor
    level: Tensor
    grade: Tensor
    family: Tensor
    sagittal: Tensor


class RightAnswers:
    """The right answers about all patches, from which those about a batch are picked.

    Parameters
    ----------
    rows : DataFrame
        Table of the patches; see `LabelPatches`.
    train : (m,) int
        Rows over which measures are standardized.
    """

    def __init__(self, rows: pd.DataFrame, train: NDArray[np.int64]) -> None:
        """Standardize the measures and lay out both sides."""
        names = list(MEASURES)
        known = rows.loc[train, names]
        mean, spread = known.mean().to_numpy(), known.std().clip(lower=1e-3).to_numpy()
        values = [rows[columns].to_numpy(float) for columns in _both_sides(rows, names)]
        self.measures = [((value - mean) / spread).astype(np.float32) for value in values]
        self.grades = [rows[columns].to_numpy(np.int64) for columns in _both_sides(rows, list(FAMILIES))]
        self.findings = rows[list(FINDINGS)].to_numpy(np.float32)
        self.disc = rows["disc"].to_numpy(np.int64)
        self._hidden = np.array([[name in _NOT_SHOWN[frame] for name in names] for frame in FRAMES])
        self._family = np.array([_GRADED_FAMILY.get(frame, -1) for frame in FRAMES])

    def about(self, choice: Choice) -> Answers:
        """Pick the answers about some crops.

        Parameters
        ----------
        choice : Choice
            Patches, frames and sides.

        Returns
        -------
        Answers
            One row per crop.
        """
        rows, right = choice.rows, choice.right[:, None]
        measures = np.where(right, self.measures[1][rows], self.measures[0][rows])
        measures[self._hidden[choice.frame]] = np.nan
        family = self._family[choice.frame]
        grades = np.where(right, self.grades[1][rows], self.grades[0][rows])
        grade = np.where(family >= 0, grades[np.arange(len(rows)), np.maximum(family, 0)], -1)
        return Answers(
            torch.from_numpy(measures),
            torch.from_numpy(self.findings[rows]),
            torch.from_numpy(self.disc[rows]),
            torch.from_numpy(grade),
            torch.from_numpy(np.maximum(family, 0)),
            torch.from_numpy(choice.frame < FIRST_AXIAL_FRAME),
        )


def _both_sides(rows: pd.DataFrame, names: list[str]) -> tuple[list[str], list[str]]:
    """Columns of the left side, and of the right one where there are such."""
    return names, [f"{name}_right" if f"{name}_right" in rows else name for name in names]
