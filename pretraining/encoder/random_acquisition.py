"""Crops of label patches under random acquisitions: what the encoder sees in pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lsdc.phantom.finishing import blurred, finished
from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.patch_cutting import PATCH_MM, PATCH_PX
from lsdc.slice_selector.affine_sampler import AffineSampler, rotation

FRAMES = ("box", "canal", "foramen", "axial_canal", "axial_recess", "axial_foramen")
"""What a crop is centered on; `box` is the rectangle of the disc itself."""
FIRST_AXIAL_FRAME = 3
"""Index of the first frame of axial patches."""
_SIDE_MM = {"canal": 64.0, "foramen": 52.0, "axial_canal": 64.0, "axial_recess": 52.0, "axial_foramen": 72.0}
_ASIDE_MM = {"axial_recess": 9.0, "axial_foramen": 16.0}
_FORWARD_MM = {"axial_recess": 2.0, "axial_foramen": 1.0}
_MIXED = torch.tensor([
    [[0.8, 0.2, 0], [0.15, 0.7, 0.15], [0, 0.2, 0.8]], [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]],
    [[0.25, 0.5, 0.25]] * 3, [[0, 1.0, 0]] * 3, [[0.6, 0.4, 0]] * 3,
])  # fmt: skip
"""How three planes become three channels: as thick slices, as they are, or one mean three times."""


@dataclass(frozen=True)
class Choice:
    """Which patches are shown, and how they are framed.

    Parameters
    ----------
    rows : (n,) int
        Rows of the table of patches.
    frame : (n,) int
        Index into `FRAMES`.
    right : (n,) bool
        Whether an axial patch is mirrored, so that the right side is shown as if it were the left.
    """

    rows: NDArray[np.int64]
    frame: NDArray[np.int64]
    right: NDArray[np.bool_]


def choose(table: pd.DataFrame, n: int, rng: np.random.Generator, boxes: float = 0.5) -> Choice:
    """Draw patches and frames: most around discs and canals, the rest around foramina and in axial planes.

    What is rare among patients is drawn more often, herniations most.

    Parameters
    ----------
    table : DataFrame
        Rows of the patches to draw from; see `LabelPatches`. Its index says which rows they are.
    n : int
        Number of crops.
    rng : numpy Generator
        Source of randomness.
    boxes : float, default 0.5
        Fraction of the midline crops that show the disc's box instead of a square around the canal.

    Returns
    -------
    Choice
        Of n crops.
    """
    kind = rng.choice(3, n, p=[0.6, 0.12, 0.28])
    rows = np.empty(n, np.int64)
    for k in range(3):
        part = table[table["kind"] == k]
        frequency = (
            1.0
            + 3 * part["herniation"]
            + part[["narrowing", "bulging", "modic_1", "modic_2", "modic_3"]].sum(axis=1)
        )
        rows[kind == k] = rng.choice(part.index, (kind == k).sum(), p=frequency / frequency.sum())
    lumbar = table.loc[rows, "canal_area_mm2"].notna().to_numpy()
    frame = np.select(
        [kind == 0, kind == 1], [np.where(lumbar & (rng.random(n) > boxes), 1, 0), 2], rng.integers(3, 6, n)
    )
    return Choice(rows, frame, (kind == 2) & (rng.random(n) < 0.5))


@dataclass(frozen=True)
class Frames:
    """Rectangles to cut from n patches.

    Parameters
    ----------
    middle : (n, 2) Tensor of float
        Column and row in the patch, px.
    half : (n, 2) Tensor of float
        Half of the width and of the height, px of the patch.
    """

    middle: Tensor
    half: Tensor


def draw_frames(table: pd.DataFrame, choice: Choice, rng: np.random.Generator) -> Frames:
    """Draw where crops lie, with the errors of those who cut them.

    Parameters
    ----------
    table : DataFrame
        Of all patches.
    choice : Choice
        Patches and frames.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Frames
        Of the chosen patches.
    """
    rows = table.loc[choice.rows]
    n = len(rows)
    box = rows[["x0", "y0", "x1", "y1"]].to_numpy(float)
    low, high = box[:, :2], box[:, 2:]
    margin = np.abs(rng.normal(0, [3.5, 2.0], (n, 2))) + rng.uniform(0, 3, (n, 1))
    middle = (low + high - 1) / 2 + rng.normal(0, 1.5, (n, 2))
    half = (high - low) / 2 + margin
    for k, name in enumerate(FRAMES[1:], start=1):
        here = choice.frame == k
        side = np.where(choice.right, -1, 1)[here]
        aside = side * _ASIDE_MM.get(name, 0.0) / PATCH_MM
        point = rows.loc[here.tolist(), ["x", "y"]].to_numpy(float)
        middle[here] = point + np.stack(
            [aside, np.full(len(aside), -_FORWARD_MM.get(name, 0.0) / PATCH_MM)], 1
        )
        middle[here] += rng.normal(0, 2.5 / PATCH_MM, (here.sum(), 2))
        half[here] = _SIDE_MM[name] / PATCH_MM / 2
    zoom = np.exp(rng.normal(0, 0.10, (n, 1)) + rng.normal(0, 0.03, (n, 2)))
    return Frames(*(torch.tensor(part, dtype=torch.float32) for part in (middle, half * zoom)))


class RandomImages(NamedTuple):
    """Images of n patches under one acquisition each.

    Parameters
    ----------
    images : (n, 3, px, px) Tensor of float
        Gray values from 0 to 255.
    seen : (n, px / 4, px / 4) Tensor of int64
        The tissue at every fourth pixel of the middle slice, before any blur.
    t2 : (n,) Tensor of bool
        Whether an image is T2-weighted.
    """

    images: Tensor
    seen: Tensor
    t2: Tensor


def draw_images(
    labels: NDArray[np.uint8],
    tissues: NDArray[np.float32],
    choice: Choice,
    frames: Frames,
    px: int,
    rng: np.random.Generator,
    painter: Painter | None = None,
) -> RandomImages:
    """Draw an image of every chosen patch under a random acquisition.

    Parameters
    ----------
    labels : (n, PLANES, PATCH_PX, PATCH_PX) uint8
        `Tissue` of the chosen patches.
    tissues : (n, N_LABELS, 3) float32
        T1, T2 and proton density of their patients.
    choice : Choice
        From `choose`.
    frames : Frames
        From `draw_frames`.
    px : int
        Side of the images; divisible by 4.
    rng : numpy Generator
        Source of randomness.
    painter : Painter, optional
        By default one that draws every kind of sequence.

    Returns
    -------
    RandomImages
        On the CPU.
    """
    n, generator = len(labels), torch.Generator().manual_seed(int(rng.integers(2**31)))
    single = choice.frame == 0
    slices = np.where(single[:, None, None, None], labels[:, 1:4], labels[:, ::2])
    t2 = rng.random(n) < np.where(choice.frame >= FIRST_AXIAL_FRAME, 0.95, 0.55)
    signal = torch.from_numpy((painter or Painter())(slices, tissues, t2, rng))
    mixing = np.where(single, rng.integers(2, 5, n), rng.integers(0, 2, n))
    signal = torch.bmm(_MIXED[mixing], signal.flatten(2)).view(n, 3, PATCH_PX, PATCH_PX)
    grid = _grid(frames, torch.from_numpy(choice.right), px, generator)
    cut = functional.grid_sample(signal, grid, align_corners=False)
    sharpness = torch.from_numpy((0.2 + 0.9 * rng.random((n, 2)) ** 1.5).astype(np.float32)) / PATCH_MM
    cut = blurred(cut, sharpness * px / (2 * frames.half.flip(1)))
    middle = torch.from_numpy(slices[:, 1:2]).float()
    cells = functional.interpolate(grid.permute(0, 3, 1, 2), (px // 4, px // 4), mode="area").permute(
        0, 2, 3, 1
    )
    seen = functional.grid_sample(middle, cells, mode="nearest", align_corners=False)[:, 0].long()
    images = finished(cut, generator)
    images[single] = images[single, 1:2]
    return RandomImages(images, seen, torch.from_numpy(t2))


def _grid(frames: Frames, mirrored: Tensor, px: int, generator: torch.Generator) -> Tensor:
    """Where pixels are taken from, (n, px, px, 2) from -1 to 1: turned a little, bent a little, maybe mirrored."""
    n = len(mirrored)
    turn = rotation(0.09 * torch.randn(n, generator=generator))
    sign = torch.where(mirrored, -1.0, 1.0)
    half, middle = frames.half / (PATCH_PX / 2), (frames.middle + 0.5) / (PATCH_PX / 2) - 1
    matrix = turn * half[:, None] * torch.stack([sign, torch.ones(n)], 1)[..., None]
    grid = AffineSampler(matrix, middle, torch.full((2,), PATCH_PX / 2)).grid(px)
    bend = torch.randn((n, 2, 5, 5), generator=generator) * 0.7 / (PATCH_MM * PATCH_PX / 2)
    bend[:, 0] *= sign[:, None, None]
    bend = functional.interpolate(bend, (px, px), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1)
