"""Whole sagittal and axial images of simulated patients, painted anew under another acquisition every time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lsdc.phantom.finishing import blurred, finished
from lsdc.phantom.painter import Painter
from lsdc.phantom.tissues import N_DISCS, Tissue
from lsdc.pretraining.localizer.label_maps import LabelMaps
from lsdc.pretraining.localizer.negatives import without_spine
from lsdc.pretraining.localizer.scanner_pose import draw_pose
from lsdc.slice_selector.augment import field_of_view
from lsdc.slice_selector.heatmap_decoding import STRIDE
from lsdc.slice_selector.square_images import ABSENT, AXIAL_MM, AXIAL_PX, PRESENT, SAGITTAL_MM, SAGITTAL_PX

NEGATIVES = 0.12
"""Fraction of training images that show no lumbar spine."""
SIZES = {"sagittal": (SAGITTAL_PX, SAGITTAL_MM), "axial": (AXIAL_PX, AXIAL_MM)}
"""Side of the images, px and mm."""
_T2 = {"sagittal": 0.55, "axial": 0.97}
"""Fraction of images that are T2-weighted."""
_ENDS = torch.tensor([0.2, 0.2, 0.3, 0.3])
"""Largest fractions by which images end early at the top, bottom, left and right."""
_NO_NUCLEI = 0.35
"""Fraction of images whose discs show no nucleus."""


class SimulatedImages(NamedTuple):
    """Painted images, and what is known of them; in the order that `point_loss` takes.

    Parameters
    ----------
    images : (n, size, size) Tensor of float
        Gray values from 0 to 255.
    points : (n, channels, 2) Tensor of float
        Column and row, px.
    state : (n, channels) Tensor of int64
        `UNKNOWN`, `PRESENT` or `ABSENT`.
    classes : (n, cells, cells) Tensor of int64
        Vertebra or disc that each of the network's cells shows, 0 elsewhere, -1 unknown. Axial images have none:
        (n, 0, 0).
    """

    images: Tensor
    points: Tensor
    state: Tensor
    classes: Tensor


def draw_images(
    maps: LabelMaps,
    rows: NDArray[np.int64],
    kind: str,
    rng: np.random.Generator,
    negatives: float = NEGATIVES,
    t2: bool | None = None,
) -> SimulatedImages:
    """Paint images of some label maps as some scanner would show them.

    Parameters
    ----------
    maps : LabelMaps
        All of the kind.
    rows : (n,) int
        Which of them.
    kind : str
        `sagittal` or `axial`.
    rng : numpy Generator
        Source of randomness; the same state gives the same images.
    negatives : float, default 0.12
        Fraction of images that are turned into something that is no lumbar spine.
    t2 : bool, optional
        Whether the images are T2-weighted; by default that is drawn.

    Returns
    -------
    SimulatedImages
        Points that the image does not reach have become `ABSENT`.
    """
    n, generator = len(rows), torch.Generator().manual_seed(int(rng.integers(2**31)))
    size, mm = SIZES[kind]
    heavy = rng.random(n) < _T2[kind]
    heavy = heavy if t2 is None else np.full(n, t2)
    labels = maps.labels[rows]
    labels = _without_some_nuclei(labels, rng) if kind == "sagittal" else labels
    painted = Painter()(labels, maps.tissues[maps.patient[rows]], heavy, rng)
    signal = torch.from_numpy(painted).mean(1, keepdim=True)
    points = maps.millimeters(rows)
    pose = draw_pose(points, maps.half, kind, mm, rng)
    grid = pose.grid(size)
    sampled = functional.grid_sample(signal, grid, align_corners=False)
    images, shown = _acquired(sampled, rng, generator)
    moved, state = pose.moved(points, size), torch.from_numpy(maps.state[rows].astype(np.int64))
    if kind == "axial":
        # The channels are the patient's sides, which a mirrored image shows the other way round.
        moved = torch.where(pose.mirrored[:, None, None], moved.flip(1), moved)
    state = torch.where((state == PRESENT) & ~is_shown(moved, shown), ABSENT, state)
    other = torch.from_numpy(rng.random(n) < negatives)
    images[other] = without_spine(images[other], rng)
    state[other] = ABSENT
    classes = torch.zeros((n, 0, 0), dtype=torch.int64)
    if kind == "sagittal":
        classes = cell_classes(maps.classes[rows], grid) * (shown[:, 1::STRIDE, 1::STRIDE] > 0)
        classes[other] = -1
    return SimulatedImages(images, moved, state, classes)


def _acquired(signal: Tensor, rng: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Gray values (n, size, size) of signals (n, 1, size, size), and where they show anything (n, size, size)."""
    n, size = signal.shape[0], signal.shape[-1]
    sigma = torch.from_numpy((0.15 + 0.75 * rng.random((n, 2)) ** 1.5).astype(np.float32))
    signal = blurred(signal, sigma) * _sensitivity(n, size, generator)
    sample = signal[:, 0, ::4, ::4].flatten(1).sort(dim=1).values
    rank = rng.uniform(0.955, 0.998, n) * (sample.shape[1] - 1)
    bright = sample[torch.arange(n), torch.from_numpy(rank.astype(np.int64))]
    shown = field_of_view(n, size, generator, _ENDS, probability=0.3)
    images = finished(signal / bright.clamp_min(0.02).view(n, 1, 1, 1), generator, gain=(0.7, 1.4))
    return images[:, 0] * shown, shown


def is_shown(points: Tensor, shown: Tensor) -> Tensor:
    """Tell whether points are where images show anything.

    Parameters
    ----------
    points : (n, m, 2) Tensor of float
        Column and row, px; NaN is nowhere.
    shown : (n, size, size) Tensor
        Above 0 where the image shows anything.

    Returns
    -------
    (n, m) Tensor of bool
        False beyond the image too.
    """
    size, cell = shown.shape[-1], points.nan_to_num(-1.0).round().long()
    inside = ((cell >= 0) & (cell < size)).all(-1)
    cell = cell.clamp(0, size - 1)
    return inside & (shown[torch.arange(len(cell))[:, None], cell[..., 1], cell[..., 0]] > 0)


def cell_classes(classes: NDArray[np.uint8], grid: Tensor, outside: int = 0) -> Tensor:
    """Find the classes at the middles of the network's cells.

    Parameters
    ----------
    classes : (n, rows, columns) uint8
        Of every other pixel of maps, the first of each two.
    grid : (n, size, size, 2) Tensor of float
        Where the pixels of images are taken from, from -1 to 1 at the edges of the maps.
    outside : int, default 0
        Class beyond the maps.

    Returns
    -------
    (n, size / STRIDE, size / STRIDE) Tensor of int64
        Of the nearest pixel.
    """
    size = grid.shape[1]
    middle = slice(STRIDE // 2 - 1, STRIDE // 2 + 1)
    cells = grid.unflatten(1, (size // STRIDE, STRIDE)).unflatten(3, (size // STRIDE, STRIDE))
    places = cells[:, :, middle, :, middle].mean((2, 4))
    # Beyond its edges `grid_sample` gives 0.
    here = outside - torch.from_numpy(classes)[:, None].float()
    # Of each two pixels of a side the first was kept.
    places = places + 0.5 / torch.tensor([classes.shape[-1], classes.shape[-2]])
    return outside - functional.grid_sample(here, places, "nearest", align_corners=False)[:, 0].long()


def _without_some_nuclei(labels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take the nuclei out of the discs of some images (n, halves, rows, columns): many real discs show none."""
    without = np.arange(256, dtype=np.uint8)
    without[Tissue.NUCLEUS : Tissue.NUCLEUS + N_DISCS] = Tissue.ANNULUS + np.arange(N_DISCS)
    even = rng.random(len(labels)) < _NO_NUCLEI
    return np.where(even[:, None, None, None], without[labels], labels)


def _sensitivity(n: int, size: int, generator: torch.Generator) -> Tensor:
    """Draw a coil that sees the back best, and in some a saturated band in front; (n, 1, size, size)."""

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
