"""A network that finds the targets, cuts around them, sharpens the crops and grades them, in one piece."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.cutting import SuperResolution, bicubic, cut, inside_shape, soft_argmax
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.slots import CHANNEL_OF, N_CHANNELS, SLOT_OF
from lsdc.models.options import Options
from lsdc.models.targets import (
    AXIAL,
    FAMILY_LEVEL_OF,
    FAMILY_LEVELS,
    GRADED_VIEW,
    RIGHT_AXIAL,
    RIGHT_SAGITTAL,
)

STRIDE = 8
"""Width of a heatmap's cell, px."""
POINT_LOSS = 0.1
"""Weight of the points' loss beside that of the grades."""
_GUIDED = 0.5
"""Fraction of the training targets that are cut around their known point instead of the predicted one."""
_REACH = torch.from_numpy(np.where(GRADED_VIEW == AXIAL, 1.4, 1.0).astype(np.float32))
"""Pixels of the slice per pixel of the crop: axial volumes are finer, and must not show less."""


class FindCutGrade(nn.Module):
    """Backbone, keypoint regressor, differentiable crops, super-resolution, a classifier per family and level.

    Parameters
    ----------
    options : Options
        Backbone, and how crops are enlarged (`super_resolution`).
    sizes : Sizes
        Side of the slices, a fourth of which is that of the crops; and width of the classifiers.
    seed : int
        Seed of random weights.
    """

    def __init__(self, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.crop_px = sizes.px // 4  # 50 mm
        # Slices and crops differ too much to share the statistics of a normalization.
        self.finder, self.backbone = Backbone(options, seed), Backbone(options, seed)
        self.points = nn.Sequential(
            nn.Conv2d(self.finder.channels(STRIDE), 32, 1), nn.GELU(), nn.Conv2d(32, N_CHANNELS, 1)
        )
        enlarge = {"learned": SuperResolution(), "bicubic": None, "none": nn.Identity()}
        self.enlarge = enlarge[options.super_resolution]
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(self.backbone.width, sizes.width), nn.GELU(), nn.Dropout(0.2)
        )
        # What all have in common is learned from all; each family and level adds its part.
        self.common = nn.Linear(sizes.width, 3)
        self.heads = nn.Parameter(torch.zeros(FAMILY_LEVELS, sizes.width, 3))
        self.bias = nn.Parameter(torch.zeros(FAMILY_LEVELS, 3))

    def locate(self, images: Tensor, shape: Tensor) -> Tensor:
        """Find the points of all heatmaps.

        Parameters
        ----------
        images : (n, 3, rows, columns) float Tensor
            Padded to one size; values from 0 to 1.
        shape : (n, 2) Tensor
            Rows and columns of each image before padding.

        Returns
        -------
        (n, N_CHANNELS, 2) float Tensor
            Column and row, px.
        """
        heat = self.points(self.finder.feature_map(images, STRIDE)).float()
        down, across = (whole / cells for whole, cells in zip(images.shape[-2:], heat.shape[-2:]))
        cells = shape / torch.tensor([down, across], device=heat.device)
        cell = torch.tensor([across, down], device=heat.device)
        return soft_argmax(heat, inside_shape(cells, *heat.shape[-2:])) * cell + (cell - 1) / 2

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `image_present` (b, slots) bool: which slots of `SLOTS` have an image; `images` (n, 3, rows, columns)
            float, from 0 to 1: those images, padded to one size; `shape` (n, 2): rows and columns before padding;
            `points` (b, 25, 2) float: known column and row, px, NaN where unknown.

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, 0 where there is no image; and the weighted loss of the points.
        """
        images, present = inputs["images"], inputs["image_present"]
        b, device = len(present), images.device
        logits = images.new_zeros((b, len(TARGETS), 3))
        if not len(images):
            return logits, self.bias.sum() * 0
        number = torch.full(present.shape, -1, dtype=torch.long, device=device)
        number[present] = torch.arange(len(images), device=device)
        image_of = number[:, SLOT_OF.to(device)]
        shown = image_of >= 0
        channel = CHANNEL_OF.to(device).expand(b, -1)
        found = self.locate(images, inputs["shape"])[image_of[shown], channel[shown]]
        truth = inputs["points"][shown]
        known = truth.isfinite().all(-1)
        truth = truth.nan_to_num(0.0)
        error = functional.smooth_l1_loss(found, truth, beta=2.0, reduction="none").sum(-1)
        loss = POINT_LOSS * (error * known).sum() / known.sum().clamp_min(1)
        if self.training:
            guided = known & (torch.rand(known.shape, device=device) < _GUIDED)
            found = torch.where(guided[:, None], truth, found)
        crops = cut(images[image_of[shown]], found, _REACH.to(device).expand(b, -1)[shown], self.crop_px)
        logits[shown] = self._grade(crops, shown).to(logits.dtype)
        return logits, loss

    def _grade(self, crops: Tensor, shown: Tensor) -> Tensor:
        """Return logits (n, 3) of the crops of the shown targets; right ones are turned to look like left ones."""

        def of_shown(values: np.ndarray) -> Tensor:
            """Return what holds for each target (25,) for the shown ones (n,)."""
            return torch.from_numpy(values).to(crops.device).expand(len(shown), -1)[shown]

        crops = torch.where(of_shown(RIGHT_AXIAL)[:, None, None, None], crops.flip(-1), crops)
        crops = torch.where(of_shown(RIGHT_SAGITTAL)[:, None, None, None], crops.flip(1), crops)
        crops = bicubic(crops) if self.enlarge is None else self.enlarge(crops)
        features = self.reduce(self.backbone(crops))
        family_level = of_shown(FAMILY_LEVEL_OF)
        part = torch.einsum("nw,nwg->ng", features, self.heads[family_level]) + self.bias[family_level]
        return self.common(features) + part
