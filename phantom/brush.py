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
        cells = np.flatnonzero((a.v >= v[0]) & (a.v <= v[1]) & (a.s >= s[0]) & (a.s <= s[1]))
        if not len(cells):
            return
        laterals, labels = a.u.reshape(len(a.x), -1), a.labels.reshape(len(a.x), -1)
        nearest, steps = laterals[0, cells], a.x - a.x[0]
        # A hundredth of a millimeter more: single precision must not cost a layer of voxels.
        near = (nearest.max() + steps > u[0] - 0.01) & (nearest.min() + steps < u[1] + 0.01)
        layers = np.flatnonzero(near)
        if not len(layers):
            return
        xs = slice(layers[0], layers[-1] + 1)
        lateral = laterals[xs].take(cells, axis=1)
        hit = (lateral >= u[0]) & (lateral <= u[1])
        if over is not None:
            allowed = np.zeros(256, bool)
            allowed[list(over)] = True
            hit &= allowed[labels[xs].take(cells, axis=1)]
        layer, cell = np.nonzero(hit)
        if rule is not None:
            # Rules see only what may be painted: the boxes of a tilted spine are mostly empty.
            u_hit, place = lateral[layer, cell], cells[cell]
            holds = rule(u_hit, a.v.ravel()[place], a.s.ravel()[place])
            layer, cell = layer[holds], cell[holds]
        labels[xs][layer, cells[cell]] = tissue
