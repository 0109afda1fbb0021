"""How a study is acquired: which series, under which contrast, by which vendor."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.vocabulary import View
from lsdc.phantom.series_plan import VENDORS, Contrast, SeriesPlan, Vendor
from lsdc.phantom.slice_planning import axial_plans, sagittal_matrix, sagittal_plan
from lsdc.phantom.spine import Spine

LEFT_FIRST = 0.3557
"""Fraction of the competition's sagittal T1 series whose instance numbers run from the patient's left."""
_LEFT_FIRST_T2 = 0.25
_MISSING_SERIES = 0.01
"""Fraction of studies without a given view: more than the real 0.1 %, so that a small cohort has some."""
_STIR = 0.15
"""Fraction of sagittal T2 series that are STIR."""
_VENDORS = (0.4, 0.3, 0.22, 0.08)
_FIELDS, _FIELD_PROBABILITIES = (1.0, 1.5, 3.0), (0.05, 0.6, 0.35)
"""Field strengths, tesla, and how often each is met."""


def draw_protocol(rng: np.random.Generator, spine: Spine) -> tuple[Vendor, list[SeriesPlan]]:
    """Draw vendor, field strength and series of one study.

    Parameters
    ----------
    rng : numpy Generator
        Source of randomness.
    spine : Spine
        Of the patient; stacks are centered on it, and axial slices follow its discs.

    Returns
    -------
    vendor : Vendor
        Of all series.
    plans : list of SeriesPlan
        At most one sagittal T1 and one sagittal T2 or STIR, then the axial T2 series; at least one in all.
    """
    vendor = VENDORS[int(rng.choice(len(VENDORS), p=_VENDORS))]
    field = float(rng.choice(_FIELDS, p=_FIELD_PROBABILITIES))
    present = rng.random(3) >= _MISSING_SERIES
    plans: list[SeriesPlan] = []
    matrix = sagittal_matrix(rng)
    if present[0]:
        contrast = Contrast(rng.uniform(430, 750), rng.uniform(7.5, 14), None, field, int(rng.integers(2, 5)))
        left_first = rng.random() < LEFT_FIRST
        plans.append(sagittal_plan(rng, spine, View.SAGITTAL_T1, "SAG T1 TSE", contrast, matrix, left_first))
    if present[1]:
        stir = rng.random() < _STIR
        te = rng.uniform(45, 75) if stir else rng.uniform(85, 120)
        # The inversion times that null fat at these fields.
        ti = (150.0 if field < 2 else 200.0) if stir else None
        contrast = Contrast(rng.uniform(2600, 4800), te, ti, field, int(rng.integers(12, 24)))
        name, left_first = "SAG STIR" if stir else "SAG T2 TSE", rng.random() < _LEFT_FIRST_T2
        plans.append(sagittal_plan(rng, spine, View.SAGITTAL_T2, name, contrast, matrix, left_first))
    if present[2] or not plans:
        contrast = Contrast(
            rng.uniform(3000, 6000), rng.uniform(88, 125), None, field, int(rng.integers(12, 24))
        )
        plans.extend(axial_plans(rng, spine, contrast))
    return vendor, plans
