"""Label maps of many simulated patients, kept on disk: what the localizer's images are painted from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.phantom.patient import draw_patient
from lsdc.phantom.tissues import N_LABELS
from lsdc.pretraining.localizer.map_drawing import (
    PIXEL_MM,
    PatientMaps,
    draw_axial_maps,
    draw_sagittal_maps,
)
from lsdc.runtime.artifact import atomic
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike

_VERSION = 4
"""Version of the files: maps of another version are not used."""


@dataclass(frozen=True)
class LabelMaps:
    """Label maps of one kind from many patients, two per image: the near and the far half of its slice.

    Parameters
    ----------
    labels : (n, 2, rows, columns) uint8
        `Tissue`. Sagittal: head up, anterior at the left. Axial: anterior up, the patient's left at the right.
    points : (n, channels, 2) float32
        Column and row, px of the map.
    state : (n, channels) int8
        `UNKNOWN`, `PRESENT` or `ABSENT`.
    classes : (n, ceil(rows / 2), ceil(columns / 2)) uint8
        Vertebra or disc that every other pixel shows; see `vertebra_classes`. Axial maps have none: (n, 0, 0).
    patient : (n,) int
        Row of `tissues`.
    tissues : (patients, N_LABELS, 3) float32
        T1, T2 (ms at 1.5 T) and proton density of every label of every patient.
    """

    labels: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]
    classes: NDArray[np.uint8]
    patient: NDArray[np.int64]
    tissues: NDArray[np.float32]

    def of(self, patients: NDArray[np.int64]) -> Self:
        """Select the maps of some patients.

        Parameters
        ----------
        patients : (k,) int
            Rows of `tissues`.

        Returns
        -------
        LabelMaps
            With `tissues` of all patients, so that `patient` stays right.
        """
        rows = np.flatnonzero(np.isin(self.patient, patients))
        return type(self)(
            self.labels[rows],
            self.points[rows],
            self.state[rows],
            self.classes[rows],
            self.patient[rows],
            self.tissues,
        )

    @property
    def half(self) -> Tensor:
        """Half of a map's sides (columns, rows), mm."""
        return torch.tensor([self.labels.shape[-1], self.labels.shape[-2]]) * PIXEL_MM / 2

    def millimeters(self, rows: NDArray[np.int64]) -> Tensor:
        """Convert the points of some maps to millimeters.

        Parameters
        ----------
        rows : (k,) int
            Which maps.

        Returns
        -------
        (k, channels, 2) Tensor of float
            Column and row from the middle of the map, mm.
        """
        return (torch.from_numpy(self.points[rows]) + 0.5) * PIXEL_MM - self.half


def make_label_maps(
    patients: int, seed: int, work: PathLike, workers: int | None = None
) -> dict[str, LabelMaps]:
    """Draw patients and label their maps; patients that are already in `work` are kept.

    Parameters
    ----------
    patients : int
        How many.
    seed : int
        The same seed gives the same patients, whatever their number.
    work : path
        Folder where the maps are kept.
    workers : int, optional
        Number of processes; by default one per core.

    Returns
    -------
    dict of str to LabelMaps
        `sagittal`, five maps per patient, and `axial`, five too.
    """
    folder = Path(work) / f"version_{_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    todo = [k for k in range(patients) if not (folder / f"{k}.npz").is_file()]
    for_each(partial(_write_patient, seed=seed, folder=folder), todo, "drawing patients", workers)
    parts: dict[str, list[NDArray]] = {}
    for k in range(patients):
        with np.load(folder / f"{k}.npz") as content:
            for name in content.files:
                parts.setdefault(name, []).append(content[name])
    tissues = np.array(parts["tissues"], np.float32)
    made = {}
    for kind in ("sagittal", "axial"):
        arrays: dict[str, Any] = {
            name: np.concatenate(parts[f"{kind}_{name}"]) for name in PatientMaps._fields
        }
        counts = [len(labels) for labels in parts[f"{kind}_labels"]]
        made[kind] = LabelMaps(**arrays, patient=np.repeat(np.arange(patients), counts), tissues=tissues)
    return made


def _write_patient(number: int, seed: int, folder: Path) -> None:
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(rng, wide=True, unusual=True)
    content: dict[str, Any] = {"tissues": patient.tissues[:N_LABELS].astype(np.float32)}
    for kind, draw in (("sagittal", draw_sagittal_maps), ("axial", draw_axial_maps)):
        content |= {f"{kind}_{name}": array for name, array in draw(patient, rng)._asdict().items()}
    with atomic(folder / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, **content)
