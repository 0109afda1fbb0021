"""One simulated patient: anatomy, disease, and the points a reader would mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.aging import Wear, draw_wear
from lsdc.phantom.anatomy import build_anatomy
from lsdc.phantom.body import Habitus, draw_habitus
from lsdc.phantom.bones import foramen_range
from lsdc.phantom.brush import Anatomy, blank
from lsdc.phantom.disease import Disease, draw_disease, draw_severity
from lsdc.phantom.measure import measure
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine, draw_spine
from lsdc.phantom.tissues import relaxation
from lsdc.phantom.variants import USUAL, Oddities, draw_oddities


@dataclass(frozen=True)
class Patient:
    """Everything about a patient that does not depend on the scanner.

    Parameters
    ----------
    age : float
        Years.
    male : bool
        Sex.
    disease, wear, oddities, spine, habitus, anatomy
        See their classes.
    seed : int
        Of what `build_anatomy` draws.
    measures : (5, 5) float
        See `measure`.
    tissues : (N_LABELS, 3) float
        T1, T2 (ms), proton density per label.
    """

    age: float
    male: bool
    disease: Disease
    wear: Wear
    oddities: Oddities
    spine: Spine
    habitus: Habitus
    anatomy: Anatomy
    measures: Array
    tissues: Array
    seed: int

    def paint(self, canvas: Anatomy) -> Anatomy:
        """Paint this patient on another canvas."""
        return build_anatomy(canvas, self.spine, self.disease, self.wear, self.seed, self.oddities)


def draw_patient(rng: np.random.Generator, wide: bool = False, odd: bool = False) -> Patient:
    """Draw one patient.

    Parameters
    ----------
    rng : numpy Generator
        Source of chance.
    wide : bool
        See `draw_spine`.
    odd : bool
        Some have implants, lipomatosis, or a canal narrow from birth.
    """
    male = bool(rng.random() < 0.47)
    age = float(np.clip(rng.normal(56, 15), 18, 90))
    disease = draw_disease(rng, draw_severity(rng, 1)[0], age)
    size = (1.04 if male else 0.96) * (1 + 0.035 * rng.standard_normal())
    oddities, canal = draw_oddities(rng) if odd else (USUAL, 1.0)
    spine = draw_spine(rng, disease.disc_loss, disease.slip, size, wide, canal)
    wear, seed = draw_wear(rng, disease, age), int(rng.integers(2**31))
    anatomy = build_anatomy(blank(spine), spine, disease, wear, seed, oddities)
    marrow = np.clip(0.006 * (age - 20) + 0.15 * rng.standard_normal(), 0, 1)
    muscle = np.clip(0.006 * (age - 20) + 0.2 * rng.standard_normal(), 0, 1)
    tissues = relaxation(disease.hydration, float(marrow), float(muscle))
    measures = measure(anatomy, spine)
    return Patient(
        age, male, disease, wear, oddities, spine, draw_habitus(rng), anatomy, measures, tissues, seed
    )


def landmarks(spine: Spine) -> NDArray[np.float64]:
    """Where a reader marks each target: (5 conditions, 5 levels, 3) mm in patient space."""
    points = np.empty((5, 5, 3))
    for level in range(5):
        s = spine.disc_center[FIRST_LUMBAR_DISC + level]
        low, high = foramen_range(spine, level)
        points[0, level] = spine.to_patient(np.array(0.0), np.array(5.0), s)
        for row, sign in enumerate((1, -1)):
            beside = sign * (15.0 + 0.7 * level)
            points[1 + row, level] = spine.to_patient(
                np.array(beside), np.array(4.0), np.array(0.35 * low + 0.65 * high)
            )
            points[3 + row, level] = spine.to_patient(np.array(sign * 9.0), np.array(3.0), s)
    return points
