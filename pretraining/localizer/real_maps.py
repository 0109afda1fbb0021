"""Real mid-sagittal pictures laid out as the label maps are, and training images of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from lsdc.cohort.vocabulary import Level
from lsdc.pretraining.localizer.map_drawing import MAP_MM, PIXEL_MM
from lsdc.pretraining.localizer.scanner_pose import MIDDLE_MM, draw_pose
from lsdc.pretraining.localizer.simulated_images import SIZES, SimulatedImages, cell_classes, is_shown
from lsdc.pretraining.mask_reading import NO_CLASS, pixel_classes
from lsdc.pretraining.real_pictures import MidlinePicture, RealPictures
from lsdc.slice_selector.augment import repaint
from lsdc.slice_selector.heatmap_decoding import STRIDE
from lsdc.slice_selector.square_images import ABSENT, PRESENT, UNKNOWN

_LEVELS = len(Level)


@dataclass(frozen=True)
class RealMaps:
    """Real slices on the canvas of sagittal label maps, with the canal's points.

    Parameters
    ----------
    gray : (n, rows, columns) uint8
        Pixels of `PIXEL_MM`; 0 beyond the slice. The middle of the slice lies where the middles of simulated images
        lie on average.
    points : (n, 10, 2) float32
        Column and row, px; those of the foramina are NaN.
    state : (n, 10) int8
        The canal's are `PRESENT`. Foramina are `ABSENT` where discs were drawn, and else `UNKNOWN`.
    classes : (n, ceil(rows / 2), ceil(columns / 2)) uint8
        As in `LabelMaps`; `NO_CLASS` unknown.
    drawn : (n,) bool
        Whether somebody drew the discs; the points of the others were found by the bundled localizer.
    """

    gray: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]
    classes: NDArray[np.uint8]
    drawn: NDArray[np.bool_]

    @classmethod
    def of(cls, pictures: RealPictures) -> Self:
        """Lay out all slices of some pictures.

        Parameters
        ----------
        pictures : RealPictures
            Of the training patients; at least one slice.

        Returns
        -------
        RealMaps
            In the same order.
        """
        gray, points, state, classes, drawn = zip(*(_laid_out(picture) for picture in pictures.slices))
        return cls(
            np.stack(gray), np.stack(points).astype(np.float32), np.stack(state), np.stack(classes), np.array(drawn)
        )  # fmt: skip

    def draw(self, n: int, rng: np.random.Generator) -> SimulatedImages:
        """Draw training images: turned, bent, of false size, under another contrast.

        Parameters
        ----------
        n : int
            How many; as many of drawn discs as of others, where there are both.
        rng : numpy Generator
            Source of randomness.

        Returns
        -------
        SimulatedImages
            As of label maps; they are sagittal.
        """
        size, mm = SIZES["sagittal"]
        drawn, others = self.drawn / max(self.drawn.sum(), 1), ~self.drawn / max((~self.drawn).sum(), 1)
        rows = rng.choice(len(self.gray), n, p=(drawn + others) / (drawn + others).sum())
        half = torch.tensor([self.gray.shape[2], self.gray.shape[1]]) * PIXEL_MM / 2
        points = (torch.from_numpy(self.points[rows]) + 0.5) * PIXEL_MM - half
        pose = draw_pose(points, half, "sagittal", mm, rng)
        grid = pose.grid(size)
        gray = torch.from_numpy(self.gray[rows])[:, None].float() / 255
        images = functional.grid_sample(gray, grid, align_corners=False)[:, 0]
        images = repaint(images, torch.Generator().manual_seed(int(rng.integers(2**31)))) * 255
        # Where an image ends early, whole rows and columns are black.
        shown = (images > 0).any(2)[:, :, None] & (images > 0).any(1)[:, None]
        moved = pose.moved(points, size)
        state = torch.from_numpy(self.state[rows].astype(np.int64))
        state = torch.where((state == PRESENT) & ~is_shown(moved, shown), ABSENT, state)
        classes = cell_classes(self.classes[rows], grid, outside=NO_CLASS)
        classes = torch.where(classes == NO_CLASS, -1, classes * shown[:, 1::STRIDE, 1::STRIDE])
        return SimulatedImages(images, moved, state, classes)


def _laid_out(picture: MidlinePicture) -> tuple[NDArray, NDArray, NDArray[np.int8], NDArray, bool]:
    columns_mm, rows_mm = MAP_MM
    row_mm, column_mm = picture.spacing
    rows, columns = picture.pixels.shape
    # Column and row, px of the slice, of the canvas's first corner.
    left = columns / 2 - (columns_mm / 2 + MIDDLE_MM["sagittal"][0]) / column_mm
    top = rows / 2 - (rows_mm / 2 + MIDDLE_MM["sagittal"][1]) / row_mm
    box = left, top, left + columns_mm / column_mm, top + rows_mm / row_mm
    size = round(columns_mm / PIXEL_MM), round(rows_mm / PIXEL_MM)
    low, high = np.percentile(picture.pixels, [1, 99.5])
    gray = ((picture.pixels - low) * (255.0 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
    canvas = _transformed(gray, size, box, Image.Resampling.BILINEAR)
    points = np.full((2 * _LEVELS, 2), np.nan)
    points[:_LEVELS] = ((picture.canal + 0.5 - (left, top)) * (column_mm, row_mm)) / PIXEL_MM - 0.5
    drawn = picture.mask is not None
    state = np.repeat(np.array([PRESENT, ABSENT if drawn else UNKNOWN], np.int8), _LEVELS)
    classes = np.full(picture.pixels.shape, NO_CLASS, np.uint8)
    if picture.mask is not None:
        classes = pixel_classes(picture.mask, picture.spacing)
    # Beyond the slice nothing is known: 0 becomes `NO_CLASS` by turning the gray scale round.
    shown = NO_CLASS - _transformed(NO_CLASS - classes, size, box, Image.Resampling.NEAREST)
    return canvas, points, state, shown[::2, ::2], drawn


def _transformed(
    pixels: NDArray[np.uint8],
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    resample: Image.Resampling,
) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).transform(size, Image.Transform.EXTENT, box, resample))
