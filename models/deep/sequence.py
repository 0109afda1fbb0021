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
from lsdc.models.deep.augment import augment
from lsdc.models.deep.backbones import Backbone, spine_strip
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.spacing import SpacedVolumeBatch, positions_mm, read_spaced_volumes
from lsdc.models.examples import Examples
from lsdc.models.options import Options

SLICES_PER_VIEW = 10
"""Evenly spaced slices that are read of every view."""
_PERIODS_MM = 2.0 ** torch.arange(1, 9)


def position_code(mm: Tensor) -> Tensor:
    """Return sines and cosines of positions, which a network reads more easily than the positions themselves.

    Parameters
    ----------
    mm : (...) float Tensor
        Positions, mm.

    Returns
    -------
    (..., 16) float Tensor
        At eight periods from 2 to 256 mm.

    References
    ----------
    Vaswani et al., Attention Is All You Need, 2017.

    Examples
    --------
    >>> position_code(torch.zeros(3)).shape
    torch.Size([3, 16])
    """
    phase = 2 * torch.pi * mm[..., None] / _PERIODS_MM.to(mm.device)
    return torch.cat([phase.sin(), phase.cos()], -1)


class SliceTransformer(nn.Module):
    """Features of every slice with its view and position, a transformer encoder, and a query per target.

    Parameters
    ----------
    options : Options
        The backbone.
    width : int
        Width of the tokens.
    layers : int
        Layers of the encoder.
    seed : int
        Seed of random weights.
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
        # What all have in common is learned from all; each target adds its part.
        self.common = nn.Linear(width, 3)
        self.head = nn.Parameter(torch.zeros(len(TARGETS), width, 3))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `slices` (b, views, 10, px, px // 2) float, from 0 to 1; `present` (b, views) bool; `position_mm`
            (b, views, 10) float.

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, and an auxiliary loss of 0.
        """
        slices, present = inputs["slices"], inputs["present"]
        features = self.backbone(slices[present].flatten(0, 1)[:, None])
        tokens = features.new_zeros((*slices.shape[:3], features.shape[-1]))
        tokens[present] = features.unflatten(0, (-1, slices.shape[2]))
        tokens = self.token(tokens) + self.place(position_code(inputs["position_mm"]))
        tokens = tokens + self.view.weight[None, :, None]
        queries = self.queries.expand(len(tokens), -1, -1)
        absent = ~present[:, :, None].expand(-1, -1, slices.shape[2]).flatten(1)
        mask = torch.cat([absent.new_zeros(queries.shape[:2]), absent], 1)
        found = self.encoder(torch.cat([queries, tokens.flatten(1, 2)], 1), src_key_padding_mask=mask)
        found = found[:, : len(TARGETS)]
        logits = self.common(found) + torch.einsum("btw,twg->btg", found, self.head)
        return logits, logits.new_zeros(())


class SliceSequence(DeepMember[SpacedVolumeBatch]):
    """Ten slices per view, a CNN on each, and a transformer over all of them.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        What the user chose.
    """

    name = "sequence"
    about = "ten slices per view through a timm CNN, then a transformer with positions (mm) and views"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=80, batch=6, epochs=3, rate=1.2e-3, width=96),
        "gpu24": Sizes(px=128, batch=8, epochs=30, rate=3e-4, width=256),
        "gpu140": Sizes(px=128, batch=48, epochs=30, rate=6e-4, width=256),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network: two layers below a width of 256, four from there on.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        SliceTransformer
            With new weights.
        """
        return SliceTransformer(self.options, sizes.width, 2 if sizes.width < 256 else 4, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> SpacedVolumeBatch:
        """Read the volumes, and what says where their slices lie.

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
        SpacedVolumeBatch
            On the CPU, without grades.
        """
        return SpacedVolumeBatch(**read_spaced_volumes(examples, chosen, self.name))

    def prepare(self, batch: SpacedVolumeBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Pick ten slices of every view, cut out the strip of the spine, and augment each slice.

        Parameters
        ----------
        batch : SpacedVolumeBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the height of a strip.
        generator : torch.Generator or None
            Augments where given.

        Returns
        -------
        dict of str to Tensor
            `slices` (b, views, 10, px, px // 2) float, from 0 to 1; `present` (b, views) bool; `position_mm`
            (b, views, 10) float.
        """
        volumes = batch.volumes
        chosen = torch.linspace(0, volumes.shape[2] - 1, SLICES_PER_VIEW).round().long().to(volumes.device)
        slices = volumes[:, :, chosen]
        values = spine_strip(slices.flatten(0, 1).float() / 255, sizes.px)
        if generator is not None and len(values):
            values = augment(values, generator)
        return {
            "slices": values.unflatten(0, (len(slices), len(VIEWS))),
            "present": (volumes != 0).flatten(2).any(-1),
            "position_mm": positions_mm(batch)[:, :, chosen],
        }
