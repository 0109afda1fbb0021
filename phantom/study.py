"""Simulate one study: pictures on disk, and the rows it adds to the cohort's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level
from lsdc.phantom.acquire import acquire, build_scene, draw_flaws, signals
from lsdc.phantom.dicom import series_dataset, write_series
from lsdc.phantom.disease import N_LEVELS
from lsdc.phantom.measure import MEASURES, read_grades
from lsdc.phantom.patient import Patient, draw_patient, landmarks
from lsdc.phantom.protocol import SeriesPlan, draw_protocol
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.phantom.stenosis import disc_margin

# Shares of blank labels per condition of the 1,975 labeled competition studies.
_BLANK = (0.0005, 0.0010, 0.0041, 0.0266, 0.0257)
_POINT_ERROR = 1.2
"""Standard deviation of a reader's click, mm."""
_SAME_AXIAL_SLICE = 0.62


@dataclass(frozen=True)
class StudyRows:
    """What one study adds to the tables: labels, coordinates, series descriptions, measurements."""

    label: dict[str, Any]
    coordinates: list[dict[str, Any]]
    descriptions: list[dict[str, Any]]
    measurements: list[dict[str, Any]]


def simulate_study(images: Path, study_id: str, seed: tuple[int, int]) -> StudyRows:
    """Simulate one study, write its DICOM files under `images/study_id`, and return its table rows.

    Parameters
    ----------
    images : Path
        Folder such as `train_images`.
    study_id : str
        Digits.
    seed : (int, int)
        Of the cohort, and the study's number in it.
    """
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng)
    grades, misjudged = read_grades(patient.measures, rng)
    vendor, plans = draw_protocol(rng, patient.spine)
    scene = build_scene(patient, rng)
    series_ids = [str(rng.integers(10**8, 4 * 10**9)) for _ in plans]
    syntax = str(rng.choice(["explicit", "implicit", "rle"], p=[0.85, 0.10, 0.05]))
    for series_id, plan in zip(series_ids, plans):
        signal, flaws = signals(scene, plan.contrast), draw_flaws(rng, plan, vendor)
        pictures = [acquire(scene, signal, plan, plane, flaws, rng) for plane in plan.planes]
        shared = series_dataset(patient, plan, vendor, study_id, series_id)
        write_series(images / study_id / series_id, shared, plan, vendor, pictures, syntax)
    blank = rng.random((5, N_LEVELS)) < np.array(_BLANK)[:, None]
    label: dict[str, Any] = {"study_id": study_id}
    for target, grade, missing in zip(TARGETS, grades.ravel(), blank.ravel()):
        label[target.slug] = "" if missing else list(Grade)[grade].title
    described = [
        {"study_id": study_id, "series_id": series_id, "series_description": plan.view.value}
        for series_id, plan in zip(series_ids, plans)
    ]
    coordinates = _coordinates(rng, study_id, landmarks(patient.spine), dict(zip(series_ids, plans)), blank)
    return StudyRows(label, coordinates, described, _measurements(study_id, patient, grades, misjudged))


def _measurements(study_id: str, patient: Patient, grades: Array, misjudged: Array) -> list[dict[str, Any]]:
    disease, spine = patient.disease, patient.spine
    rows = []
    for target in TARGETS:
        condition, level = list(Condition).index(target.condition), list(Level).index(target.level)
        disc = FIRST_LUMBAR_DISC + level
        side = {None: None, "left": 0, "right": 1}[target.condition.side]
        across = np.linspace(-9, 9, 19) if side is None else np.linspace(5, 18, 14) * (1 - 2 * side)
        rows.append(
            {
                "row_id": target.row_id(study_id),
                "graded_by": MEASURES[condition],
                "measured": round(float(patient.measures[condition, level]), 3),
                "grade": int(grades[condition, level]),
                "reader_noise": bool(misjudged[condition, level]),
                "canal_area_mm2": round(float(patient.measures[0, level]), 2),
                "foramen_fat_mm2": None
                if side is None
                else round(float(patient.measures[1 + side, level]), 2),
                "recess_width_mm": None
                if side is None
                else round(float(patient.measures[3 + side, level]), 3),
                "disc_height_mm": round(float(spine.disc_height[disc]), 2),
                "disc_bulge_mm": round(float(disc_margin(disease, level, across).max()), 2),
                "slip_mm": round(float(disease.slip[disc]), 2),
                "hydration_share": round(float(disease.hydration[disc]), 3),
            }
        )
    return rows


def _coordinates(
    rng: np.random.Generator,
    study_id: str,
    points: NDArray[np.float64],
    plans: dict[str, SeriesPlan],
    blank: Array,
) -> list[dict[str, Any]]:
    rows = []
    shared = rng.random(N_LEVELS) < _SAME_AXIAL_SLICE
    for target in TARGETS:
        condition, level = list(Condition).index(target.condition), list(Level).index(target.level)
        point = points[condition, level] + rng.normal(0, _POINT_ERROR, 3)
        candidates = [
            (abs(float(plane.distance(point)[0])), series_id, number)
            for series_id, plan in plans.items()
            if plan.view is target.condition.view
            for number, plane in enumerate(plan.planes, start=1)
        ]
        if not candidates or blank[condition, level]:
            continue
        _, series_id, number = min(candidates)
        if condition >= 3 and not shared[level] and condition == 4:
            other = number + int(rng.choice([-1, 1]))
            number = other if 1 <= other <= len(plans[series_id].planes) else number
        elif condition < 3 and rng.random() < (0.12 if condition == 0 else 0.25):
            number = int(np.clip(number + rng.choice([-1, 1]), 1, len(plans[series_id].planes)))
        x, y = plans[series_id].planes[number - 1].to_pixel(point)[0]
        rows.append(
            {
                "study_id": study_id,
                "series_id": series_id,
                "instance_number": number,
                "condition": target.condition.title,
                "level": target.level.title,
                "x": round(float(x), 3),
                "y": round(float(y), 3),
            }
        )
    return rows
