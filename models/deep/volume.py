"""volume: three-dimensional networks from MONAI on the small volumes of every view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.metadata import SHORT
from lsdc.features.store import VIEWS
from lsdc.models.deep.affine import affine_sample
from lsdc.models.deep.augment import repaint, warp
from lsdc.models.deep.backbones import spine_strip
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs, mirrored_by, unchanged
from lsdc.models.deep.networks3d import Encoder3d, monai_networks
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.spacing import (
    SpacedVolumeBatch,
    positions_mm,
    read_spaced_volumes,
    slice_distance_mm,
    study_column,
)
from lsdc.models.examples import Examples
from lsdc.models.options import Options

DEPTH = 32
"""Slices of a volume after resampling."""
SLICE_MM = 4.0
"""Distance of neighboring slices after resampling, mm."""
_METADATA = ("slice_thickness_mm", "spacing_between_slices_mm", "row_spacing_mm", "n_slices")
_USUAL = torch.tensor([4.0, 4.5, 0.6, 20.0])


@dataclass(frozen=True, kw_only=True)
class MeasuredVolumeBatch(SpacedVolumeBatch):
    """Small volumes of all views, where their slices lie, and what the headers say of the series.

    Parameters
    ----------
    grades : (b, 25) int64 Tensor, optional
        Grades of the targets, -1 where unlabeled.
    volumes : (b, views, slices, px, px) uint8 Tensor
        Views in the order of `lsdc.features.store.VIEWS`; 0 where absent.
    volume_slice : (b, 25) float32 Tensor
        Index of the slice of each target; NaN where unknown.
    head_mm : (b, 25) float32 Tensor
        Height of each target towards the head, mm; NaN where unknown.
    sagittal_span_mm : (b, 2) float32 Tensor
        From the first to the last slice of the sagittal T1 and T2 series, mm.
    meta : (b, 24) float32 Tensor
        Thickness, spacing, pixel size and count of the slices of every view, each relative to its usual value less 1
        and 0 where unknown; then 12 values that are 1 where known.
    """

    meta: Tensor = field(metadata=mirrored_by(unchanged))


class VolumeNetwork(nn.Module):
    """An encoder that all views share, an embedding that marks the view, metadata, and 25 x 3 outputs.

    Parameters
    ----------
    options : Options
        Architecture of the encoder.
    sizes : Sizes
        Side of the volumes, and width of the layers.
    """

    def __init__(self, options: Options, sizes: Sizes) -> None:
        super().__init__()
        self.encoder = Encoder3d(options.volume_arch, sizes.px, DEPTH, sizes.width)
        self.view = nn.Embedding(len(VIEWS), self.encoder.width)
        numbers = len(VIEWS) * len(_METADATA) * 2
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(len(VIEWS) * (self.encoder.width + 1) + numbers, 4 * sizes.width), nn.GELU(),
            nn.Dropout(0.2), nn.Linear(4 * sizes.width, len(TARGETS) * 3),
        )  # fmt: skip

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `resampled` (b, views, DEPTH, px, px // 2) float, from 0 to 1; `present` (b, views) bool; `meta` (b, 24).

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, and an auxiliary loss of 0.
        """
        volumes, present = inputs["resampled"], inputs["present"]
        b, which = len(volumes), present.nonzero()[:, 1]
        seen = volumes.new_zeros((b, len(VIEWS), self.encoder.width))
        if len(which):
            features = self.encoder(volumes[present][:, None])
            seen[present] = (features + self.view(which)).to(seen.dtype)
        whole = torch.cat([seen.flatten(1), present.to(seen.dtype), inputs["meta"].to(seen.dtype)], 1)
        logits = self.reduce(whole).unflatten(1, (len(TARGETS), 3))
        return logits, logits.new_zeros(())


class Volume(DeepMember[MeasuredVolumeBatch]):
    """A 3-D network on all views; cross-entropy per side, AdamW with exponential decay.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        Among others `volume_arch`, the architecture.
    """

    name = "volume"
    about = "3-D network from MONAI on the volumes of all views, with spacing and thickness"
    needs = "volumes of the store; the extra lsdc-toolkit[volume]"
    loss = "per_side"
    schedule = "exponential"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=64, batch=3, epochs=5, rate=2e-3, width=16),
        "gpu24": Sizes(px=96, batch=8, epochs=40, rate=5e-4, width=32),
        "gpu140": Sizes(px=128, batch=32, epochs=40, rate=8e-4, width=64),
    }

    def require(self) -> None:
        """Check that the device, the weights and MONAI are there.

        Raises
        ------
        ConfigError
            When one of them is not.
        """
        super().require()
        monai_networks()

    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        VolumeNetwork
            With new weights.

        Raises
        ------
        ConfigError
            When MONAI is not installed.
        """
        return VolumeNetwork(self.options, sizes)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> MeasuredVolumeBatch:
        """Read the volumes, where their slices lie, and what the headers say of them.

        Parameters
        ----------
        examples : Examples
            Rows of whole studies, with arrays.
        chosen : (b,) int64
            Which of the studies.
        sizes : Sizes
            Of the preset.

        Returns
        -------
        MeasuredVolumeBatch
            On the CPU, without grades.
        """
        names = [[f"meta_{short}_{name}" for name in _METADATA] for short in SHORT.values()]
        values = np.array([[study_column(examples, name, chosen) for name in view] for view in names])
        meta = torch.from_numpy(values).permute(2, 0, 1)
        relative = torch.where(meta.isfinite(), (meta / _USUAL).clamp(0, 4) - 1, 0.0)
        return MeasuredVolumeBatch(
            **read_spaced_volumes(examples, chosen, self.name),
            meta=torch.cat([relative.flatten(1), meta.isfinite().float().flatten(1)], 1),
        )

    def prepare(self, batch: MeasuredVolumeBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Resample the volumes to a common distance of slices, and augment those that are there.

        Parameters
        ----------
        batch : MeasuredVolumeBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the height of a volume.
        generator : torch.Generator or None
            Augments where given.

        Returns
        -------
        dict of str to Tensor
            `resampled` (b, views, DEPTH, px, px // 2) float, from 0 to 1; `present` (b, views) bool; `meta` (b, 24).
        """
        volumes = batch.volumes
        present = (volumes != 0).flatten(2).any(-1)
        mm = slice_distance_mm(positions_mm(batch))
        values = resample_slices(volumes[present].float() / 255, mm[present], sizes.px)[:, None]
        if generator is not None and len(values):
            values = repaint(warp(values, generator), generator)
        out = values.new_zeros((*present.shape, *values.shape[2:]))
        out[present] = values[:, 0]
        return {"resampled": out, "present": present, "meta": batch.meta}


def resample_slices(volumes: Tensor, mm: Tensor, px: int) -> Tensor:
    """Resample volumes around their middle slice to `DEPTH` slices at a distance of `SLICE_MM`.

    Parameters
    ----------
    volumes : (n, slices, rows, columns) float Tensor
        Values from 0 to 1.
    mm : (n,) float Tensor
        Distance of neighboring slices, mm.
    px : int
        Height of the result, px.

    Returns
    -------
    (n, DEPTH, px, px // 2) float Tensor
        The strip of the spine; 0 beyond the first and the last slice.
    """
    n, slices = volumes.shape[:2]
    if not n:
        return volumes.new_zeros((0, DEPTH, px, px // 2))
    matrix = torch.zeros((n, 3, 4), device=volumes.device)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1
    matrix[:, 2, 2] = DEPTH * SLICE_MM / (slices * mm)
    small = spine_strip(volumes, px)[:, None]
    size = (DEPTH, *small.shape[-2:])
    return affine_sample(small, matrix, size=size, outside="zeros")[:, 0]
