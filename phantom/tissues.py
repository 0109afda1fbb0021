"""Tissues, their relaxation times, and their signal in a spin echo."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from lsdc.cohort.geometry import Array

N_DISCS = 10
"""Discs whose hydration is drawn separately: T10/T11 to S2/S3."""


class Tissue(IntEnum):
    """Labels of the tissue volume; discs take `NUCLEUS + k` and `ANNULUS + k`, k counted from the top."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    MARROW = 3
    CORTEX = 4
    CSF = 5
    NERVE = 6
    CORD = 7
    LIGAMENT = 8
    FLUID = 9
    VESSEL = 10
    VEIN = 11
    KIDNEY = 12
    BOWEL = 13
    LIVER = 14
    SKIN = 15
    EPIDURAL_FAT = 16
    ROOT = 17
    DISC_MATERIAL = 18
    STREAK = 19
    NUCLEUS = 20
    ANNULUS = 30
    EDEMA = 40
    FATTY = 41
    SCLEROSIS = 42
    GAS = 43
    INTERSPINOUS = 44


N_LABELS = 45
"""Number of labels, those of single discs included."""

# T1 ms, T2 ms, proton density at 1.5 T. Stanisz et al. 2005 (muscle, cord, blood, nerve, cartilage, kidney,
# liver); de Bazelaire et al. 2004 (marrow, fat, kidney); Marinelli et al. 2010 (discs); Hopkins et al. 1986
# (CSF). Fat and marrow carry the longer apparent T2 of a fast spin echo (J-coupling; Henkelman et al. 1992).
_RELAXATION: dict[Tissue, tuple[float, float, float]] = {
    Tissue.AIR: (1000.0, 1.0, 0.0),
    Tissue.FAT: (280.0, 120.0, 0.95),
    Tissue.MUSCLE: (1000.0, 38.0, 0.80),
    Tissue.MARROW: (520.0, 72.0, 0.62),
    Tissue.CORTEX: (800.0, 4.0, 0.12),
    Tissue.CSF: (4000.0, 1400.0, 1.0),
    Tissue.NERVE: (1050.0, 82.0, 0.80),
    Tissue.CORD: (950.0, 78.0, 0.78),
    Tissue.LIGAMENT: (900.0, 18.0, 0.40),
    Tissue.FLUID: (2400.0, 250.0, 0.80),
    Tissue.VESSEL: (1400.0, 8.0, 0.10),
    Tissue.VEIN: (1400.0, 130.0, 0.75),
    Tissue.KIDNEY: (1000.0, 95.0, 0.85),
    Tissue.BOWEL: (950.0, 65.0, 0.75),
    Tissue.LIVER: (600.0, 46.0, 0.75),
    Tissue.SKIN: (750.0, 32.0, 0.60),
    Tissue.EPIDURAL_FAT: (285.0, 115.0, 0.93),
    Tissue.ROOT: (1050.0, 78.0, 0.80),
    Tissue.DISC_MATERIAL: (1000.0, 42.0, 0.62),
    Tissue.STREAK: (420.0, 85.0, 0.90),
    Tissue.EDEMA: (1150.0, 105.0, 0.78),
    Tissue.FATTY: (320.0, 100.0, 0.85),
    Tissue.SCLEROSIS: (900.0, 30.0, 0.35),
    Tissue.GAS: (1000.0, 1.0, 0.02),
    Tissue.INTERSPINOUS: (600.0, 60.0, 0.75),
}
_NUCLEUS_WET = (1350.0, 125.0, 0.90)
_NUCLEUS_DRY = (950.0, 42.0, 0.62)
_ANNULUS = (900.0, 30.0, 0.55)


def relaxation(hydration: Array, marrow_fat: float, muscle_fat: float) -> Array:
    """Compute relaxation times and proton density of every label for one patient.

    Parameters
    ----------
    hydration : (N_DISCS,) float
        1 for a young disc, 0 for a black one.
    marrow_fat, muscle_fat : float
        Fractions of fat beyond the usual, 0 to 1.

    Returns
    -------
    (N_LABELS, 3) float
        T1 (ms at 1.5 T), T2 (ms), proton density (relative to water).
    """
    table = np.tile(np.array([1000.0, 1.0, 0.0]), (N_LABELS, 1))
    for tissue, values in _RELAXATION.items():
        table[tissue] = values
    fat = table[Tissue.FAT]
    table[Tissue.MARROW] = (1 - 0.5 * marrow_fat) * table[Tissue.MARROW] + 0.5 * marrow_fat * fat
    table[Tissue.MUSCLE] = (1 - 0.3 * muscle_fat) * table[Tissue.MUSCLE] + 0.3 * muscle_fat * fat
    for k, wet in enumerate(hydration):
        table[Tissue.NUCLEUS + k] = wet * np.array(_NUCLEUS_WET) + (1 - wet) * np.array(_NUCLEUS_DRY)
        table[Tissue.ANNULUS + k] = _ANNULUS
    return table


def spin_echo(tissues: Array, tr: float, te: float, ti: float | None = None, field: float = 1.5) -> Array:
    """Compute the signal of tissues in a spin echo, or in an inversion recovery spin echo when `ti` is given.

    S = PD (1 - exp(-TR/T1)) exp(-TE/T2); with inversion |1 - 2 exp(-TI/T1) + exp(-TR/T1)| takes the bracket's place.
    T1 grows with field^0.3.

    Parameters
    ----------
    tissues : (n, 3) float
        T1 and T2 in ms at 1.5 T, and proton density.
    tr, te : float
        Repetition and echo time, ms.
    ti : float, optional
        Inversion time, ms; by default there is no inversion pulse.
    field : float, default 1.5
        Tesla.

    Returns
    -------
    (n,) float32
        Signal relative to fully relaxed water.

    References
    ----------
    Bernstein, King & Zhou, Handbook of MRI Pulse Sequences, 2004, chapter 14; Bottomley et al., Medical Physics 11,
    1984, for the dependence on the field.

    Examples
    --------
    >>> csf, fat = spin_echo(np.array([[4000, 1400, 1.0], [280, 120, 0.95]]), tr=500, te=10)
    >>> bool(fat > csf)
    True
    """
    t1 = tissues[:, 0] * (field / 1.5) ** 0.3
    recovery = 1 - np.exp(-tr / t1)
    if ti is not None:
        recovery = np.abs(1 - 2 * np.exp(-ti / t1) + np.exp(-tr / t1))
    return (tissues[:, 2] * recovery * np.exp(-te / tissues[:, 1])).astype(np.float32)
