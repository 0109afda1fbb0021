"""Lengths of a study's volumes, from its metadata."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.metadata import SHORT
from lsdc.models.examples import Examples

USUAL_SPAN_MM = 66.0
"""From the first to the last slice of a sagittal series, where the files do not say."""
USUAL_THICKNESS_MM = 4.0


def column(examples: Examples, name: str, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """A numeric column per study: its largest known value among the targets; NaN where there is none."""
    if name not in examples.numeric_names:
        return np.full(len(chosen), np.nan, np.float32)
    values = examples.numeric[:, examples.numeric_names.index(name)].reshape(-1, len(TARGETS))[chosen]
    return np.where(np.isnan(values).all(1), np.nan, np.nan_to_num(values, nan=-np.inf).max(1)).astype(
        np.float32
    )


def sagittal_spans(examples: Examples, chosen: NDArray[np.int64]) -> Tensor:
    """From the first to the last slice of the sagittal series, (b, 2: T1, T2), mm."""
    spans = []
    for view in (View.SAGITTAL_T1, View.SAGITTAL_T2):
        short = SHORT[view]
        count = column(examples, f"meta_{short}_n_slices", chosen)
        apart = column(examples, f"meta_{short}_spacing_between_slices_mm", chosen)
        thick = column(examples, f"meta_{short}_slice_thickness_mm", chosen)
        span = (count - 1) * np.where(np.isfinite(apart), apart, thick)
        spans.append(np.where(np.isfinite(span) & (span > 0), span, USUAL_SPAN_MM))
    return torch.from_numpy(np.stack(spans, 1).astype(np.float32))
