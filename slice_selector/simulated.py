"""Whole sagittal and axial pictures of simulated patients, painted anew for every look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lsdc.cohort.phantom.painter import Painter, blurred, finished
from lsdc.cohort.phantom.patient import Patient, draw_patient, landmarks
from lsdc.cohort.phantom.sheets import axial_sheets, sagittal_sheets
from lsdc.cohort.phantom.spine import FIRST_LUMBAR_DISC
from lsdc.cohort.phantom.tissues import N_LABELS
from lsdc.runtime.artefact import atomic
from lsdc.runtime.engine import fan_out
from lsdc.slice_selector.augment import field
from lsdc.slice_selector.example import ABSENT, AXIAL_MM, AXIAL_PX, PRESENT, SAGITTAL_MM, SAGITTAL_PX, UNKNOWN

SHEET_MM = 1.2
"""Side of a pixel of the sheets, mm."""
_Z, _Y = np.arange(-178, 192, SHEET_MM), np.arange(-150, 150, SHEET_MM)
_ACROSS = np.arange(-130, 130, SHEET_MM)
_PARTS = ("labels", "points", "state")
_THICK = np.array([-1.3, 1.3])
_CANAL_REACH, _FORAMEN_REACH, _BESIDE = 5.5, 4.0, 10.0
_ENDS = torch.tensor([0.2, 0.2, 0.3, 0.3])
"""Largest shares by which pictures end early at the top, bottom, left and right."""
NEGATIVES = 0.12
"""Share of pictures that show no lumbar spine."""


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
    patient : (n,) int
        Row of `tissues`.
    tissues : (patients, N_LABELS, 3) float32
        Relaxation times and proton densities.
    """

    labels: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]
    patient: NDArray[np.int64]
    tissues: NDArray[np.float32]

    def of(self, patients: NDArray[np.int64]) -> Self:
        """The sheets of some patients."""
        rows = np.flatnonzero(np.isin(self.patient, patients))
        return type(self)(
            self.labels[rows], self.points[rows], self.state[rows], self.patient[rows], self.tissues
        )


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
    work.mkdir(parents=True, exist_ok=True)
    todo = [k for k in range(patients) if not (work / f"{k}.npz").is_file()]
    for _ in fan_out(partial(_write, seed=seed, work=work), todo, "drawing patients", workers):
        pass
    parts: dict[str, list[NDArray]] = {}
    for k in range(patients):
        with np.load(work / f"{k}.npz") as content:
            for name in content.files:
                parts.setdefault(name, []).append(content[name])
    tissues = np.array(parts["tissues"], np.float32)
    made = {}
    for kind in ("sagittal", "axial"):
        labels, points, state = (np.concatenate(parts[f"{kind}_{name}"]) for name in _PARTS)
        counts = [len(one) for one in parts[f"{kind}_labels"]]
        made[kind] = Sheets(labels, points, state, np.repeat(np.arange(patients), counts), tissues)
    return made


def _write(number: int, seed: int, work: Path) -> None:
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(rng)
    content: dict[str, Any] = {"tissues": patient.tissues[:N_LABELS].astype(np.float32)}
    for kind, sheets in (("sagittal", _sagittal(patient, rng)), ("axial", _axial(patient, rng))):
        content |= {f"{kind}_{name}": part for name, part in zip(_PARTS, sheets)}
    with atomic(work / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, **content)


Drawn = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int8]]


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
    return np.ascontiguousarray(labels), points, state


def _axial(patient: Patient, rng: np.random.Generator) -> Drawn:
    marks, spine = landmarks(patient.spine), patient.spine
    labels, points = [], []
    for level in range(5):
        disc = FIRST_LUMBAR_DISC + level
        s, tilt = spine.disc_centre[disc], np.deg2rad(rng.normal(0, 5))
        away, angle = rng.normal(0, 2.5), float(spine.tilt(s)) + tilt
        sheet = axial_sheets(patient, disc, away + _THICK, _ACROSS, _ACROSS, tilt)
        origin = np.array([np.interp(s, spine.curve_s, curve) for curve in (spine.curve_y, spine.curve_z)])
        back = (marks[3:5, level, 1:] - origin) @ np.array([np.cos(angle), np.sin(angle)])
        labels.append(sheet)
        points.append(np.stack([marks[3:5, level, 0] - _ACROSS[0], back - _ACROSS[0]], 1) / SHEET_MM)
    state = np.full((5, 2), PRESENT, np.int8)
    return np.array(labels), np.array(points, np.float32), state


def look(
    sheets: Sheets,
    rows: NDArray[np.int64],
    kind: str,
    rng: np.random.Generator,
    negatives: float = NEGATIVES,
    t2: bool | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Paint pictures of some sheets as some scanner would show them, some of them without a lumbar spine.

    Parameters
    ----------
    sheets : Sheets
        All of the kind.
    rows : (n,) int
        Which.
    kind : str
        `sagittal` or `axial`.
    rng : numpy Generator
        Source of chance.
    negatives : float
        Share of pictures that are turned into something else.
    t2 : bool, optional
        Whether they are T2-weighted; default: at random.

    Returns
    -------
    pictures : (n, size, size) float
        0 to 255.
    points : (n, channels, 2) float
        Column and row, px.
    state : (n, channels) int64
        As in `Sheets`; PRESENT points that are outside become ABSENT.
    """
    n, generator = len(rows), torch.Generator().manual_seed(int(rng.integers(2**31)))
    size, mm = (SAGITTAL_PX, SAGITTAL_MM) if kind == "sagittal" else (AXIAL_PX, AXIAL_MM)
    heavy = rng.random(n) < (0.55 if kind == "sagittal" else 0.97)
    heavy = heavy if t2 is None else np.full(n, t2)
    painted = Painter()(sheets.labels[rows], sheets.tissues[sheets.patient[rows]], heavy, rng)
    signal = torch.from_numpy(painted).mean(1, keepdim=True)
    matrix, shift = _pose(n, kind, size, mm, signal.shape[-2:], rng)
    grid = functional.affine_grid(
        torch.cat([matrix, shift[..., None]], 2), [n, 1, size, size], align_corners=False
    )
    cut = functional.grid_sample(signal, grid, align_corners=False)
    cut = blurred(cut, torch.from_numpy((0.15 + 0.75 * rng.random((n, 2)) ** 1.5).astype(np.float32)))
    cut = cut * _band(n, size, generator)
    sample = cut[:, 0, ::4, ::4].flatten(1).sort(dim=1).values
    place = rng.uniform(0.955, 0.998, n) * (sample.shape[1] - 1)
    bright = sample[torch.arange(n), torch.from_numpy(place.astype(np.int64))]
    shown = field(n, size, generator, _ENDS, chance=0.3)
    pictures = (
        finished(cut / bright.clamp_min(0.02).view(n, 1, 1, 1), generator, gain=(0.7, 1.4))[:, 0] * shown
    )
    sides = torch.tensor([signal.shape[-1], signal.shape[-2]])
    unit = (torch.from_numpy(sheets.points[rows]) + 0.5) * 2 / sides - 1
    moved = torch.linalg.solve(matrix[:, None], (unit - shift[:, None])[..., None])[..., 0]
    moved, state = (moved + 1) * size / 2 - 0.5, torch.from_numpy(sheets.state[rows].astype(np.int64))
    if kind == "axial":
        flipped = matrix[:, 0, 0] < 0
        moved = torch.where(flipped[:, None, None], moved.flip(1), moved)
    cell = moved.nan_to_num(-1.0).round().long()
    inside = ((cell >= 0) & (cell < size)).all(-1)
    cell = cell.clamp(0, size - 1)
    outside = ~inside | (shown[torch.arange(n)[:, None], cell[..., 1], cell[..., 0]] == 0)
    state = torch.where(outside & (state == PRESENT), ABSENT, state)
    other = torch.from_numpy(rng.random(n) < negatives)
    pictures[other] = _something_else(pictures[other], rng)
    state[other] = ABSENT
    return pictures, moved, state


def _pose(
    n: int, kind: str, size: int, mm: float, shape: torch.Size, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random affine maps from the picture to the sheet, both in units from -1 to 1: (n, 2, 2) and (n, 2)."""
    half = np.array([shape[1], shape[0]]) * SHEET_MM / 2
    angle = rng.normal(0, 0.12 if kind == "sagittal" else 0.06, n)
    zoom = mm / 2 * np.exp(rng.normal(0, 0.17, n))[:, None] * np.exp(rng.normal(0, 0.03, (n, 2)))
    if kind == "axial":
        zoom[:, 0] *= np.where(rng.random(n) < 0.5, -1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    rows = [
        np.stack([cos * zoom[:, 0], -sin * zoom[:, 1]], 1),
        np.stack([sin * zoom[:, 0], cos * zoom[:, 1]], 1),
    ]
    matrix = np.stack(rows, 1) / half[:, None]
    middle = [18.0, 18.0] if kind == "sagittal" else [0.0, 5.0]
    spread = [26.0, 24.0] if kind == "sagittal" else [8.0, 14.0]
    shift = rng.normal(middle, spread, (n, 2)) / half
    return torch.tensor(matrix, dtype=torch.float32), torch.tensor(shift, dtype=torch.float32)


def _band(n: int, size: int, generator: torch.Generator) -> Tensor:
    """A coil that sees the back best, and now and then a saturated band in front; (n, 1, size, size)."""

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator)

    cells = torch.linspace(0, 1, size)
    across, down = cells.view(1, 1, 1, -1), cells.view(1, 1, -1, 1)
    reach = torch.exp(draw(-1.2, 1.5))
    near = 1 / (1 + ((1 - across).clamp_min(0) / reach / 1.2) ** 2)
    ends = torch.exp(-draw(0, 1.2) * (2 * down - 1).abs() ** 3)
    place = draw(0.1, 0.5) + 0.25 * (draw(0, 1) - 0.5) * (down - 0.5)
    saturated = 1 - (draw(0, 1) < 0.4) * draw(0.3, 0.97) * torch.sigmoid((place - across) / draw(0.005, 0.05))
    return near * ends * saturated


def _something_else(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """No lumbar spine: scrambled pieces, smooth blobs, noise, a far corner, a picture laid on its side."""
    made = []
    for picture in pictures:
        size = picture.shape[-1]
        kind = int(rng.integers(5))
        if kind == 0:
            n = int(rng.choice([3, 4, 6]))
            pieces = picture[: size // n * n, : size // n * n].unflatten(0, (n, -1)).unflatten(2, (n, -1))
            pieces = pieces.permute(0, 2, 1, 3).flatten(0, 1)[torch.from_numpy(rng.permutation(n * n))]
            other = pieces.unflatten(0, (n, n)).permute(0, 2, 1, 3).flatten(2, 3).flatten(0, 1)
            picture = functional.interpolate(other[None, None], (size, size), mode="bilinear")[0, 0]
        elif kind == 1:
            cells = int(rng.choice([4, 8, 16]))
            coarse = torch.from_numpy(rng.random((1, 1, cells, cells), np.float32))
            picture = functional.interpolate(coarse, (size, size), mode="bicubic")[0, 0].clamp(0, 1) * 255
        elif kind == 2:
            picture = torch.from_numpy(rng.random((size, size), np.float32)) * float(rng.uniform(1, 255))
        elif kind == 3:
            corner = (
                picture[: size // 4, : size // 4]
                if rng.random() < 0.5
                else picture[-size // 4 :, : size // 4]
            )
            picture = functional.interpolate(corner[None, None], (size, size), mode="bilinear")[0, 0]
        else:
            picture = torch.rot90(picture, int(rng.choice([1, 3])))
        made.append(picture)
    return torch.stack(made) if made else pictures
