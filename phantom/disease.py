"""Degeneration of one patient: a correlated severity per target, and the causes that narrow the spaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from lsdc.cohort.geometry import Array
from lsdc.phantom.tissues import N_DISCS

# Mild and severe fractions per family and level of the 1,975 labeled competition studies, both sides pooled.
# Severity 0 is the border to moderate and 1 the border to severe: a level's normal distribution follows.
MILD_FRACTIONS = {
    "spinal": [0.9554, 0.8967, 0.8217, 0.7508, 0.9645],
    "foraminal": [0.9643, 0.9096, 0.7700, 0.6122, 0.6416],
    "subarticular": [0.9297, 0.8273, 0.6707, 0.4507, 0.7139],
}
SEVERE_FRACTIONS = {
    "spinal": [0.0106, 0.0268, 0.0618, 0.1292, 0.0096],
    "foraminal": [0.0038, 0.0044, 0.0205, 0.0686, 0.1005],
    "subarticular": [0.0143, 0.0412, 0.0991, 0.2334, 0.0813],
}
# Correlation of severity between canal, left and right foramen, left and right recess of a level; higher than
# that of the coarse grades (`python benchmarks/calibrate_phantom.py` prints what those have).
_CONDITIONS = np.array(
    [
        [1.00, 0.46, 0.46, 0.81, 0.81],
        [0.46, 1.00, 0.38, 0.52, 0.36],
        [0.46, 0.38, 1.00, 0.36, 0.52],
        [0.81, 0.52, 0.36, 1.00, 0.68],
        [0.81, 0.36, 0.52, 0.68, 1.00],
    ]
)
N_LEVELS = 5
_NEIGHBOR, _FAR = 0.72, 0.54


@dataclass(frozen=True)
class Disease:
    """What has changed in the anatomy of one patient; lengths in mm.

    Conditions are in the competition's order: canal, left and right foramen, left and right recess. The five lumbar
    levels are L1/L2 to L5/S1; the eleven discs of the spine begin at T10/T11.

    Parameters
    ----------
    severity : (5, 5) float
        Condition x level; 0 is the border to moderate, 1 the border to severe.
    sac_depth : (5,) float
        Depth left for the thecal sac in the midline.
    recess : (2, 5) float
        Width left in the left and right lateral recess.
    foramen : (2, 5) float
        Fraction of the left and right foramen's depth left open.
    anterior : (5, 5) float
        Fraction of each stenosis that comes from the disc; the rest comes from flavum and facets. As `severity`.
    protrusion : (5,) float
        0: a broad bulge; 1: a focal protrusion with its peak in the midline.
    disc_loss, hydration : (11,), (10,) float
        Lost fraction of each disc's height; water of the discs above S2/S3, 1 in a young disc and 0 in a black one.
    slip : (11,) float
        Listhesis per disc, mm; positive where the upper vertebra stands in front.
    """

    severity: Array
    sac_depth: Array
    recess: Array
    foramen: Array
    anterior: Array
    protrusion: Array
    disc_loss: Array
    hydration: Array
    slip: Array


def _distributions() -> tuple[Array, Array]:
    """Mean and standard deviation (5 conditions, 5 levels) of severity that give the real fractions of grades."""
    mean, spread = np.empty((5, 5)), np.empty((5, 5))
    for row, family in enumerate(["spinal", "foraminal", "foraminal", "subarticular", "subarticular"]):
        low, high = norm.ppf(MILD_FRACTIONS[family]), norm.isf(SEVERE_FRACTIONS[family])
        spread[row] = 1 / (high - low)
        mean[row] = -low * spread[row]
    return mean, spread


def _levels() -> Array:
    """Correlation (5, 5) of severity between levels."""
    far = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    return np.select([far == 0, far == 1, far == 2], [1.0, _NEIGHBOR, _FAR], 0.42)


def draw_severity(rng: np.random.Generator, n: int) -> Array:
    """Draw correlated severities of stenosis.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    n : int
        Number of patients.

    Returns
    -------
    (n, 5, 5) float
        Patient x condition x level; normally distributed, 0 borders moderate and 1 severe.
    """
    root = np.linalg.cholesky(np.kron(_CONDITIONS, _levels()) + 1e-9 * np.eye(25))
    mean, spread = _distributions()
    return mean + spread * (rng.standard_normal((n, 25)) @ root.T).reshape(n, 5, 5)


def draw_disease(rng: np.random.Generator, severity: Array, age: float) -> Disease:
    """Draw the causes behind the severities of one patient.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    severity : (5, 5) float
        Condition x level, from `draw_severity`.
    age : float
        Years; older discs have less water.

    Returns
    -------
    Disease
        Whose remaining spaces follow from the severities; the rest is drawn.
    """
    knots = [-6, -3, 0, 1, 3.5]
    canal, foramen, recess = severity[0], severity[1:3], severity[3:5]
    worst = np.maximum(canal, np.concatenate([foramen, recess]).mean(axis=0))
    strain = 1 / (1 + np.exp(-(worst + 0.8 + 0.5 * rng.standard_normal(5)) / 0.9))
    aged = np.clip((age - 20) / 60, 0, 1)
    loss, hydration = np.full(11, 0.02), np.full(N_DISCS, 1.0)
    loss[3:8] = np.clip(0.05 + 0.42 * strain + 0.1 * rng.standard_normal(5), 0, 0.65)
    loss[:3] = np.clip(0.15 * aged * rng.random(3), 0, 0.4)
    hydration[3:8] = np.clip(1.05 - 0.5 * aged - 0.75 * strain + 0.15 * rng.standard_normal(5), 0, 1)
    hydration[:3] = np.clip(1 - 0.6 * aged + 0.15 * rng.standard_normal(3), 0, 1)
    hydration[8:] = rng.random(2)
    slip = np.zeros(11)
    probability = np.array([0.01, 0.03, 0.06, 0.12, 0.07])
    slipped = rng.random(5) < probability * (0.4 + 1.6 * strain)
    slip[3:8] = slipped * rng.uniform(2.0, 6.0, 5) * np.where(rng.random(5) < 0.25, -0.6, 1)
    return Disease(
        severity,
        np.interp(canal, knots, [15.0, 12.6, 9.4, 6.9, 2.0]),
        np.interp(recess, knots, [6.8, 6.0, 3.7, 2.4, 0.4]),
        np.interp(foramen, knots, [1.0, 0.92, 0.55, 0.30, 0.02]),
        np.clip(rng.beta(4, 3, (5, 5)), 0.15, 0.9),
        np.where(rng.random(5) < 0.35, rng.uniform(0.4, 1.0, 5), 0.1 * rng.random(5)),
        loss,
        hydration,
        slip,
    )
