"""sequence: a transformer over slices of all views, which knows where each of them lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import VIEWS
from lsdc.models.deep.augment import disturbed
from lsdc.models.deep.backbones import Backbone, strip
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.deep.spacing import sagittal_spans
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch, volumes_and_places
from lsdc.models.targets import AXIAL

SLICES = 10
"""Evenly spaced slices per view."""
_PERIODS_MM = 2.0 ** torch.arange(1, 9)


def position_code(mm: Tensor) -> Tensor:
    """Sines and cosines of a position (…, mm) at periods from 2 to 256 mm: (…, 16)."""
    phase = 2 * torch.pi * mm[..., None] / _PERIODS_MM.to(mm.device)
    return torch.cat([phase.sin(), phase.cos()], -1)


class SliceTransformer(nn.Module):
    """Features of every slice, its view and position, a transformer encoder, and a query per target.

    Parameters
    ----------
    options : Options
        The backbone.
    width : int
        Of the tokens.
    layers : int
        Of the encoder.
    seed : int
        For random weights.
    """

    def __init__(self, options: Options, width: int, layers: int, seed: int) -> None:
        super().__init__()
        self.backbone = Backbone(options, seed)
        self.token = nn.Linear(self.backbone.width, width)
        self.view = nn.Embedding(len(VIEWS), width)
        self.place = nn.Linear(2 * len(_PERIODS_MM), width)
        self.queries = nn.Parameter(0.02 * torch.randn(len(TARGETS), width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=True, activation="gelu"
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        # What all have in common is learned from all; each target adds its own.
        self.common = nn.Linear(width, 3)
        self.head = nn.Parameter(torch.zeros(len(TARGETS), width, 3))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and no auxiliary loss."""
        slices, present = batch["slices"], batch["present"]
        features = self.backbone(slices[present].flatten(0, 1)[:, None])
        tokens = features.new_zeros((*slices.shape[:3], features.shape[-1]))
        tokens[present] = features.unflatten(0, (-1, slices.shape[2]))
        tokens = self.token(tokens) + self.place(position_code(batch["position_mm"]))
        tokens = tokens + self.view.weight[None, :, None]
        queries = self.queries.expand(len(tokens), -1, -1)
        absent = ~present[:, :, None].expand(-1, -1, slices.shape[2]).flatten(1)
        mask = torch.cat([absent.new_zeros(queries.shape[:2]), absent], 1)
        found = self.encoder(torch.cat([queries, tokens.flatten(1, 2)], 1), src_key_padding_mask=mask)
        found = found[:, : len(TARGETS)]
        logits = self.common(found) + torch.einsum("btw,twg->btg", found, self.head)
        return logits, logits.new_zeros(())


class Sequence(DeepMember):
    """Ten slices per view, a CNN on each, a transformer over all of them."""

    name = "sequence"
    about = "ten slices per view through a timm CNN, then a transformer with positions (mm) and views"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=80, batch=6, epochs=3, rate=1.2e-3, width=96),
        "gpu24": Sizes(px=128, batch=8, epochs=30, rate=3e-4, width=256),
        "gpu140": Sizes(px=128, batch=48, epochs=30, rate=6e-4, width=256),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """The network."""
        return SliceTransformer(self.options, sizes.width, 2 if sizes.width < 256 else 4, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """Volumes, and where their slices lie."""
        return volumes_and_places(examples, chosen) | {"sagittal_span_mm": sagittal_spans(examples, chosen)}

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """Slices (b, views, 10, px, px // 2) from 0 to 1, which views are there, and positions in mm."""
        volumes = batch["volumes"]
        chosen = torch.linspace(0, volumes.shape[2] - 1, SLICES).round().long().to(volumes.device)
        slices = volumes[:, :, chosen]
        b = len(slices)
        values = strip(slices.flatten(0, 1).float() / 255, sizes.px)
        if generator is not None and len(values):
            values = disturbed(values, generator)
        return batch | {
            "slices": values.unflatten(0, (b, len(VIEWS))),
            "present": (volumes != 0).flatten(2).any(-1),
            "position_mm": positions_mm(batch, volumes.shape[2])[:, :, chosen],
        }


def positions_mm(batch: Batch, slices: int) -> Tensor:
    """Where the slices of the volumes lie, (b, views, slices), mm.

    Sagittal: towards the patient's left of the series' middle. Axial: above the mean of the located levels,
    from a line through the targets' heights over their slices.
    """
    place = torch.arange(slices, device=batch["volumes"].device, dtype=torch.float32)
    span = batch["sagittal_span_mm"]
    out = span.new_zeros((len(span), len(VIEWS), slices))
    out[:, :AXIAL] = (place / max(1, slices - 1) - 0.5) * span[:, :, None]
    out[:, AXIAL] = _line(batch["volume_slice"][:, 15:], batch["head_mm"][:, 15:], place)
    return out


def _line(x: Tensor, y: Tensor, at: Tensor) -> Tensor:
    """Least squares through the known points of each row, less the mean of y, evaluated at the places `at`."""
    known = (x.isfinite() & y.isfinite()).float()
    count = known.sum(1, keepdim=True).clamp_min(1)
    x, y = x.nan_to_num(0.0), y.nan_to_num(0.0)
    dx, dy = x - (x * known).sum(1, keepdim=True) / count, y - (y * known).sum(1, keepdim=True) / count
    slope = (known * dx * dy).sum(1, keepdim=True) / (known * dx * dx).sum(1, keepdim=True).clamp_min(1e-3)
    return slope * (at - (x * known).sum(1, keepdim=True) / count)
