"""volume: three-dimensional networks from MONAI on the small volumes of every view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.metadata import SHORT
from lsdc.features.store import VIEWS
from lsdc.models.deep.augment import repainted, warped
from lsdc.models.deep.backbones import strip
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.deep.networks3d import Encoder3d, monai_networks
from lsdc.models.deep.sequence import positions_mm
from lsdc.models.deep.spacing import USUAL_THICKNESS_MM, column, sagittal_spans
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch, volumes_and_places

DEPTH, SLICE_MM = 32, 4.0
"""Slices after resampling, and their common distance, mm."""
_META = ("slice_thickness_mm", "spacing_between_slices_mm", "row_spacing_mm", "n_slices")
_USUAL = torch.tensor([4.0, 4.5, 0.6, 20.0])


class VolumeNetwork(nn.Module):
    """An encoder shared by the views, told apart by an embedding, joined with metadata; 25 heads."""

    def __init__(self, options: Options, sizes: Sizes) -> None:
        super().__init__()
        self.encoder = Encoder3d(options.volume_arch, sizes.px, DEPTH, sizes.width)
        self.view = nn.Embedding(len(VIEWS), self.encoder.width)
        numbers = len(VIEWS) * len(_META) * 2
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(len(VIEWS) * (self.encoder.width + 1) + numbers, 4 * sizes.width), nn.GELU(),
            nn.Dropout(0.2), nn.Linear(4 * sizes.width, len(TARGETS) * 3),
        )  # fmt: skip

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and no auxiliary loss."""
        volumes, present = batch["resampled"], batch["present"]
        b, which = len(volumes), present.nonzero()[:, 1]
        seen = volumes.new_zeros((b, len(VIEWS), self.encoder.width))
        if len(which):
            features = self.encoder(volumes[present][:, None])
            seen[present] = (features + self.view(which)).to(seen.dtype)
        whole = torch.cat([seen.flatten(1), present.to(seen.dtype), batch["meta"].to(seen.dtype)], 1)
        logits = self.reduce(whole).unflatten(1, (len(TARGETS), 3))
        return logits, logits.new_zeros(())


class Volume(DeepMember):
    """3-D networks; cross-entropy per side, AdamW with exponential decay."""

    name = "volume"
    about = "3-D network from MONAI (--volume-arch) on the volumes of all views, with spacing and thickness"
    needs = "volumes of the store; the extra lsdc[volume]"
    loss = "per_side"
    schedule = "exponential"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=64, batch=3, epochs=5, rate=2e-3, width=16),
        "gpu24": Sizes(px=96, batch=8, epochs=40, rate=5e-4, width=32),
        "gpu140": Sizes(px=128, batch=32, epochs=40, rate=8e-4, width=64),
    }

    def require(self) -> None:
        """Raise a ConfigError where MONAI is not installed."""
        super().require()
        monai_networks()

    def build(self, sizes: Sizes) -> nn.Module:
        """The network."""
        return VolumeNetwork(self.options, sizes)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """Volumes, where their slices lie, and what the headers say of them."""
        names = [[f"meta_{short}_{name}" for name in _META] for short in SHORT.values()]
        meta = np.array([[column(examples, name, chosen) for name in view] for view in names])
        known = torch.from_numpy(meta).permute(2, 0, 1)
        filled = torch.where(known.isfinite(), (known / _USUAL).clamp(0, 4) - 1, 0.0)
        return volumes_and_places(examples, chosen) | {
            "sagittal_span_mm": sagittal_spans(examples, chosen),
            "meta": torch.cat([filled.flatten(1), known.isfinite().float().flatten(1)], 1),
        }

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """Volumes (b, views, DEPTH, px, px // 2) at a common distance of slices, 0 to 1, and which are there."""
        volumes = batch["volumes"]
        present = (volumes != 0).flatten(2).any(-1)
        mm = slice_mm(positions_mm(batch, volumes.shape[2]))
        values = resampled(volumes[present].float() / 255, mm[present], sizes.px)[:, None]
        if generator is not None and len(values):
            values = repainted(warped(values, generator), generator)
        out = values.new_zeros((*present.shape, *values.shape[2:]))
        out[present] = values[:, 0]
        return batch | {"resampled": out, "present": present}


def slice_mm(positions: Tensor) -> Tensor:
    """Distance of neighboring slices (b, views) from positions (b, views, slices), mm; the usual where unknown."""
    apart = (positions[..., -1] - positions[..., 0]).abs() / max(1, positions.shape[-1] - 1)
    return torch.where(apart > 0.3, apart, USUAL_THICKNESS_MM)


def resampled(volumes: Tensor, mm: Tensor, px: int) -> Tensor:
    """Volumes (n, slices, rows, columns) whose slices are `mm` (n,) apart, as (n, DEPTH, px, px // 2) with SLICE_MM.

    Around the middle slice; zero beyond the ends.
    """
    n, slices = volumes.shape[:2]
    theta = torch.zeros((n, 3, 4), device=volumes.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, 2, 2] = DEPTH * SLICE_MM / (slices * mm)
    if not n:
        return volumes.new_zeros((0, DEPTH, px, px // 2))
    small = strip(volumes, px)[:, None]
    grid = functional.affine_grid(theta, [n, 1, DEPTH, *small.shape[-2:]], align_corners=False)
    return functional.grid_sample(small, grid, align_corners=False)[:, 0]
