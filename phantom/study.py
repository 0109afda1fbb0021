"""Simulate one study: images on disk, and the rows it adds to the cohort's tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, View
from lsdc.phantom.acquire import acquire, draw_flaws
from lsdc.phantom.dicom import series_dataset, write_series
from lsdc.phantom.disease import N_LEVELS
from lsdc.phantom.measure import MEASURES, read_grades
from lsdc.phantom.patient import Patient, draw_patient, landmarks
from lsdc.phantom.protocol import draw_protocol
from lsdc.phantom.scene import build_scene
from lsdc.phantom.series_plan import SeriesPlan
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.phantom.stenosis import disc_margin
from lsdc.phantom.tissue_signal import signals

# Fractions of blank labels per condition of the 1,975 labeled competition studies.
_BLANK = (0.0005, 0.0010, 0.0041, 0.0266, 0.0257)
_SYNTAXES, _SYNTAX_PROBABILITIES = ("explicit", "implicit", "rle"), (0.85, 0.10, 0.05)
_POINT_ERROR = 1.2
"""Standard deviation of a reader's click, mm."""
_SAME_AXIAL_SLICE = 0.62
"""Fraction of levels whose two recesses are marked on the same axial slice."""


@dataclass(frozen=True)
class StudyRows:
    """Rows that one study adds to the tables of a cohort; each maps column names to values.

    Parameters
    ----------
    label : dict
        Row of train.csv.
    coordinates : list of dict
        Rows of train_label_coordinates.csv.
    descriptions : list of dict
        Rows of train_series_descriptions.csv.
    measurements : list of dict
        Rows of measurements.csv, one per target.
    """

    label: dict[str, Any]
    coordinates: list[dict[str, Any]]
    descriptions: list[dict[str, Any]]
    measurements: list[dict[str, Any]]


def simulate_study(images: Path, study_id: str, seed: tuple[int, int]) -> StudyRows:
    """Simulate one study and write its DICOM files to `images/study_id`.

    Parameters
    ----------
    images : Path
        Folder such as `train_images`.
    study_id : str
        Digits.
    seed : (int, int)
        Of the cohort, and the study's number in it.

    Returns
    -------
    StudyRows
        What the study adds to the cohort's tables.
    """
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng)
    grades, misjudged = read_grades(patient.measures, rng)
    vendor, plans = draw_protocol(rng, patient.spine)
    scene = build_scene(patient, rng)
    series = {str(rng.integers(10**8, 4 * 10**9)): plan for plan in plans}
    syntax = str(rng.choice(_SYNTAXES, p=_SYNTAX_PROBABILITIES))
    for series_id, plan in series.items():
        signal, flaws = signals(scene, plan.contrast), draw_flaws(rng, plan, vendor)
        slices = [acquire(scene, signal, plan, plane, flaws, rng) for plane in plan.planes]
        shared = series_dataset(patient, plan, vendor, study_id, series_id)
        write_series(images / study_id / series_id, shared, plan, vendor, slices, syntax)
    blank = rng.random((5, N_LEVELS)) < np.array(_BLANK)[:, None]
    described = [
        {"study_id": study_id, "series_id": series_id, "series_description": plan.view.value}
        for series_id, plan in series.items()
    ]
    coordinates = _coordinates(rng, study_id, landmarks(patient.spine), series, blank)
    return StudyRows(
        _label(study_id, grades, blank),
        coordinates,
        described,
        _measurements(study_id, patient, grades, misjudged),
    )


def _label(study_id: str, grades: Array, blank: Array) -> dict[str, Any]:
    """Row of train.csv: the title of every grade, empty where the reader left it out."""
    label: dict[str, Any] = {"study_id": study_id}
    for target, grade, missing in zip(TARGETS, grades.ravel(), blank.ravel()):
        label[target.slug] = "" if missing else list(Grade)[grade].title
    return label


def _measurements(study_id: str, patient: Patient, grades: Array, misjudged: Array) -> list[dict[str, Any]]:
    """Rows of measurements.csv: what was measured, the grade, and its causes."""
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
    """Rows of the points that a reader clicks, on the slice next to each landmark or one beside it."""
    rows = []
    shared = rng.random(N_LEVELS) < _SAME_AXIAL_SLICE
    for target in TARGETS:
        condition, level = list(Condition).index(target.condition), list(Level).index(target.level)
        point = points[condition, level] + rng.normal(0, _POINT_ERROR, 3)
        nearest = _nearest_slice(point, target.condition.view, plans)
        if nearest is None or blank[condition, level]:
            continue
        series_id, number = nearest
        planes = plans[series_id].planes
        if target.condition is Condition.RIGHT_SUBARTICULAR_STENOSIS and not shared[level]:
            other = number + int(rng.choice([-1, 1]))
            number = other if 1 <= other <= len(planes) else number
        elif condition < 3 and rng.random() < (0.12 if condition == 0 else 0.25):
            number = int(np.clip(number + rng.choice([-1, 1]), 1, len(planes)))
        x, y = planes[number - 1].to_pixel(point)[0]
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


def _nearest_slice(
    point: NDArray[np.float64], view: View, plans: dict[str, SeriesPlan]
) -> tuple[str, int] | None:
    """Series and instance number of the slice of a view that is nearest to a point (mm); None without the view."""
    candidates = [
        (abs(float(plane.distance(point)[0])), series_id, number)
        for series_id, plan in plans.items()
        if plan.view is view
        for number, plane in enumerate(plan.planes, start=1)
    ]
    return min(candidates)[1:] if candidates else None
