"""Random changes to crops that a grade should not depend on, in batches on any device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augment:
    """How much crops are changed; draw and apply in one call, repeatable through the generator.

    Parameters
    ----------
    shift : float
        Largest displacement, share of the output's side.
    zoom : float
        Largest change of scale, share.
    turn : float
        Largest rotation, degrees.
    gamma : float
        Largest factor by which the exponent of the gray scale grows or shrinks.
    noise : float
        Largest standard deviation, share of the gray scale.
    blur : float
        Largest factor by which the resolution is lowered.
    """

    shift: float = 0.08
    zoom: float = 0.12
    turn: float = 10.0
    gamma: float = 1.6
    noise: float = 0.06
    blur: float = 2.5

    def __call__(self, pictures: Tensor, axial: Tensor, px: int, generator: torch.Generator) -> Tensor:
        """Change a batch.

        Parameters
        ----------
        pictures : (n, 3, Q, Q) uint8
            Crops with a margin around the square that is wanted, Q >= px.
        axial : (n,) bool
            Axial crops are flipped left to right, in sagittal ones the neighbors swap.
        px : int
            Side of the square wanted.
        generator : torch.Generator
            Of the same device.

        Returns
        -------
        (n, 3, px, px) float32
            In 0..255.
        """

        def draw(*shape: int) -> Tensor:
            return torch.rand(len(pictures), *shape, generator=generator, device=pictures.device) * 2 - 1

        flip = draw() > 0
        swapped = flip & ~axial
        pictures = pictures.clone()
        pictures[swapped] = pictures[swapped].flip(1)
        grid = self._grid(draw(4), flip & axial, pictures.shape[-1], px)
        gray = functional.grid_sample(pictures.float() / 255, grid, align_corners=False)
        gray = self._blur(gray, draw(2))
        gray = gray.clamp(0, 1) ** (self.gamma ** draw(1, 1, 1))
        gray = (gray * (1 + 0.25 * draw(1, 1, 1)) + 0.12 * draw(1, 1, 1)) * (1 + self._bias(draw(2), px))
        grain = torch.randn(gray.shape, generator=generator, device=gray.device)
        return (gray + grain * self.noise * draw(1, 1, 1).abs()).clamp(0, 1) * 255

    def _grid(self, drawn: Tensor, flip: Tensor, margin_px: int, px: int) -> Tensor:
        scale = px / margin_px * (1 + self.zoom * drawn[:, 0])
        angle = torch.deg2rad(self.turn * drawn[:, 1])
        shift = 2 * self.shift * px / margin_px * drawn[:, 2:]
        cos, sin = scale * angle.cos(), scale * angle.sin()
        sign = 1 - 2 * flip.float()
        across = torch.stack([cos, -sin, shift[:, 0]], 1) * sign[:, None]
        theta = torch.stack([across, torch.stack([sin, cos, shift[:, 1]], 1)], 1)
        return functional.affine_grid(theta, [len(drawn), 1, px, px], align_corners=False)

    def _blur(self, gray: Tensor, drawn: Tensor) -> Tensor:
        """Lower the resolution of about every other picture, by one factor per batch."""
        chosen = drawn[:, 0] > 0
        size = int(gray.shape[-1] / (1 + (self.blur - 1) * float(drawn[0, 1].abs())))
        coarse = functional.interpolate(gray[chosen], size=(size, size), mode="bilinear", antialias=True)
        gray[chosen] = functional.interpolate(coarse, size=gray.shape[-2:], mode="bilinear")
        return gray

    def _bias(self, drawn: Tensor, px: int) -> Tensor:
        ramp = torch.linspace(-1, 1, px, device=drawn.device)
        slope = 0.3 * drawn
        return (slope[:, 0, None, None] * ramp[:, None] + slope[:, 1, None, None] * ramp)[:, None]


def middle(pictures: Tensor, px: int) -> Tensor:
    """The wanted square without any change: the middle of crops that have a margin; float32 in 0..255.

    >>> middle(torch.ones(1, 3, 8, 8, dtype=torch.uint8), 6).shape
    torch.Size([1, 3, 6, 6])
    """
    start = (pictures.shape[-1] - px) // 2
    return pictures[..., start : start + px, start : start + px].float()
