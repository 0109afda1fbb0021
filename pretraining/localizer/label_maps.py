"""Label sheets of simulated patients: what the localizer's pictures are painted from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.phantom.label_maps import axial_sheets, sagittal_sheets
from lsdc.phantom.patient import Patient, draw_patient, landmarks
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import N_DISCS, N_LABELS, Tissue
from lsdc.runtime.artefact import atomic
from lsdc.runtime.engine import for_each
from lsdc.slice_selector.training_example import ABSENT, PRESENT, UNKNOWN
from lsdc.slice_selector.vertebra_classes import region_of_disc

SHEET_MM = 1.2
"""Side of a pixel of the sheets, mm."""
_VERSION = 3
"""Of what is drawn: sheets of another version are not gone on with."""
_Z, _Y = np.arange(-178, 192, SHEET_MM), np.arange(-150, 150, SHEET_MM)
_ACROSS = np.arange(-130, 130, SHEET_MM)
_PARTS = ("labels", "points", "state", "regions")
_THICK = np.array([-1.3, 1.3])
_CANAL_REACH, _FORAMEN_REACH, _BESIDE = 5.5, 4.0, 10.0
_BONE = [Tissue.MARROW, Tissue.CORTEX, Tissue.VEIN, Tissue.EDEMA, Tissue.FATTY, Tissue.SCLEROSIS]


@dataclass(frozen=True)
class Sheets:
    """Label sheets of one kind from many patients, two per picture: its near and its far half.

    Parameters
    ----------
    labels : (n, 2, rows, columns) uint8
        Sagittal: head up, anterior at the left. Axial: anterior up, the patient's left at the right.
    points : (n, channels, 2) float32
        Column and row, px of the sheet.
    state : (n, channels) int8
        UNKNOWN, PRESENT or ABSENT.
    regions : (n, ceil(rows / 2), ceil(columns / 2)) uint8
        Which vertebra or disc every other pixel shows, head to foot, alternating from 1; 0 elsewhere. Axial: nothing.
    patient : (n,) int
        Row of `tissues`.
    tissues : (patients, N_LABELS, 3) float32
        Relaxation times and proton densities.
    """

    labels: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]
    regions: NDArray[np.uint8]
    patient: NDArray[np.int64]
    tissues: NDArray[np.float32]

    def of(self, patients: NDArray[np.int64]) -> Self:
        """The sheets of some patients."""
        rows = np.flatnonzero(np.isin(self.patient, patients))
        return type(self)(
            self.labels[rows],
            self.points[rows],
            self.state[rows],
            self.regions[rows],
            self.patient[rows],
            self.tissues,
        )

    @property
    def half(self) -> Tensor:
        """Half of a sheet's sides (columns, rows), mm."""
        return torch.tensor([self.labels.shape[-1], self.labels.shape[-2]]) * SHEET_MM / 2

    def millimeters(self, rows: NDArray[np.int64]) -> Tensor:
        """Points of some sheets (n, channels, 2), mm from the middle of the sheet."""
        return (torch.from_numpy(self.points[rows]) + 0.5) * SHEET_MM - self.half


def make_sheets(patients: int, seed: int, work: Path, workers: int | None = None) -> dict[str, Sheets]:
    """Draw patients and label their sheets; goes on where it stopped.

    Parameters
    ----------
    patients, seed : int
        How many; the same seed gives the same patients.
    work : Path
        Where they are kept.
    workers : int, optional
        Processes; default one per core.

    Returns
    -------
    dict of str to Sheets
        `sagittal` and `axial`.
    """
    work = work / f"version_{_VERSION}"
    work.mkdir(parents=True, exist_ok=True)
    todo = [k for k in range(patients) if not (work / f"{k}.npz").is_file()]
    for_each(partial(_write, seed=seed, work=work), todo, "drawing patients", workers)
    parts: dict[str, list[NDArray]] = {}
    for k in range(patients):
        with np.load(work / f"{k}.npz") as content:
            for name in content.files:
                parts.setdefault(name, []).append(content[name])
    tissues = np.array(parts["tissues"], np.float32)
    made = {}
    for kind in ("sagittal", "axial"):
        arrays: dict[str, Any] = {name: np.concatenate(parts[f"{kind}_{name}"]) for name in _PARTS}
        counts = [len(one) for one in parts[f"{kind}_labels"]]
        made[kind] = Sheets(**arrays, patient=np.repeat(np.arange(patients), counts), tissues=tissues)
    return made


def _write(number: int, seed: int, work: Path) -> None:
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(rng, wide=True, odd=True)
    content: dict[str, Any] = {"tissues": patient.tissues[:N_LABELS].astype(np.float32)}
    for kind, sheets in (("sagittal", _sagittal(patient, rng)), ("axial", _axial(patient, rng))):
        content |= {f"{kind}_{name}": part for name, part in zip(_PARTS, sheets)}
    with atomic(work / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, **content)


Drawn = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int8], NDArray[np.uint8]]


def _sagittal(patient: Patient, rng: np.random.Generator) -> Drawn:
    marks = landmarks(patient.spine)
    across = marks[:3, :, 0].mean(axis=1)
    sides = across[1:] + rng.normal(0, 2.0, 2)
    middle = rng.normal(across[0], [1.0, 3.0])
    places = np.sort([*middle, *sides, rng.choice([-1, 1]) * rng.uniform(24, 60)])
    x = (places[:, None] + _THICK).ravel()
    labels = sagittal_sheets(patient, x, _Z, _Y)[:, ::-1].reshape(len(places), 2, len(_Z), len(_Y))
    points = np.full((len(places), 10, 2), np.nan, np.float32)
    state = np.zeros((len(places), 10), np.int8)
    for k, place in enumerate(places):
        away = np.abs(marks[:3, :, 0] - place)
        side = 1 + int(away[2].mean() < away[1].mean())
        near = [
            (0, away[0] < _CANAL_REACH, away[0] > _BESIDE),
            (side, away[side] < _FORAMEN_REACH, away[side] > _BESIDE),
        ]
        for group, (row, shown, gone) in enumerate(near):
            channels = slice(5 * group, 5 * group + 5)
            points[k, channels] = (
                np.stack([(marks[row, :, 1] - _Y[0]), (_Z[-1] - marks[row, :, 2])], 1) / SHEET_MM
            )
            state[k, channels] = np.select([shown, gone], [PRESENT, ABSENT], UNKNOWN)
    return np.ascontiguousarray(labels), points, state, _regions(patient.spine, labels[:, 0, ::2, ::2])


def _regions(spine: Spine, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    v, s = (part[::-1][::2, ::2] for part in spine.from_sagittal(*np.meshgrid(_Y, _Z)))
    bone = 1 + 2 * np.searchsorted(-spine.disc_center, -s)
    body = np.isin(labels, _BONE) & (v > -1.05 * spine.depth.max()) & (v < 1.5)
    regions = np.where(body, bone, 0)
    for k in range(N_DISCS):
        regions[np.isin(labels, (Tissue.NUCLEUS + k, Tissue.ANNULUS + k))] = region_of_disc(k)
    return regions.astype(np.uint8)


def _axial(patient: Patient, rng: np.random.Generator) -> Drawn:
    marks, spine = landmarks(patient.spine), patient.spine
    labels, points = [], []
    for level in range(5):
        disc = FIRST_LUMBAR_DISC + level
        s, tilt = spine.disc_center[disc], np.deg2rad(rng.normal(0, 5))
        away, angle = rng.normal(0, 2.5), float(spine.tilt(s)) + tilt
        sheet = axial_sheets(patient, disc, away + _THICK, _ACROSS, _ACROSS, tilt)
        origin = np.array([np.interp(s, spine.curve_s, curve) for curve in (spine.curve_y, spine.curve_z)])
        back = (marks[3:5, level, 1:] - origin) @ np.array([np.cos(angle), np.sin(angle)])
        labels.append(sheet)
        points.append(np.stack([marks[3:5, level, 0] - _ACROSS[0], back - _ACROSS[0]], 1) / SHEET_MM)
    state = np.full((5, 2), PRESENT, np.int8)
    return np.array(labels), np.array(points, np.float32), state, np.zeros((5, 0, 0), np.uint8)
