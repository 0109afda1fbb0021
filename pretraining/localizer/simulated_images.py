"""Whole sagittal and axial pictures of simulated patients, painted anew for every look."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lsdc.phantom.painter import Painter, blurred, finished
from lsdc.phantom.tissues import N_DISCS, Tissue
from lsdc.pretraining.localizer.label_maps import Sheets
from lsdc.slice_selector.augment import field
from lsdc.slice_selector.network import STRIDE
from lsdc.slice_selector.scanner_pose import draw_pose
from lsdc.slice_selector.training_example import ABSENT, AXIAL_MM, AXIAL_PX, PRESENT, SAGITTAL_MM, SAGITTAL_PX

NEGATIVES = 0.12
"""Share of pictures that show no lumbar spine."""
_ENDS = torch.tensor([0.2, 0.2, 0.3, 0.3])
"""Largest shares by which pictures end early at the top, bottom, left and right."""
_EVEN = 0.35
"""Share of pictures whose discs show no nucleus."""


class Look(NamedTuple):
    """Painted pictures.

    Parameters
    ----------
    pictures : (n, size, size) float
        0 to 255.
    points : (n, channels, 2) float
        Column and row, px.
    state : (n, channels) int64
        As in `Sheets`.
    regions : (n, cells, cells) int64
        As in `Sheets`, for the network's cells; -1 unknown. Axial: nothing.
    """

    pictures: Tensor
    points: Tensor
    state: Tensor
    regions: Tensor


def look(
    sheets: Sheets,
    rows: NDArray[np.int64],
    kind: str,
    rng: np.random.Generator,
    negatives: float = NEGATIVES,
    t2: bool | None = None,
) -> Look:
    """Paint pictures of some sheets as some scanner would show them, some of them without a lumbar spine.

    Parameters
    ----------
    sheets : Sheets
        All of the kind.
    rows : (n,) int
        Which.
    kind : str
        `sagittal` or `axial`.
    rng : numpy Generator
        Source of chance.
    negatives : float
        Share of pictures that are turned into something else.
    t2 : bool, optional
        Whether they are T2-weighted; default: at random.

    Returns
    -------
    Look
        PRESENT points that are outside have become ABSENT.
    """
    n, generator = len(rows), torch.Generator().manual_seed(int(rng.integers(2**31)))
    size, mm = (SAGITTAL_PX, SAGITTAL_MM) if kind == "sagittal" else (AXIAL_PX, AXIAL_MM)
    heavy = rng.random(n) < (0.55 if kind == "sagittal" else 0.97)
    heavy = heavy if t2 is None else np.full(n, t2)
    labels = _even_discs(sheets.labels[rows], rng) if kind == "sagittal" else sheets.labels[rows]
    painted = Painter()(labels, sheets.tissues[sheets.patient[rows]], heavy, rng)
    signal = torch.from_numpy(painted).mean(1, keepdim=True)
    points = sheets.millimeters(rows)
    pose = draw_pose(points, sheets.half, kind, mm, rng)
    grid = pose.grid(size)
    pictures, shown = _acquired(functional.grid_sample(signal, grid, align_corners=False), rng, generator)
    moved, state = pose.moved(points, size), torch.from_numpy(sheets.state[rows].astype(np.int64))
    if kind == "axial":
        moved = torch.where(pose.mirrored[:, None, None], moved.flip(1), moved)
    state = torch.where((state == PRESENT) & ~_lit(moved, shown), ABSENT, state)
    other = torch.from_numpy(rng.random(n) < negatives)
    pictures[other] = _something_else(pictures[other], rng)
    state[other] = ABSENT
    regions = torch.zeros((n, 0, 0), dtype=torch.int64)
    if kind == "sagittal":
        regions = _of_cells(sheets.regions[rows], grid) * (shown[:, 1::STRIDE, 1::STRIDE] > 0)
        regions[other] = -1
    return Look(pictures, moved, state, regions)


def _acquired(cut: Tensor, rng: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures (n, size, size), 0 to 255, of signals (n, 1, size, size), and where they show anything."""
    n, size = cut.shape[0], cut.shape[-1]
    cut = blurred(cut, torch.from_numpy((0.15 + 0.75 * rng.random((n, 2)) ** 1.5).astype(np.float32)))
    cut = cut * _band(n, size, generator)
    sample = cut[:, 0, ::4, ::4].flatten(1).sort(dim=1).values
    place = rng.uniform(0.955, 0.998, n) * (sample.shape[1] - 1)
    bright = sample[torch.arange(n), torch.from_numpy(place.astype(np.int64))]
    shown = field(n, size, generator, _ENDS, chance=0.3)
    pictures = finished(cut / bright.clamp_min(0.02).view(n, 1, 1, 1), generator, gain=(0.7, 1.4))
    return pictures[:, 0] * shown, shown


def _lit(points: Tensor, shown: Tensor) -> Tensor:
    """Whether points (n, m, 2) px are where the pictures (n, size, size) show anything, (n, m)."""
    size, cell = shown.shape[-1], points.nan_to_num(-1.0).round().long()
    inside = ((cell >= 0) & (cell < size)).all(-1)
    cell = cell.clamp(0, size - 1)
    return inside & (shown[torch.arange(len(cell))[:, None], cell[..., 1], cell[..., 0]] > 0)


def _of_cells(regions: NDArray[np.uint8], grid: Tensor) -> Tensor:
    """Regions (n, rows, columns) at the middles of the network's cells, (n, cells, cells) int64."""
    size = grid.shape[1]
    middle = slice(STRIDE // 2 - 1, STRIDE // 2 + 1)
    cells = grid.unflatten(1, (size // STRIDE, STRIDE)).unflatten(3, (size // STRIDE, STRIDE))
    places = cells[:, :, middle, :, middle].mean((2, 4))
    here = torch.from_numpy(regions)[:, None].float()
    # Of each two pixels of a side the first was kept.
    places = places + 0.5 / torch.tensor([regions.shape[-1], regions.shape[-2]])
    return functional.grid_sample(here, places, "nearest", align_corners=False)[:, 0].long()


def _even_discs(labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take the nuclei out of the discs of some pictures (n, halves, rows, columns): many real discs show none."""
    without = np.arange(256, dtype=np.uint8)
    without[Tissue.NUCLEUS : Tissue.NUCLEUS + N_DISCS] = Tissue.ANNULUS + np.arange(N_DISCS)
    even = rng.random(len(labels)) < _EVEN
    return np.where(even[:, None, None, None], without[labels], labels)


def _band(n: int, size: int, generator: torch.Generator) -> Tensor:
    """A coil that sees the back best, and now and then a saturated band in front; (n, 1, size, size)."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator)

    cells = torch.linspace(0, 1, size)
    across, down = cells.view(1, 1, 1, -1), cells.view(1, 1, -1, 1)
    reach = torch.exp(draw(-1.2, 1.5))
    near = 1 / (1 + ((1 - across).clamp_min(0) / reach / 1.2) ** 2)
    ends = torch.exp(-draw(0, 1.2) * (2 * down - 1).abs() ** 3)
    place = draw(0.1, 0.5) + 0.25 * (draw(0, 1) - 0.5) * (down - 0.5)
    saturated = 1 - (draw(0, 1) < 0.4) * draw(0.3, 0.97) * torch.sigmoid((place - across) / draw(0.005, 0.05))
    return near * ends * saturated


def _something_else(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """No lumbar spine: scrambled pieces, smooth blobs, noise, a far corner, a picture laid on its side."""
    made = []
    for picture in pictures:
        size = picture.shape[-1]
        kind = int(rng.integers(5))
        if kind == 0:
            n = int(rng.choice([3, 4, 6]))
            pieces = picture[: size // n * n, : size // n * n].unflatten(0, (n, -1)).unflatten(2, (n, -1))
            pieces = pieces.permute(0, 2, 1, 3).flatten(0, 1)[torch.from_numpy(rng.permutation(n * n))]
            other = pieces.unflatten(0, (n, n)).permute(0, 2, 1, 3).flatten(2, 3).flatten(0, 1)
            picture = functional.interpolate(other[None, None], (size, size), mode="bilinear")[0, 0]
        elif kind == 1:
            cells = int(rng.choice([4, 8, 16]))
            coarse = torch.from_numpy(rng.random((1, 1, cells, cells), np.float32))
            picture = functional.interpolate(coarse, (size, size), mode="bicubic")[0, 0].clamp(0, 1) * 255
        elif kind == 2:
            picture = torch.from_numpy(rng.random((size, size), np.float32)) * float(rng.uniform(1, 255))
        elif kind == 3:
            corner = (
                picture[: size // 4, : size // 4]
                if rng.random() < 0.5
                else picture[-size // 4 :, : size // 4]
            )
            picture = functional.interpolate(corner[None, None], (size, size), mode="bilinear")[0, 0]
        else:
            picture = torch.rot90(picture, int(rng.choice([1, 3])))
        made.append(picture)
    return torch.stack(made) if made else pictures
