"""One simulated patient: anatomy, disease, and the points a reader would mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.aging import Aging, draw_aging
from lsdc.phantom.anatomy import build_anatomy
from lsdc.phantom.body import Habitus, draw_habitus
from lsdc.phantom.bones import foramen_range
from lsdc.phantom.brush import Anatomy, blank
from lsdc.phantom.disease import Disease, draw_disease, draw_severity
from lsdc.phantom.measure import measure
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.spine_drawing import draw_spine
from lsdc.phantom.tissues import relaxation
from lsdc.phantom.variants import USUAL, Variants, draw_variants

# Where readers mark a foramen, L1/L2 to L5/S1: mm behind the posterior wall in the midline, and below the pedicle.
_FORAMEN_MARK = ((2.2, 6.8), (2.2, 6.8), (2.0, 6.8), (1.8, 6.4), (1.8, 6.0))


@dataclass(frozen=True)
class Patient:
    """Everything about a patient that does not depend on the scanner.

    Parameters
    ----------
    age : float
        Years.
    male : bool
        False for a woman.
    disease : Disease
        Severity of every target, and its causes.
    aging : Aging
        What else images show.
    variants : Variants
        Implants and epidural lipomatosis.
    spine : Spine
        Geometry.
    habitus : Habitus
        Shape of the trunk.
    anatomy : Anatomy
        The painted volume.
    measures : (5, 5) float
        Condition x level; see `measure`.
    tissues : (N_LABELS, 3) float
        T1, T2 (ms at 1.5 T) and proton density per label.
    seed : int
        For what `build_anatomy` and `label_body` draw.
    """

    age: float
    male: bool
    disease: Disease
    aging: Aging
    variants: Variants
    spine: Spine
    habitus: Habitus
    anatomy: Anatomy
    measures: Array
    tissues: Array
    seed: int

    def paint(self, canvas: Anatomy) -> Anatomy:
        """Paint this patient on another canvas.

        Parameters
        ----------
        canvas : Anatomy
            Blank; its labels are changed in place.

        Returns
        -------
        Anatomy
            `canvas`.
        """
        return build_anatomy(canvas, self.spine, self.disease, self.aging, self.seed, self.variants)


def draw_patient(rng: np.random.Generator, wide: bool = False, unusual: bool = False) -> Patient:
    """Draw one patient and paint the spine.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    wide : bool, default False
        Draw the spine from wider ranges than those of patients; see `draw_spine`.
    unusual : bool, default False
        Give some patients implants, lipomatosis, or a canal that is narrow from birth.

    Returns
    -------
    Patient
        With measures and relaxation times.

    Examples
    --------
    >>> patient = draw_patient(np.random.default_rng(4))
    >>> patient.measures.shape
    (5, 5)
    """
    male = bool(rng.random() < 0.47)
    age = float(np.clip(rng.normal(56, 15), 18, 90))
    disease = draw_disease(rng, draw_severity(rng, 1)[0], age)
    size = (1.04 if male else 0.96) * (1 + 0.035 * rng.standard_normal())
    variants, canal = draw_variants(rng) if unusual else (USUAL, 1.0)
    spine = draw_spine(rng, disease.disc_loss, disease.slip, size, wide, canal)
    aging, seed = draw_aging(rng, disease, age), int(rng.integers(2**31))
    anatomy = build_anatomy(blank(spine), spine, disease, aging, seed, variants)
    marrow = np.clip(0.006 * (age - 20) + 0.15 * rng.standard_normal(), 0, 1)
    muscle = np.clip(0.006 * (age - 20) + 0.2 * rng.standard_normal(), 0, 1)
    tissues = relaxation(disease.hydration, float(marrow), float(muscle))
    measures = measure(anatomy, spine)
    return Patient(
        age, male, disease, aging, variants, spine, draw_habitus(rng), anatomy, measures, tissues, seed
    )


def landmarks(spine: Spine) -> NDArray[np.float64]:
    """Compute where a reader marks each target.

    Parameters
    ----------
    spine : Spine
        Of the patient.

    Returns
    -------
    (5, 5, 3) float
        Condition x level x patient space, mm left, posterior, head.
    """
    points = np.empty((5, 5, 3))
    for level in range(5):
        s = spine.disc_center[FIRST_LUMBAR_DISC + level]
        _, high = foramen_range(spine, level)
        points[0, level] = spine.to_patient(np.array(0.0), np.array(5.0), s)
        for row, sign in enumerate((1, -1)):
            beside = sign * (14.8 + 0.97 * level)
            points[1 + row, level] = spine.to_patient(
                np.array(beside), np.array(_FORAMEN_MARK[level][0]), np.array(high - _FORAMEN_MARK[level][1])
            )
            points[3 + row, level] = spine.to_patient(np.array(sign * 9.0), np.array(3.0), s)
    return points
