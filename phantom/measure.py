"""What a caliper would read in the tissue volume, and the grade that follows."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from scipy.stats import norm

from lsdc.cohort.geometry import Array
from lsdc.phantom.bones import FORAMEN_BACK, foramen_range
from lsdc.phantom.brush import SPACING, Anatomy
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import Tissue

MEASURES = ("canal_area_mm2", "foramen_fat_mm2", "foramen_fat_mm2", "recess_width_mm", "recess_width_mm")
"""The measure that each condition is graded by; smaller is worse."""
READER_NOISE_FRACTION, READER_NOISE = 0.12, 0.25
"""Fraction of targets whose reader misjudged the measure, and the spread of the error's logarithm."""

_SAC = (Tissue.CSF, Tissue.NERVE, Tissue.CORD)
_OPEN = (*_SAC, Tissue.EPIDURAL_FAT, Tissue.ROOT)


def measure(anatomy: Anatomy, spine: Spine) -> Array:
    """Measure the 25 targets in the tissue volume of a patient.

    Parameters
    ----------
    anatomy : Anatomy
        Painted, on the grid of `blank`.
    spine : Spine
        Of the patient; says where levels and foramina are.

    Returns
    -------
    (5, 5) float
        Condition (competition's order) x level: mean area of the thecal sac at the disc (mm2), area of fat around the
        root in the left and right foramen (mm2), mean width of the left and right recess (mm).
    """
    values = np.empty((5, 5))
    for level in range(5):
        disc = FIRST_LUMBAR_DISC + level
        c, half = spine.disc_center[disc], spine.disc_height[disc] / 2 + 1
        canal = (np.abs(anatomy.s - c) < half) & (anatomy.v > -1) & (anatomy.v < 20)
        values[0, level] = _volume(anatomy, canal, (-12, 12), _SAC) / (2 * half)
        low, high = foramen_range(spine, level)
        window = (anatomy.s > low) & (anatomy.s < high) & (anatomy.v > -8)
        window &= anatomy.v < FORAMEN_BACK + 3
        for row, sign in enumerate((1, -1)):
            fat = _volume(anatomy, window, _ordered(sign * 12, sign * 19), (Tissue.EPIDURAL_FAT,))
            values[1 + row, level] = fat / 7
            width = _volume(anatomy, canal, _ordered(sign * 7.5, sign * 10.5), _OPEN)
            values[3 + row, level] = width / (3 * 2 * half)
    return values


def _ordered(a: float, b: float) -> tuple[float, float]:
    return (a, b) if a < b else (b, a)


def _volume(anatomy: Anatomy, plane: Array, u: tuple[float, float], tissues: tuple[Tissue, ...]) -> float:
    """Volume (mm3) of some tissues in the columns of `plane` (nz, ny) and a range of u (mm)."""
    labels = anatomy.labels[:, plane]
    lateral = anatomy.u[:, plane]
    # Voxels at the window's edge count with the fraction that lies inside.
    inside = np.clip((lateral - u[0]) / SPACING + 0.5, 0, 1) * np.clip((u[1] - lateral) / SPACING + 0.5, 0, 1)
    return float(inside[np.isin(labels, tissues)].sum()) * SPACING**3


@cache
def cuts() -> Array:
    """Read the measures at or below which a target is moderate and severe.

    Returns
    -------
    (5, 5, 2) float
        Condition x level x (moderate, severe), in the unit of the condition's measure; see `measure`.
    """
    text = files("lsdc.phantom").joinpath("cuts.json").read_text(encoding="utf-8")
    return np.array(json.loads(text)["cuts"])


def read_grades(measures: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Grade the measures as a reader would, who misjudges some of them.

    Parameters
    ----------
    measures : (5, 5) float
        From `measure`.
    rng : numpy Generator
        Decides what the reader misjudges.

    Returns
    -------
    grades : (5, 5) int
        0 normal or mild, 1 moderate, 2 severe.
    misjudged : (5, 5) bool
        Where the reader's measure was perturbed.
    """
    misjudged, seen = perturb(measures, rng)
    return (seen[..., None] <= cuts()).sum(axis=-1), misjudged


def perturb(measures: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw which measures are misjudged and what the reader sees.

    Parameters
    ----------
    measures : (5, 5) float
        From `measure`.
    rng : numpy Generator
        Source of randomness.

    Returns
    -------
    misjudged : (5, 5) bool
        True for `READER_NOISE_FRACTION` of the targets.
    seen : (5, 5) float
        The measures, multiplied by a log-normal error where they are misjudged.
    """
    misjudged = rng.random(measures.shape) < READER_NOISE_FRACTION
    error = np.exp(READER_NOISE * rng.standard_normal(measures.shape))
    return misjudged, np.where(misjudged, measures * error, measures)


def grade_probabilities(measures: Array) -> Array:
    """Compute the probability of each grade given the true measures: the best that any model can know.

    Parameters
    ----------
    measures : (5, 5) float
        From `measure`, or from the column `measured` of measurements.csv.

    Returns
    -------
    (5, 5, 3) float
        Probability of normal or mild, moderate, severe.

    Examples
    --------
    >>> healthy = np.full((5, 5), 1000.0)
    >>> grade_probabilities(healthy)[0, 0].round(2)
    array([1., 0., 0.])
    """
    ratio = np.log(cuts()) - np.log(np.maximum(measures, 1e-6))[..., None]
    below = (1 - READER_NOISE_FRACTION) * (ratio >= 0) + READER_NOISE_FRACTION * norm.cdf(
        ratio / READER_NOISE
    )
    return np.stack([1 - below[..., 0], below[..., 0] - below[..., 1], below[..., 1]], axis=-1)
