"""Positions and distances of the slices of a study's volumes, in mm, from its metadata and its located targets."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import TARGETS, Family, View
from lsdc.features.metadata import SHORT
from lsdc.features.store import VIEWS
from lsdc.models.deep.batch import mirrored_by, swap_targets, unchanged
from lsdc.models.deep.volume_batch import VolumeBatch, read_volumes
from lsdc.models.examples import Examples
from lsdc.models.targets import AXIAL, of_family

USUAL_SPAN_MM = 66.0
"""From the first to the last slice of a sagittal series, where the files do not say."""
USUAL_THICKNESS_MM = 4.0
"""Distance of neighboring slices, where it cannot be known."""
_ON_AXIAL_SLICES = of_family(Family.SUBARTICULAR)


@dataclass(frozen=True, kw_only=True)
class SpacedVolumeBatch(VolumeBatch):
    """Small volumes of all views, and what says where their slices lie.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    volumes : (b, views, slices, px, px) uint8 Tensor
        Views in the order of `lsdc.features.store.VIEWS`; 0 where absent.
    volume_slice : (b, 25) float32 Tensor
        Index of the slice of each target; NaN where unknown.
    head_mm : (b, 25) float32 Tensor
        Height of each target along the patient's axis towards the head, mm; NaN where unknown.
    sagittal_span_mm : (b, 2) float32 Tensor
        From the first to the last slice of the sagittal T1 and T2 series, mm.
    """

    head_mm: Tensor = field(metadata=mirrored_by(swap_targets))
    sagittal_span_mm: Tensor = field(metadata=mirrored_by(unchanged))


def read_spaced_volumes(examples: Examples, chosen: NDArray[np.int64], member: str) -> dict[str, Tensor]:
    """Read the fields of a `SpacedVolumeBatch`, or of one that adds others to it.

    Parameters
    ----------
    examples : Examples
        Rows of whole studies, with arrays.
    chosen : (b,) int64
        Which of the studies.
    member : str
        Name of the member, for the error.

    Returns
    -------
    dict of str to Tensor
        The fields but `grades`, on the CPU.

    Raises
    ------
    LsdcError
        When the examples have no arrays.
    """
    volumes = read_volumes(examples, chosen, ("volume_slice", "head_mm"), member)
    return volumes | {"sagittal_span_mm": sagittal_spans(examples, chosen)}


def study_column(examples: Examples, name: str, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a numeric column with a value per study: the largest known one among its targets.

    Parameters
    ----------
    examples : Examples
        Rows of whole studies.
    name : str
        One of `Examples.numeric_names`; a column that is not there counts as unknown.
    chosen : (b,) int64
        Which of the studies.

    Returns
    -------
    (b,) float32
        NaN where unknown.
    """
    if name not in examples.numeric_names:
        return np.full(len(chosen), np.nan, np.float32)
    values = examples.numeric[:, examples.numeric_names.index(name)].reshape(-1, len(TARGETS))[chosen]
    largest = np.nan_to_num(values, nan=-np.inf).max(1)
    return np.where(np.isnan(values).all(1), np.nan, largest).astype(np.float32)


def sagittal_spans(examples: Examples, chosen: NDArray[np.int64]) -> Tensor:
    """Return the distance from the first to the last slice of the sagittal series.

    Parameters
    ----------
    examples : Examples
        Rows of whole studies, with metadata among the numeric columns.
    chosen : (b,) int64
        Which of the studies.

    Returns
    -------
    (b, 2) float32 Tensor
        T1 and T2, mm; `USUAL_SPAN_MM` where the metadata does not say.
    """
    spans = []
    for view in (View.SAGITTAL_T1, View.SAGITTAL_T2):
        short = SHORT[view]
        count = study_column(examples, f"meta_{short}_n_slices", chosen)
        spacing = study_column(examples, f"meta_{short}_spacing_between_slices_mm", chosen)
        thickness = study_column(examples, f"meta_{short}_slice_thickness_mm", chosen)
        span = (count - 1) * np.where(np.isfinite(spacing), spacing, thickness)
        spans.append(np.where(np.isfinite(span) & (span > 0), span, USUAL_SPAN_MM))
    return torch.from_numpy(np.stack(spans, 1).astype(np.float32))


def positions_mm(batch: SpacedVolumeBatch) -> Tensor:
    """Return where the slices of the volumes lie.

    Parameters
    ----------
    batch : SpacedVolumeBatch
        Volumes with the spans of the sagittal series and the heights of the targets.

    Returns
    -------
    (b, views, slices) float32 Tensor
        Sagittal: mm towards the patient's left from the middle of the series. Axial: mm towards the head from the mean
        of the located levels, along a straight line through the targets' heights over their slices.
    """
    slices = batch.volumes.shape[2]
    index = torch.arange(slices, device=batch.volumes.device, dtype=torch.float32)
    span = batch.sagittal_span_mm
    out = span.new_zeros((len(span), len(VIEWS), slices))
    out[:, :AXIAL] = (index / max(1, slices - 1) - 0.5) * span[:, :, None]
    out[:, AXIAL] = _line(batch.volume_slice[:, _ON_AXIAL_SLICES], batch.head_mm[:, _ON_AXIAL_SLICES], index)
    return out


def _line(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Fit a line by least squares through the known points of each row; return it at `at`, less the mean of y."""
    known = (x.isfinite() & y.isfinite()).float()
    count = known.sum(1, keepdim=True).clamp_min(1)
    x, y = x.nan_to_num(0.0), y.nan_to_num(0.0)
    dx, dy = x - (x * known).sum(1, keepdim=True) / count, y - (y * known).sum(1, keepdim=True) / count
    slope = (known * dx * dy).sum(1, keepdim=True) / (known * dx * dx).sum(1, keepdim=True).clamp_min(1e-3)
    return slope * (at - (x * known).sum(1, keepdim=True) / count)


def slice_distance_mm(positions: Tensor) -> Tensor:
    """Return the distance of neighboring slices.

    Parameters
    ----------
    positions : (b, views, slices) float Tensor
        Of the slices, mm.

    Returns
    -------
    (b, views) float Tensor
        mm; `USUAL_THICKNESS_MM` where the positions are all the same because nothing is known.
    """
    distance = (positions[..., -1] - positions[..., 0]).abs() / max(1, positions.shape[-1] - 1)
    return torch.where(distance > 0.3, distance, USUAL_THICKNESS_MM)
