"""Crops of real pictures, each under two changes of place and finish, with what readers noted of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from lsdc.phantom.finishing import blurred, finished
from lsdc.pretraining.real_pictures import GRADINGS, DiscPicture, MidlinePicture, RealPictures
from lsdc.slice_selector.affine_sampler import rotation

SIDE_PX = 128
"""Side of the patches that crops are cut from, px."""
_PATCH_MM = 84.0
"""What a patch of a whole slice shows."""
_AHEAD_MM = 22.0
"""From the canal's point to the middle of the disc."""
_MARGIN = 0.08
"""Spread of what the edges of a tight crop are moved inward, as a fraction of its side."""
_SQUARES_MM = (64.0, 48.0)
"""Sides of the squares around the canal and around the disc."""
_BOX_MM = ((17.0, 24.0), (8.0, 15.0))
"""Half of the width and of the height of boxes around discs."""
_GAIN = (0.6, 1.6)
"""Least and greatest brightness."""
_BRIGHT, _LEAST_BRIGHT = 0.98, 0.1
"""Quantile of a crop's gray values that counts as bright, and its least value."""


@dataclass(frozen=True)
class RealBatch:
    """Images of real crops; the second half shows the same crops as the first, under other changes.

    Parameters
    ----------
    images : (2n, 3, px, px) Tensor of uint8
        Gray values.
    gradings : (2n, len(GRADINGS)) Tensor of float32
        0 or 1; NaN where nobody noted it.
    t2 : (2n,) Tensor of bool
        Whether an image is T2-weighted.
    """

    images: Tensor
    gradings: Tensor
    t2: Tensor


@dataclass(frozen=True)
class RealCrops:
    """Patches around real discs, from which crops are drawn.

    Parameters
    ----------
    patches : (n, SIDE_PX, SIDE_PX) uint8
        A tight crop of a disc, stretched; or a square of a slice, `_PATCH_MM` wide, around the middle between the
        disc and the canal.
    tight : (n,) bool
        Whether a patch is a tight crop.
    canal, disc : (n, 2) float32
        Column and row, px of the patch; without meaning for tight crops.
    gradings : (n, len(GRADINGS)) float32
        0 or 1; NaN where nobody noted it.
    t2 : (n,) bool
        Whether a patch is T2-weighted.
    """

    patches: NDArray[np.uint8]
    tight: NDArray[np.bool_]
    canal: NDArray[np.float32]
    disc: NDArray[np.float32]
    gradings: NDArray[np.float32]
    t2: NDArray[np.bool_]

    @classmethod
    def of(cls, pictures: RealPictures) -> Self:
        """Cut patches around all discs of some pictures.

        Parameters
        ----------
        pictures : RealPictures
            Of the training patients.

        Returns
        -------
        RealCrops
            One patch per tight crop, and five per whole slice.
        """
        rows = [_tight(picture) for picture in pictures.discs]
        rows += [
            _around(picture, level) for picture in pictures.slices for level in range(len(picture.canal))
        ]
        patches, tight, canal, disc, gradings, t2 = zip(*rows)
        return cls(
            np.stack(patches), np.array(tight), np.array(canal, np.float32), np.array(disc, np.float32),
            np.array(gradings, np.float32), np.array(t2),
        )  # fmt: skip

    def frequencies(self) -> NDArray[np.float64]:
        """Weigh patches for drawing: what is rare more often, tight crops as often as all others together.

        Returns
        -------
        (n,) float64
            Sums to 1.
        """
        known = np.nan_to_num(self.gradings).astype(np.float64)
        rare = 1.0 + 3 * known[:, GRADINGS.index("herniation")] + known[:, GRADINGS.index("narrowing")]
        rare = (
            rare + 2 * known[:, GRADINGS.index("spondylolisthesis")] + known[:, GRADINGS.index("modic_any")]
        )
        for part in (self.tight, ~self.tight):
            rare[part] /= max(rare[part].sum(), 1e-9)
        return np.asarray(rare / rare.sum())

    def batch(self, n: int, px: int, rng: np.random.Generator) -> RealBatch:
        """Draw crops, each under two changes of place and finish.

        Parameters
        ----------
        n : int
            Number of crops; the batch has 2n images.
        px : int
            Side of the images.
        rng : numpy Generator
            Source of randomness.

        Returns
        -------
        RealBatch
            On the CPU.
        """
        rows = rng.choice(len(self.patches), n, p=self.frequencies())
        kind = np.where(self.tight[rows], 0, rng.integers(1, 4, n))
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        images = torch.cat([self._draw(rows, kind, px, rng, generator) for _ in range(2)])
        gradings, t2 = torch.from_numpy(self.gradings[rows]), torch.from_numpy(self.t2[rows])
        return RealBatch(images, torch.cat([gradings, gradings]), torch.cat([t2, t2]))

    def _draw(
        self,
        rows: NDArray[np.int64],
        kind: NDArray[np.int64],
        px: int,
        rng: np.random.Generator,
        generator: torch.Generator,
    ) -> Tensor:
        """Draw images (n, 3, px, px) uint8: tight crops (0), squares around canal (1) or disc (2), boxes (3)."""
        n, scale = len(rows), SIDE_PX / _PATCH_MM
        middle, half = np.full((n, 2), (SIDE_PX - 1) / 2), np.full((n, 2), SIDE_PX / 2)
        tight = kind == 0
        half[tight] *= 1 - np.abs(rng.normal(0, _MARGIN, (tight.sum(), 2)))
        middle[tight] += rng.uniform(-1, 1, (tight.sum(), 2)) * (SIDE_PX / 2 - half[tight])
        middle[~tight] = self.disc[rows[~tight]] + rng.normal(0, 1.5 * scale, ((~tight).sum(), 2))
        for number, side in enumerate(_SQUARES_MM, start=1):
            half[kind == number] = side * scale / 2
        canal = kind == 1
        middle[canal] = self.canal[rows[canal]] + rng.normal(0, 2.0 * scale, (canal.sum(), 2))
        boxes = kind == 3
        half[boxes] = scale * np.stack([rng.uniform(*range_, boxes.sum()) for range_ in _BOX_MM], 1)
        half[~tight] *= np.exp(
            rng.normal(0, 0.10, ((~tight).sum(), 1)) + rng.normal(0, 0.03, ((~tight).sum(), 2))
        )
        angle = torch.from_numpy(rng.normal(0, 0.06, n).astype(np.float32))
        matrix = rotation(angle) * torch.from_numpy(half / (SIDE_PX / 2)).float()[:, None]
        shift = torch.from_numpy((middle + 0.5) / (SIDE_PX / 2) - 1).float()
        grid = functional.affine_grid(
            torch.cat([matrix, shift[..., None]], 2), [n, 1, px, px], align_corners=False
        )
        patches = torch.from_numpy(self.patches[rows])[:, None].float() / 255
        cut = functional.grid_sample(patches, grid, padding_mode="border", align_corners=False)
        cut = blurred(cut, torch.from_numpy((0.9 * rng.random((n, 2)) ** 1.5).astype(np.float32)))
        # Noise is relative to what is bright on the crop: some pictures are dark.
        bright = cut.flatten(1).quantile(_BRIGHT, 1).clamp_min(_LEAST_BRIGHT).view(n, 1, 1, 1)
        images = finished(cut / bright, generator, _GAIN) * bright.clamp_max(1)
        return images.byte().expand(-1, 3, -1, -1).contiguous()


_Row = tuple[NDArray[np.uint8], bool, NDArray, NDArray, NDArray[np.float32], bool]


def _tight(picture: DiscPicture) -> _Row:
    pixels = np.asarray(Image.fromarray(picture.pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR))
    nowhere = np.zeros(2)
    return pixels, True, nowhere, nowhere, picture.gradings, picture.t2


def _around(picture: MidlinePicture, level: int) -> _Row:
    """Cut a square around a level, in the gray window of its slice."""
    mm = picture.canal * picture.spacing[::-1]
    along = np.gradient(mm, axis=0)[level]
    ahead = np.array([-along[1], along[0]]) / np.linalg.norm(along) * _AHEAD_MM
    middle, scale = mm[level] + ahead / 2, SIDE_PX / _PATCH_MM
    box = np.concatenate([middle - _PATCH_MM / 2, middle + _PATCH_MM / 2]) / np.tile(picture.spacing[::-1], 2)
    low, high = np.percentile(picture.pixels, [1, 99.5])
    gray = ((picture.pixels - low) * (255.0 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
    patch = Image.fromarray(gray).transform(
        (SIDE_PX, SIDE_PX), Image.Transform.EXTENT, tuple(box), Image.Resampling.BILINEAR
    )
    canal, disc = (SIDE_PX / 2 - 0.5 + side * ahead / 2 * scale for side in (-1, 1))
    return np.asarray(patch), False, canal, disc, picture.gradings[level], picture.t2
