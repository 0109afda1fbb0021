"""The tissue volume of the spine, and a brush that paints it in the spine's own coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.spine import Spine

SPACING = 0.9
"""mm between voxels of the spine volume."""
OUTSIDE = 255
"""Label of voxels that belong to the body around the spine."""

Range = tuple[float, float]
Rule = Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Anatomy:
    """The spine as tissue labels on a grid of patient space, with the spine's coordinates of every voxel.

    Parameters
    ----------
    labels : (nx, nz, ny) uint8
        `Tissue`, or `OUTSIDE`.
    x, z, y : (n,) float
        Grid positions in patient space, mm left, head, posterior; n is nx, nz or ny.
    u : (nx, nz, ny) float32
        Distance to the left of the spine's curve, mm.
    v, s : (nz, ny) float32
        Distance behind the posterior wall and position along the curve, mm; the same for all x.
    """

    labels: NDArray[np.uint8]
    x: Array
    z: Array
    y: Array
    u: NDArray[np.float32]
    v: NDArray[np.float32]
    s: NDArray[np.float32]


def blank(spine: Spine) -> Anatomy:
    """Make a volume around a spine in which nothing is painted yet.

    Parameters
    ----------
    spine : Spine
        Its curve gives every voxel its coordinates.

    Returns
    -------
    Anatomy
        92 mm wide, 301 mm high, 172 mm deep, in voxels of `SPACING`; all of it `OUTSIDE`.
    """
    x, z = np.arange(-51, 52) * SPACING, np.arange(-167, 168) * SPACING
    y = np.arange(-80, 112) * SPACING
    v, s = (item.astype(np.float32) for item in spine.from_sagittal(*np.meshgrid(y, z)))
    u = x[:, None, None].astype(np.float32) - spine.sideways(s).astype(np.float32)[None]
    return Anatomy(np.full(u.shape, OUTSIDE, np.uint8), x, z, y, u, v, s)


def on_side(sign: int, near: float, far: float) -> Range:
    """Range of u between two distances from the midline on one side.

    Parameters
    ----------
    sign : int
        +1 for the patient's left, -1 for the right.
    near, far : float
        Distances from the midline, mm.

    Returns
    -------
    (float, float)
        Lowest and highest u, mm.

    Examples
    --------
    >>> on_side(-1, 10, 20)
    (-20, -10)
    """
    return (near, far) if sign > 0 else (-far, -near)


class Brush:
    """Paints tissue where a rule holds, inside a box of the spine's coordinates.

    Parameters
    ----------
    anatomy : Anatomy
        The volume, whose labels are changed in place.
    """

    def __init__(self, anatomy: Anatomy) -> None:
        """Hold the volume."""
        self.anatomy = anatomy

    def paint(
        self,
        tissue: int,
        u: Range,
        v: Range,
        s: Range,
        rule: Rule | None = None,
        over: Sequence[int] | None = None,
    ) -> None:
        """Paint a tissue inside a box of the spine's coordinates.

        Parameters
        ----------
        tissue : int
            A `Tissue`, or the label of one disc's nucleus or annulus.
        u, v, s : (float, float)
            Ranges of the box, mm; both ends belong to it.
        rule : callable, optional
            Function of the voxels' u, v and s, mm, to whether they are painted; by default the whole box is.
        over : sequence of int, optional
            The only labels that are painted over; by default all.
        """
        a = self.anatomy
        plane = (a.v >= v[0]) & (a.v <= v[1]) & (a.s >= s[0]) & (a.s <= s[1])
        rows, columns = np.nonzero(plane.any(axis=1))[0], np.nonzero(plane.any(axis=0))[0]
        if not len(rows):
            return
        zs, ys = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        drift = a.u[:, zs, ys]
        wide = np.nonzero(((drift >= u[0]) & (drift <= u[1])).any(axis=(1, 2)))[0]
        if not len(wide):
            return
        xs = slice(wide[0], wide[-1] + 1)
        lateral = drift[xs]
        hit = plane[zs, ys][None] & (lateral >= u[0]) & (lateral <= u[1])
        if rule is not None:
            hit &= rule(lateral, a.v[zs, ys][None], a.s[zs, ys][None])
        box = a.labels[xs, zs, ys]
        if over is not None:
            hit &= np.isin(box, over)
        box[hit] = tissue
