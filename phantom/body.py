"""The body around the spine: muscles, vessels, organs, fat and skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.spine import Spine
from lsdc.phantom.tissues import Tissue


@dataclass(frozen=True)
class Habitus:
    """Shape of a patient's trunk; lengths in mm.

    Parameters
    ----------
    half_width, front, fat : float
        Half the trunk's width, its depth in front of the spine, and the fat under the skin of the back.
    muscle : float
        Scale of the back muscles, about 1.
    table : bool
        Whether the back is flattened by the table.
    hollow : float
        How far the skin follows the spine into the hollow of the back, 0 to 1.
    """

    half_width: float
    front: float
    fat: float
    muscle: float
    table: bool
    hollow: float


def draw_habitus(rng: np.random.Generator) -> Habitus:
    """Draw the shape of one trunk.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    Habitus
        Of an adult lying on the back.
    """
    fat = float(np.clip(rng.lognormal(np.log(12), 0.5), 4, 45))
    return Habitus(
        float(np.clip(rng.normal(158, 16) + 0.5 * fat, 130, 200)),
        float(np.clip(rng.normal(95, 14) + 0.6 * fat, 70, 150)),
        fat,
        float(np.clip(rng.normal(1, 0.1), 0.7, 1.25)),
        bool(rng.random() < 0.9),
        float(rng.uniform(0, 0.8)),
    )


class Canvas:
    """A label volume on a grid whose coordinates follow the spine without its tilt.

    Parameters
    ----------
    spine : Spine
        The curve that u and v are counted from, mm.
    x, z, y : (nx,), (nz,), (ny,) float
        Grid positions in patient space, mm left, head, posterior.
    """

    def __init__(self, spine: Spine, x: Array, z: Array, y: Array) -> None:
        """Compute the coordinates of the grid; nothing is painted yet."""
        s = np.interp(z, spine.curve_z, spine.curve_s)
        self.u = (x[:, None] - spine.sideways(s)[None]).astype(np.float32)[:, :, None]
        self.v = (y[None] - np.interp(z, spine.curve_z, spine.curve_y)[:, None]).astype(np.float32)[None]
        self.z = z.astype(np.float32)[None, :, None]
        self.y = y.astype(np.float32)[None, None, :]
        self.labels: NDArray[np.uint8] = np.zeros((len(x), len(z), len(y)), np.uint8)
        self.inside = np.zeros(self.labels.shape, bool)

    def ellipse(
        self,
        tissue: Tissue,
        center: tuple[Array | float, Array | float],
        radius: tuple[Array | float, Array | float],
        power: float = 2,
        z: tuple[float, float] = (-np.inf, np.inf),
        v: tuple[float, float] = (-np.inf, np.inf),
        over: Tissue | None = None,
    ) -> None:
        """Paint a tube along the spine with a superelliptic cross-section; mm, in u and v of `Spine` and z.

        Parameters
        ----------
        tissue : Tissue
            What it is made of.
        center, radius : pair of float or array
            Middle and half axes in u and v; an array gives a value per position of the grid along z.
        power : float, default 2
            2 is an ellipse; larger powers come nearer to a rectangle.
        z, v : (float, float)
            Ranges outside which nothing is painted; by default unlimited.
        over : Tissue, optional
            The only tissue that is painted over; by default all.
        """
        rows = slice(*np.searchsorted(self.z.ravel(), z))
        take = [np.broadcast_to(item, self.z.shape)[:, rows] for item in (*center, *radius)]
        if not take[0].size:
            return
        cu, cv, ru, rv = take
        wide = np.nonzero((np.abs(self.u[:, rows] - cu) < ru).any(axis=(1, 2)))[0]
        deep = np.nonzero((np.abs(self.v[:, rows] - cv) < rv).any(axis=(0, 1)))[0]
        if not len(wide) or not len(deep):
            return
        box = (slice(wide[0], wide[-1] + 1), rows, slice(deep[0], deep[-1] + 1))
        u, depth = self.u[box[0], rows], self.v[:, rows, box[2]]
        hit = np.abs((u - cu) / ru) ** power + np.abs((depth - cv) / rv) ** power < 1
        hit &= self.inside[box] & (depth > v[0]) & (depth < v[1])
        if over is not None:
            hit &= self.labels[box] == over
        self.labels[box][hit] = tissue


def label_body(spine: Spine, habitus: Habitus, x: Array, z: Array, y: Array, seed: int) -> NDArray[np.uint8]:
    """Label the trunk without the spine: skin, fat, muscles, vessels, organs and pelvis.

    Parameters
    ----------
    spine : Spine
        The body follows its curve.
    habitus : Habitus
        Shape of the trunk.
    x, z, y : (nx,), (nz,), (ny,) float
        Grid positions in patient space, mm left, head, posterior.
    seed : int
        Of the organs' positions and sizes.

    Returns
    -------
    (nx, nz, ny) uint8
        `Tissue`; `AIR` outside the body.
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas(spine, x, z, y)
    k, fat, front = habitus.muscle, habitus.fat, habitus.front
    across, height = np.abs(x)[:, None, None], canvas.z
    lumbar = (spine.curve_z > -60) & (spine.curve_z < 120)
    sacral = (spine.curve_z > -115) & (spine.curve_z < 150)
    back = max(spine.curve_y[lumbar].max() + 42 * k + fat, spine.curve_y[sacral].max() + 20 + 0.4 * fat)
    near = np.interp(canvas.z, spine.curve_z, spine.curve_y) + 42 * k + fat
    skin = (
        back
        - habitus.hollow * np.clip(back - near, 0, 40)
        - (0.0012 if habitus.table else 0.0024) * np.maximum(across - 30, 0) ** 2
    )
    half = (back + front) / 2
    trunk = (across / habitus.half_width) ** 2.6 + (np.abs(canvas.y - back + half) / (half + 4)) ** 2.8 < 1
    canvas.inside[:] = trunk & (canvas.y < skin)
    canvas.labels[canvas.inside] = Tissue.FAT
    canvas.labels[canvas.inside & (canvas.y > skin - 2.2)] = Tissue.SKIN

    wall = (habitus.half_width - 12 - 0.5 * fat, 0.60 * front)
    canvas.ellipse(Tissue.MUSCLE, (0, -0.40 * front), wall, 2.6, v=(-np.inf, 16))
    cavity = (wall[0] - 14, wall[1] - 10)
    canvas.ellipse(Tissue.FAT, (0, -0.40 * front), cavity, 2.6, v=(-np.inf, 10))
    _organs(canvas, habitus, cavity, rng)

    below = np.clip((20 - height) / 110, 0, 1)
    grow = 1 + 0.9 * below
    fascia = 42 * k
    for sign in (-1, 1):
        psoas = (sign * (29 + 9 * below), -13 - 5 * below)
        canvas.ellipse(Tissue.MUSCLE, psoas, (12.5 * grow, 14.5 * grow), z=(-np.inf, 75))
        canvas.ellipse(Tissue.MUSCLE, (sign * 62, 4), (17, 11), z=(-45, 90))
        canvas.ellipse(Tissue.MUSCLE, (sign * 33 * k, 25 * k), (31 * k, 18 * k), 2.2, v=(-np.inf, fascia))
        canvas.ellipse(Tissue.FAT, (sign * (27 + 0.04 * height) * k, 30 * k), (1.0, 11 * k), 2)
        canvas.ellipse(Tissue.MUSCLE, (sign * 14 * k, 25 * k), (12 * k, 17 * k), 2.4, v=(-np.inf, fascia - 2))
        wing = (sign * 70, 14 - 0.3 * (height + 75))
        canvas.ellipse(Tissue.CORTEX, wing, (25, 33), z=(-np.inf, -58))
        canvas.ellipse(Tissue.MARROW, wing, (22.5, 30.5), z=(-np.inf, -60))
    canvas.ellipse(Tissue.LIGAMENT, (0, fascia + 0.5), (46 * k, 1.2), 6)
    _vessels(canvas)
    return canvas.labels


def _vessels(canvas: Canvas) -> None:
    """Paint aorta and vena cava, which fork into the iliac vessels."""
    fork = np.clip((-25 - canvas.z) / 60, 0, 1)
    depth = -47 - 0.03 * canvas.z
    canvas.ellipse(Tissue.VESSEL, (8 + 18 * fork, depth + 10 * fork), (9 - 3 * fork, 9 - 3 * fork))
    canvas.ellipse(Tissue.VESSEL, (-8 * fork, depth + 10 * fork), (6, 6), z=(-np.inf, -25))
    canvas.ellipse(Tissue.VESSEL, (-17, depth + 4 + 10 * fork), (11 - 2 * fork, 9 - 3 * fork))


def _organs(canvas: Canvas, habitus: Habitus, cavity: tuple[float, float], rng: np.random.Generator) -> None:
    """Paint liver, kidneys, and 70 loops of bowel, some of them filled with air, into the fat of the cavity."""
    canvas.ellipse(Tissue.LIVER, (-75, -62), (52, 42), z=(72, np.inf), over=Tissue.FAT)
    for sign in (-1, 1):
        middle = rng.uniform(35, 70)
        size = np.sqrt(np.clip(1 - ((canvas.z - middle) / 55) ** 2, 1e-4, 1))
        canvas.ellipse(Tissue.KIDNEY, (sign * 68, -17), (26 * size, 23 * size), z=(middle - 54, middle + 54))
        canvas.ellipse(Tissue.FAT, (sign * 62, -19), (9 * size, 9 * size), z=(middle - 25, middle + 25))
    for _ in range(70):
        middle, radius = rng.uniform(-160, 110), rng.uniform(9, 26, 3)
        place = (rng.uniform(-0.9, 0.9) * cavity[0], -rng.uniform(58, max(62.0, 0.95 * habitus.front)))
        size = np.sqrt(np.clip(1 - ((canvas.z - middle) / radius[2]) ** 2, 1e-4, 1))
        reach = (middle - radius[2], middle + radius[2])
        canvas.ellipse(Tissue.BOWEL, place, (radius[0] * size, radius[1] * size), z=reach, over=Tissue.FAT)
        if rng.random() < 0.4:
            inner = (0.6 * radius[0] * size, 0.6 * radius[1] * size)
            canvas.ellipse(Tissue.AIR, place, inner, z=reach, over=Tissue.BOWEL)
