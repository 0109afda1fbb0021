"""multitask: find the points on slices of every shape, cut around them, sharpen, and grade, all in one loss."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, View
from lsdc.features.store import VIEWS
from lsdc.models.deep.augment import repainted
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch, volumes_and_places
from lsdc.models.targets import AXIAL, KIND_OF, KINDS, OWN_VIEW, RIGHT_AXIAL, RIGHT_SAGITTAL

UPSCALE, STRIDE = 2, 8
POINT_LOSS = 0.1
_GUIDED = 0.5
"""Share of the training targets that are cut around their known point instead of the predicted one."""


@dataclass(frozen=True)
class Slot:
    """Three neighboring slices and the targets that are found on them.

    Parameters
    ----------
    view : int
        Place in `VIEWS`.
    targets : tuple of int
        Places among the 25.
    channels : tuple of int
        Heatmap of each.
    """

    view: int
    targets: tuple[int, ...]
    channels: tuple[int, ...]


def _slots() -> list[Slot]:
    n, axial = len(Level), [k for k, target in enumerate(TARGETS) if target.condition.view is View.AXIAL_T2]
    sagittal = [c for c in Condition if c.view is not View.AXIAL_T2]
    slots = [
        Slot(
            VIEWS.index(condition.view),
            tuple(k for k, target in enumerate(TARGETS) if target.condition is condition),
            tuple(range(n)) if condition.family is Family.SPINAL else tuple(range(n, 2 * n)),
        )
        for condition in sagittal
    ]
    return slots + [Slot(AXIAL, (axial[k], axial[k + n]), (2 * n, 2 * n + 1)) for k in range(n)]


SLOTS = _slots()
N_CHANNELS = 2 * len(Level) + 2
SLOT_OF = torch.tensor(
    [next(s for s, slot in enumerate(SLOTS) if k in slot.targets) for k in range(len(TARGETS))]
)
CHANNEL_OF = torch.tensor(
    [SLOTS[s].channels[SLOTS[s].targets.index(k)] for k, s in enumerate(SLOT_OF.tolist())]
)
_REACH = torch.from_numpy(np.where(OWN_VIEW == AXIAL, 1.4, 1.0).astype(np.float32))
"""Pixels of the slice per pixel of the crop: axial volumes are finer, and must not show less."""


class SuperResolution(nn.Module):
    """Twice the resolution by sub-pixel convolution (Shi et al. 2016), as a correction of bicubic interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 5, padding=2), nn.GELU(), nn.Conv2d(24, 16, 3, padding=1), nn.GELU(),
            nn.Conv2d(16, 3 * UPSCALE**2, 3, padding=1), nn.PixelShuffle(UPSCALE),
        )  # fmt: skip

    def forward(self, crops: Tensor) -> Tensor:
        """(n, 3, p, p) to (n, 3, 2 p, 2 p)."""
        return bicubic(crops) + self.layers(crops)


def bicubic(crops: Tensor) -> Tensor:
    """(n, 3, p, p) to (n, 3, 2 p, 2 p)."""
    return functional.interpolate(crops, scale_factor=UPSCALE, mode="bicubic", align_corners=False)


def soft_argmax(heat: Tensor, inside: Tensor) -> Tensor:
    """Centers of mass of heatmaps (n, c, h, w) over the cells `inside` (n, h, w): (n, c, 2) column and row."""
    heat = heat.masked_fill(~inside[:, None], -torch.inf)
    chance = heat.flatten(2).softmax(-1).view_as(heat)
    rows, columns = (torch.arange(size, device=heat.device, dtype=heat.dtype) for size in heat.shape[-2:])
    return torch.stack([(chance.sum(2) * columns).sum(-1), (chance.sum(3) * rows).sum(-1)], -1)


def cut(images: Tensor, points: Tensor, reach: Tensor, px: int) -> Tensor:
    """Squares of `px` around points (n, 2; px of the images), differentiable in them; `reach` px per crop pixel."""
    size = torch.tensor([images.shape[-1], images.shape[-2]], device=images.device, dtype=images.dtype)
    steps = (torch.arange(px, device=images.device, dtype=images.dtype) - (px - 1) / 2)[None] * reach[:, None]
    columns, rows = points[:, :1] + steps, points[:, 1:] + steps
    grid = torch.stack([columns[:, None].expand(-1, px, -1), rows[:, :, None].expand(-1, -1, px)], -1)
    return functional.grid_sample(images, (2 * grid + 1) / size - 1, align_corners=False)


class FindCutGrade(nn.Module):
    """Backbone, keypoint regressor, differentiable crops, super-resolution, a classifier per condition and level."""

    def __init__(self, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.crop = sizes.px // 4  # 50 mm
        # Slices and crops differ too much to share the statistics of a normalization.
        self.finder, self.backbone = Backbone(options, seed), Backbone(options, seed)
        self.points = nn.Sequential(
            nn.Conv2d(self.finder.channels(STRIDE), 32, 1), nn.GELU(), nn.Conv2d(32, N_CHANNELS, 1)
        )
        enlarge = {"learned": SuperResolution(), "bicubic": None, "none": nn.Identity()}[
            options.super_resolution
        ]
        self.enlarge = enlarge
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(self.backbone.width, sizes.width), nn.GELU(), nn.Dropout(0.2)
        )
        # What all have in common is learned from all; each condition and level adds its own.
        self.common = nn.Linear(sizes.width, 3)
        self.heads = nn.Parameter(torch.zeros(KINDS, sizes.width, 3))
        self.bias = nn.Parameter(torch.zeros(KINDS, 3))

    def locate(self, images: Tensor, shape: Tensor) -> Tensor:
        """Points (n, N_CHANNELS, 2), px, on padded images whose own rows and columns are `shape` (n, 2)."""
        heat = self.points(self.finder.maps(images, STRIDE)).float()
        down, across = (whole / cells for whole, cells in zip(images.shape[-2:], heat.shape[-2:]))
        own = shape / torch.tensor([down, across], device=heat.device)
        cell = torch.tensor([across, down], device=heat.device)
        return soft_argmax(heat, _inside(own, *heat.shape[-2:])) * cell + (cell - 1) / 2

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and the loss of the points."""
        images, shape, present = batch["images"], batch["shape"], batch["image_present"]
        b, device = len(present), images.device
        number = torch.full(present.shape, -1, dtype=torch.long, device=device)
        number[present] = torch.arange(len(images), device=device)
        own = number[:, SLOT_OF.to(device)]
        shown = own >= 0
        logits = images.new_zeros((b, len(TARGETS), 3))
        if not len(images):
            return logits, self.bias.sum() * 0
        channel = CHANNEL_OF.to(device).expand(b, -1)
        found = self.locate(images, shape)[own[shown], channel[shown]]
        truth = batch["points"][shown]
        known = truth.isfinite().all(-1)
        away = functional.smooth_l1_loss(found, truth.nan_to_num(0.0), beta=2.0, reduction="none").sum(-1)
        loss = POINT_LOSS * (away * known).sum() / known.sum().clamp_min(1)
        if self.training:
            guided = known & (torch.rand(known.shape, device=device) < _GUIDED)
            found = torch.where(guided[:, None], truth.nan_to_num(0.0), found)
        crops = cut(images[own[shown]], found, _REACH.to(device).expand(b, -1)[shown], self.crop)
        flip, order = (
            torch.from_numpy(mask).to(device).expand(b, -1)[shown] for mask in (RIGHT_AXIAL, RIGHT_SAGITTAL)
        )
        crops = torch.where(flip[:, None, None, None], crops.flip(-1), crops)
        crops = torch.where(order[:, None, None, None], crops.flip(1), crops)
        crops = bicubic(crops) if self.enlarge is None else self.enlarge(crops)
        features = self.reduce(self.backbone(crops))
        kind = torch.from_numpy(KIND_OF).to(device).expand(b, -1)[shown]
        own_part = torch.einsum("nw,nwg->ng", features, self.heads[kind]) + self.bias[kind]
        logits[shown] = (self.common(features) + own_part).to(logits.dtype)
        return logits, loss


class MultiTask(DeepMember):
    """Keypoints, differentiable crops, super-resolution and grades, learned together."""

    name = "multitask"
    about = "timm CNN that finds the points, cuts and enlarges around them, and grades; one joint loss"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=80, batch=4, epochs=2, rate=1.5e-3),
        "gpu24": Sizes(px=128, batch=12, epochs=30, rate=4e-4, width=256),
        "gpu140": Sizes(px=128, batch=64, epochs=30, rate=8e-4, width=256),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """The network."""
        return FindCutGrade(self.options, sizes, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """Volumes, and where the targets lie in them."""
        return volumes_and_places(examples, chosen)

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """Images padded to one size with their shapes, which slots have one, and points (b, 25, 2) in px."""
        volumes = batch["volumes"]
        scale = sizes.px / volumes.shape[-1]
        present = torch.zeros((len(volumes), len(SLOTS)), dtype=torch.bool, device=volumes.device)
        points = torch.stack([batch["volume_x"], batch["volume_y"]], -1) * scale + (scale - 1) / 2
        images = []
        for study, volume in enumerate(volumes):
            for number, slot in enumerate(SLOTS):
                slices = batch["volume_slice"][study, list(slot.targets)]
                slices = slices[slices.isfinite()]
                if not len(slices):
                    continue
                image, left = _window(_three(volume[slot.view], int(slices.median())), slot.view, sizes.px)
                images.append(image)
                points[study, list(slot.targets), 0] -= left
                points[study, list(slot.targets), 1] -= left if slot.view == AXIAL else 0
                present[study, number] = True
        return batch | {
            "image_present": present,
            "points": points,
            **_padded(images, (sizes.px, sizes.px - 2 * (sizes.px // 8)), volumes.device, generator),
        }


def _three(volume: Tensor, index: int) -> Tensor:
    """A slice and its neighbors, (3, px, px), 0 to 1."""
    around = torch.tensor([index - 1, index, index + 1]).clamp(0, len(volume) - 1)
    return volume[around.to(volume.device)].float() / 255


def _window(slices: Tensor, view: int, px: int) -> tuple[Tensor, int]:
    """The part around the spine at the size of the preset: a tall strip of sagittal slices, a square of axial ones.

    Returns the part, and how many columns (axial: and rows) were cut off before it.
    """
    whole = functional.interpolate(slices[None], (px, px), mode="bilinear", antialias=True)[0]
    if view == AXIAL:
        margin = px // 8
        return whole[:, margin : px - margin, margin : px - margin], margin
    margin = px * 3 // 16
    return whole[:, :, margin : px - margin], margin


def _inside(shape: Tensor, rows: int, columns: int) -> Tensor:
    """Which of rows x columns lie within the first `shape` (n, 2) of them: (n, rows, columns)."""
    down, across = (torch.arange(size, device=shape.device) for size in (rows, columns))
    return (down[None, :, None] < shape[:, :1, None]) & (across[None, None] < shape[:, 1:, None])


def _padded(
    images: list[Tensor], whole: tuple[int, int], device: torch.device, generator: torch.Generator | None
) -> Batch:
    if not images:
        return {
            "images": torch.zeros((0, 3, 8, 8), device=device),
            "shape": torch.zeros((0, 2), device=device),
        }
    shape = torch.tensor([image.shape[1:] for image in images], device=device)
    with warnings.catch_warnings():
        # Only the strided layout, which torch calls a prototype, lets rows and columns both differ.
        warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
        together = torch.nested.nested_tensor(images)
    # Always to the same size, so that a study's points do not depend on what it is batched with.
    padded = torch.nested.to_padded_tensor(together, 0.0, output_size=(len(images), 3, *whole))
    if generator is not None:
        padded = repainted(padded, generator) * _inside(shape, *padded.shape[-2:])[:, None]
    return {"images": padded, "shape": shape}
