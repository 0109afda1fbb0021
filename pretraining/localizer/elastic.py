"""Random deformations of planes and of the points on them: stretched, hinged at a disc, discs pinched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_KNOTS_MM, _STRETCH_MM = 55.0, 3.5
"""Distance of the knots of the smooth displacement, and its spread at a knot, mm."""
_HINGE, _SLIP_MM, _ZONE_MM = 0.16, 2.5, 12.0
"""Spread of the angle (radians) and of the slip at a hinge, and how far around it tissue gives way, mm."""
_LAST_DISC = 0.4
"""Fraction of hinges that are put to the last disc; the others are spread over all."""
_PINCH, _PINCHED_MM = (-0.2, 0.6), 7.0
"""By how much more than its surroundings a disc is lowered, and how far around its middle, mm."""
_STEPS = 25
"""Iterations of the inverse."""


@dataclass(frozen=True)
class Warp:
    """Displacements of n planes, mm; the middle of a plane is the origin, columns come first.

    Parameters
    ----------
    half : (2,) Tensor of float
        Half of the planes' sides (columns, rows), mm.
    knots : (n, 2, rows, columns) Tensor of float
        Smooth displacement at a coarse grid over the plane, mm.
    hinge : (n, 2) Tensor of float
        Point about which what lies below is turned, mm.
    angle : (n,) Tensor of float
        By how much it is turned, radians.
    slip : (n,) Tensor of float
        How far what lies below the hinge is moved to the right, mm.
    discs, along : (n, m, 2) Tensor of float
        Points behind the discs, mm, and unit vectors along the line of these points there.
    pinch : (n, m) Tensor of float
        By how much more than its surroundings a disc is lowered, relative to its height.
    """

    half: Tensor
    knots: Tensor
    hinge: Tensor
    angle: Tensor
    slip: Tensor
    discs: Tensor
    along: Tensor
    pinch: Tensor

    def __call__(self, places: Tensor) -> Tensor:
        """Compute where the image at some places is taken from.

        Parameters
        ----------
        places : (n, m, 2) Tensor of float
            Column and row on the deformed plane, mm.

        Returns
        -------
        (n, m, 2) Tensor of float
            Column and row on the plane, mm.
        """
        return self._pinched(self._bent(places))

    def back(self, points: Tensor) -> Tensor:
        """Compute where points of the plane are on the deformed one: the inverse, by fixed-point iteration.

        Parameters
        ----------
        points : (n, m, 2) Tensor of float
            Column and row on the plane, mm; NaN stays NaN.

        Returns
        -------
        (n, m, 2) Tensor of float
            Column and row on the deformed plane, mm.
        """
        places = points.nan_to_num(0.0)
        for step in (self._pinched, self._bent):
            wanted = places
            for _ in range(_STEPS):
                places = places - (step(places) - wanted)
        return torch.where(points.isfinite(), places, points)

    def _bent(self, places: Tensor) -> Tensor:
        """Apply the smooth displacement and the hinge."""
        smooth = functional.grid_sample(
            self.knots, (places / self.half)[:, None], "bicubic", "border", align_corners=True
        )[:, :, 0].transpose(1, 2)
        from_hinge = places - self.hinge[:, None]
        below = torch.sigmoid(from_hinge[..., 1] / _ZONE_MM)[..., None]
        cos, sin = torch.cos(self.angle)[:, None], torch.sin(self.angle)[:, None]
        x, y = from_hinge.unbind(-1)
        turned = torch.stack([cos * x - sin * y + self.slip[:, None], sin * x + cos * y], -1)
        return places + smooth + below * (turned - from_hinge)

    def _pinched(self, places: Tensor) -> Tensor:
        """Apply the lowering of the discs, one after the other."""
        moved = places
        for disc, axis, pinch in zip(self.discs.unbind(1), self.along.unbind(1), self.pinch.unbind(1)):
            height = ((places - disc[:, None]) * axis[:, None]).sum(-1)
            far = pinch[:, None] * height * torch.exp(-0.5 * (height / _PINCHED_MM) ** 2)
            moved = moved + far[..., None] * axis[:, None]
        return moved


def draw_warp(points: Tensor, half: Tensor, rng: np.random.Generator) -> Warp:
    """Draw a warp for each plane, hinged at one of its discs, most often at the last.

    Parameters
    ----------
    points : (n, m, 2) Tensor of float
        Column and row of points behind the discs, head to foot, mm from the middle of the plane.
    half : (2,) Tensor of float
        Half of the planes' sides (columns, rows), mm.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Warp
        Of n planes.
    """
    n, m = points.shape[:2]
    columns, rows = (2 + int(side) for side in 2 * half / _KNOTS_MM)
    which = np.where(rng.random(n) < _LAST_DISC, m - 1, rng.integers(m, size=n))
    draws = (
        rng.normal(0, _STRETCH_MM, (n, 2, rows, columns)),
        rng.normal(0, [_HINGE, _SLIP_MM], (n, 2)),
        rng.uniform(*_PINCH, (n, 1)) + rng.normal(0, 0.1, (n, m)),
    )
    knots, hinged, pinch = (torch.from_numpy(draw.astype(np.float32)) for draw in draws)
    hinge = points[torch.arange(n), torch.from_numpy(which)]
    along = functional.normalize(torch.gradient(points, dim=1, edge_order=2)[0], dim=-1)
    return Warp(half, knots, hinge, hinged[:, 0], hinged[:, 1], points, along, pinch.clamp(*_PINCH))
