"""Patches of tissue labels around the discs and foramina of simulated patients, with what was measured there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.geometry import Array
from lsdc.phantom.label_maps import axial_sheets, sagittal_sheets
from lsdc.phantom.measure import cuts
from lsdc.phantom.patient import Patient, draw_patient, landmarks
from lsdc.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.phantom.stenosis import disc_margin
from lsdc.phantom.tissues import N_LABELS, Tissue
from lsdc.runtime.artefact import atomic
from lsdc.runtime.engine import for_each

PATCH_PX, PATCH_MM = 144, 0.65
"""Side of a patch, px, and of its pixels, mm."""
SHEETS, SHEET_MM = 5, 2.0
"""Parallel sheets per patch, and their distance, mm."""
DISCS = 9
"""Discs with a midline patch: T10/T11 to S1/S2."""
KINDS = ("disc", "foramen", "axial")
MEASURES = (
    "hydration_share", "disc_height_mm", "loss_share", "bulge_mm", "extrusion_mm", "modic_mm", "spur_mm", "node_mm",
    "slip_mm", "canal_area_mm2", "foramen_fat_mm2", "recess_width_mm",
)  # fmt: skip
FINDINGS = ("narrowing", "bulging", "herniation", "degenerated", "modic_1", "modic_2", "modic_3", "crack")
_Z, _Y = np.arange(-150, 200, PATCH_MM), np.arange(-115, 135, PATCH_MM)
_AWAY = (np.arange(SHEETS) - SHEETS // 2) * SHEET_MM
_PLANE = (np.arange(PATCH_PX) - (PATCH_PX - 1) / 2) * PATCH_MM
_FORWARD = 5.0
"""How far behind the posterior wall the middle of axial patches lies, mm."""
_VERSION = 2
"""Of what is drawn: patches of another version are not gone on with."""


@dataclass(frozen=True)
class Patches:
    """Label patches of many patients.

    Parameters
    ----------
    labels : (n, SHEETS, PATCH_PX, PATCH_PX) uint8
        Sagittal: sheets from the patient's right to left, anterior at the left, head up. Axial: from foot to
        head, the patient's left at the right, anterior up. Foramina of the right side are mirrored.
    tissues : (patients, N_LABELS, 3) float32
        Relaxation times and proton densities.
    rows : DataFrame
        Per patch: `patient`, `kind` (index into KINDS), `disc`, `x0`, `y0`, `x1`, `y1` (the disc's box, px),
        `x`, `y` (canal or foramen, px), MEASURES (foramen and recess once more for the right: `_right`),
        FINDINGS, and grades `spinal`, `foraminal`, `subarticular`, `foraminal_right`, `subarticular_right`
        (-1 where the disc has none).
    """

    labels: NDArray[np.uint8]
    tissues: NDArray[np.float32]
    rows: pd.DataFrame


def make_patches(patients: int, seed: int, work: Path, workers: int | None = None) -> Patches:
    """Draw patients and cut their patches; goes on where it stopped.

    Parameters
    ----------
    patients, seed : int
        How many; the same seed gives the same patients.
    work : Path
        Where the patches are kept.
    workers : int, optional
        Processes; default one per core.
    """
    work = work / f"version_{_VERSION}"
    work.mkdir(parents=True, exist_ok=True)
    files = [work / f"{k}.npz" for k in range(patients)]
    todo = [k for k, path in enumerate(files) if not path.is_file()]
    for_each(partial(_write, seed=seed, work=work), todo, "drawing patients", workers)
    rows = pd.concat([pd.read_json(work / f"{k}.json") for k in range(patients)], ignore_index=True)
    whole = work / "labels.npy"
    if not whole.is_file():
        _join(files, len(rows), whole)
    tissues = []
    for path in files:
        with np.load(path) as content:
            tissues.append(content["tissues"])
    return Patches(np.load(whole, mmap_mode="r"), np.array(tissues, np.float32), rows)


def _join(files: list[Path], n: int, whole: Path) -> None:
    with atomic(whole) as temporary:
        shape = (n, SHEETS, PATCH_PX, PATCH_PX)
        target: Any = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        begin = 0
        for path in files:
            with np.load(path) as content:
                labels = content["labels"]
            target[begin : begin + len(labels)] = labels
            begin += len(labels)
        target.flush()


def _write(number: int, seed: int, work: Path) -> None:
    labels, tissues, rows = patches_of((seed, number))
    with atomic(work / f"{number}.json") as temporary:
        rows.assign(patient=number).to_json(temporary, orient="records")
    with atomic(work / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, labels=labels, tissues=tissues)


def patches_of(seed: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32], pd.DataFrame]:
    """Draw one patient, oddities included, and cut the patches.

    Returns
    -------
    labels : (n, SHEETS, PATCH_PX, PATCH_PX) uint8
    tissues : (N_LABELS, 3) float32
    rows : DataFrame
        As in `Patches`, without `patient`.
    """
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng, odd=True)
    right = bool(rng.random() < 0.5)
    parts = [*_middle(patient, rng), *_foramina(patient, rng, right), *_axial(patient, rng)]
    labels = np.stack([part for part, _ in parts])
    return labels, patient.tissues[:N_LABELS].astype(np.float32), pd.DataFrame([row for _, row in parts])


Part = tuple[NDArray[np.uint8], dict[str, float]]


def _middle(patient: Patient, rng: np.random.Generator) -> list[Part]:
    sheets = sagittal_sheets(patient, rng.normal(0, 2.5) + _AWAY[::-1], _Z, _Y)[:, ::-1]
    parts = []
    for k in range(DISCS):
        s, depth = patient.spine.disc_center[k], patient.spine.depth[k]
        middle = patient.spine.to_patient(np.array(0.0), np.array(-depth / 3), s)
        patch, corner = _cut(sheets, middle)
        canal = _pixel(patient.spine.to_patient(np.array(0.0), np.array(_FORWARD), s)) - corner
        parts.append((patch, _place(patch, 0, k, canal) | _measures(patient, k)))
    return parts


def _foramina(patient: Patient, rng: np.random.Generator, right: bool) -> list[Part]:
    sign = -1 if right else 1
    points = landmarks(patient.spine)[2 if right else 1]
    x = points[:, 0].mean() + rng.normal(0, 2.0)
    sheets = sagittal_sheets(patient, x + sign * _AWAY[::-1], _Z, _Y)[:, ::-1]
    parts = []
    for level, point in enumerate(points):
        k = FIRST_LUMBAR_DISC + level
        patch, corner = _cut(sheets, point)
        at = _pixel(point) - corner
        parts.append((patch, _place(patch, 1, k, at) | _measures(patient, k, right)))
    return parts


def _axial(patient: Patient, rng: np.random.Generator) -> list[Part]:
    parts = []
    for level in range(5):
        k = FIRST_LUMBAR_DISC + level
        middle = patient.spine.sideways(patient.spine.disc_center[k])
        away, tilt = _AWAY + rng.normal(0, 1.0), np.deg2rad(rng.normal(0, 4))
        patch = axial_sheets(patient, k, away, middle + _PLANE, _FORWARD + _PLANE, tilt)
        parts.append((patch, _place(patch, 2, k, np.full(2, (PATCH_PX - 1) / 2)) | _measures(patient, k)))
    return parts


def _pixel(point: Array) -> Array:
    """Column and row of a point in sheets whose first row is the uppermost."""
    return np.array([(point[1] - _Y[0]) / PATCH_MM, (_Z[-1] - point[2]) / PATCH_MM])


def _cut(sheets: NDArray[np.uint8], center: Array) -> tuple[NDArray[np.uint8], Array]:
    """A patch around a point (mm), air outside, and the pixel of its corner."""
    column, row = (round(float(value)) - PATCH_PX // 2 for value in _pixel(center))
    patch = np.zeros((SHEETS, PATCH_PX, PATCH_PX), np.uint8)
    top, left = max(row, 0), max(column, 0)
    part = sheets[:, top : row + PATCH_PX, left : column + PATCH_PX]
    patch[:, top - row : top - row + part.shape[1], left - column : left - column + part.shape[2]] = part
    return patch, np.array([column, row], float)


def _place(patch: NDArray[np.uint8], kind: int, k: int, point: Array) -> dict[str, float]:
    return {"kind": kind, "disc": k, **_box(patch, k), "x": float(point[0]), "y": float(point[1])}


def _box(patch: NDArray[np.uint8], k: int) -> dict[str, float]:
    """The disc's box on the middle sheet, bulges included; the patch's middle where there is no disc."""
    sheet = patch[SHEETS // 2]
    disc = (sheet == Tissue.NUCLEUS + k) | (sheet == Tissue.ANNULUS + k)
    rows, columns = np.nonzero(disc)
    if len(rows) < 20:
        rows, columns = np.array([60, 84]), np.array([48, 96])
    else:
        bulge = sheet[rows.min() : rows.max() + 1] == Tissue.DISC_MATERIAL
        columns = np.append(columns, np.nonzero(bulge)[1])
    edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return dict(zip(("x0", "y0", "x1", "y1"), map(float, edges)))


def _measures(patient: Patient, k: int, right: bool = False) -> dict[str, Any]:
    disease, wear, spine = patient.disease, patient.wear, patient.spine
    level = k - FIRST_LUMBAR_DISC
    lumbar = 0 <= level < 5
    nan = float("nan")
    bulge = float(disc_margin(disease, level, np.linspace(-9, 9, 19)).max()) if lumbar else 0.0
    extrusion = float(wear.extrusion[level, 0]) if lumbar else 0.0
    seen = patient.measures[:, level] if lumbar else np.full(5, nan)
    grade = (seen[:, None] <= cuts()[:, level]).sum(1) if lumbar else np.full(5, -1)
    modic, kinds = wear.modic[k, :, 1] * (wear.modic[k, :, 0] > 0), set(wear.modic[k, :, 0].astype(int))
    own, other = (1, 0) if right else (0, 1)
    values = {
        "hydration_share": disease.hydration[k], "disc_height_mm": spine.disc_height[k],
        "loss_share": disease.disc_loss[k],
        "bulge_mm": bulge, "extrusion_mm": extrusion, "modic_mm": modic.max(), "spur_mm": wear.spurs[k],
        "node_mm": max(wear.dents[k, 1, 1, 3], wear.dents[k + 1, 0, 1, 3]), "slip_mm": disease.slip[k],
        "canal_area_mm2": seen[0], "foramen_fat_mm2": seen[1 + own], "recess_width_mm": seen[3 + own],
        "foramen_fat_mm2_right": seen[1 + other], "recess_width_mm_right": seen[3 + other],
        "narrowing": disease.disc_loss[k] > 0.25, "bulging": bulge > 2.0, "herniation": extrusion > 0,
        "degenerated": disease.hydration[k] < 0.4, "crack": wear.crack[k] > 1,
        "spinal": grade[0], "foraminal": grade[1 + own], "subarticular": grade[3 + own],
        "foraminal_right": grade[1 + other], "subarticular_right": grade[3 + other],
    }  # fmt: skip
    values |= {f"modic_{n}": n in kinds for n in (1, 2, 3)}
    return {name: float(value) for name, value in values.items()}
