"""What the simulator knows about each label patch: measurements, findings, grades."""

from __future__ import annotations

from typing import Any

import numpy as np

from lsdc.phantom.measure import cuts
from lsdc.phantom.patient import Patient
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.phantom.stenosis import disc_margin

MEASURES = (
    "hydration_share", "disc_height_mm", "loss_share", "bulge_mm", "extrusion_mm", "modic_mm", "spur_mm", "node_mm",
    "slip_mm", "canal_area_mm2", "foramen_fat_mm2", "recess_width_mm",
)  # fmt: skip
FINDINGS = ("narrowing", "bulging", "herniation", "degenerated", "modic_1", "modic_2", "modic_3", "crack")
"""What radiologists note of a disc, each 0 or 1."""
_NARROWED, _BULGING_MM, _DEGENERATED = 0.25, 2.0, 0.4
"""Lost fraction of height, bulge, and hydration from which a disc counts as such."""


def patch_row(patient: Patient, disc: int, right: bool = False) -> dict[str, float]:
    """List what the simulator knows of a disc and the spaces beside it.

    Parameters
    ----------
    patient : Patient
        Simulated.
    disc : int
        Index into the spine's discs.
    right : bool, default False
        Whether the right side comes first, as on a mirrored patch.

    Returns
    -------
    dict of str to float
        `MEASURES` and `FINDINGS`; `foramen_fat_mm2_right` and `recess_width_mm_right`, which are the left side's when
        `right`; and the grades `spinal`, `foraminal`, `subarticular`, `foraminal_right`, `subarticular_right`. NaN,
        and grade -1, for discs outside the lumbar spine.
    """
    near, far = (1, 0) if right else (0, 1)
    measures, grade = _spaces(patient, disc)
    values: dict[str, Any] = _disc_row(patient, disc) | {
        "canal_area_mm2": measures[0],
        "foramen_fat_mm2": measures[1 + near], "recess_width_mm": measures[3 + near],
        "foramen_fat_mm2_right": measures[1 + far], "recess_width_mm_right": measures[3 + far],
        "spinal": grade[0], "foraminal": grade[1 + near], "subarticular": grade[3 + near],
        "foraminal_right": grade[1 + far], "subarticular_right": grade[3 + far],
    }  # fmt: skip
    return {name: float(values[name]) for name in _COLUMNS}


def _spaces(patient: Patient, disc: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures and grades (5 conditions) of a disc; NaN and -1 outside the lumbar spine."""
    level = disc - FIRST_LUMBAR_DISC
    if not 0 <= level < 5:
        return np.full(5, np.nan), np.full(5, -1)
    measures = patient.measures[:, level]
    return measures, (measures[:, None] <= cuts()[:, level]).sum(1)


def _disc_row(patient: Patient, disc: int) -> dict[str, Any]:
    """Measurements and findings of the disc and its endplates."""
    disease, aging, level = patient.disease, patient.aging, disc - FIRST_LUMBAR_DISC
    lumbar = 0 <= level < 5
    bulge = float(disc_margin(disease, level, np.linspace(-9, 9, 19)).max()) if lumbar else 0.0
    extrusion = float(aging.extrusion[level, 0]) if lumbar else 0.0
    kind, reach = aging.modic[disc, :, 0], aging.modic[disc, :, 1]
    kinds = set(kind.astype(int))
    return {
        "hydration_share": disease.hydration[disc], "disc_height_mm": patient.spine.disc_height[disc],
        "loss_share": disease.disc_loss[disc], "bulge_mm": bulge, "extrusion_mm": extrusion,
        "modic_mm": (reach * (kind > 0)).max(), "spur_mm": aging.spurs[disc],
        "node_mm": max(aging.dents[disc, 1, 1, 3], aging.dents[disc + 1, 0, 1, 3]), "slip_mm": disease.slip[disc],
        "narrowing": disease.disc_loss[disc] > _NARROWED, "bulging": bulge > _BULGING_MM,
        "herniation": extrusion > 0, "degenerated": disease.hydration[disc] < _DEGENERATED,
        "crack": aging.crack[disc] > 1,
    } | {f"modic_{n}": n in kinds for n in (1, 2, 3)}  # fmt: skip


_COLUMNS = (
    *MEASURES, "foramen_fat_mm2_right", "recess_width_mm_right", "narrowing", "bulging", "herniation", "degenerated",
    "crack", "spinal", "foraminal", "subarticular", "foraminal_right", "subarticular_right", "modic_1", "modic_2",
    "modic_3",
)  # fmt: skip
