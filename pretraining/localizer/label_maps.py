"""Label maps of many simulated patients, kept on disk: what the localizer's images are painted from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.phantom.patient import draw_patient
from lsdc.phantom.tissues import N_LABELS
from lsdc.pretraining.localizer.map_drawing import (
    PIXEL_MM,
    draw_axial_maps,
    draw_sagittal_maps,
)
from lsdc.pretraining.mapped_arrays import Source, join_arrays, opened, source_of
from lsdc.runtime.artifact import atomic
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike

_VERSION = 5
"""Version of the files: maps of another version are not used."""
_LARGE = ("labels", "classes")
"""Arrays that are mapped from disk."""


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

    def rows_of(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """Select the maps of some patients.

        Parameters
        ----------
        patients : (k,) int
            Rows of `tissues`.

        Returns
        -------
        (m,) int
            Rows of `labels`.
        """
        return np.flatnonzero(np.isin(self.patient, patients))

    def __reduce__(self) -> tuple[Any, ...]:
        """Send where the labels lie, not the labels, to other processes."""
        rest = self.points, self.state, source_of(self.classes), self.patient, self.tissues
        return _opened, (type(self), source_of(self.labels), *rest)

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


def _opened(
    kind: type[LabelMaps],
    labels: Source,
    points: NDArray[np.float32],
    state: NDArray[np.int8],
    classes: Source,
    patient: NDArray[np.int64],
    tissues: NDArray[np.float32],
) -> LabelMaps:
    return kind(opened(labels), points, state, opened(classes), patient, tissues)


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
        `sagittal`, five maps per patient, and `axial`, five too; labels and classes are mapped from disk.
    """
    folder = Path(work) / f"version_{_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{k}.npz" for k in range(patients)]
    todo = [k for k, path in enumerate(files) if not path.is_file()]
    for_each(partial(_write_patient, seed=seed, folder=folder), todo, "drawing patients", workers)
    small: dict[str, list[NDArray]] = {}
    for path in files:
        with np.load(path) as content:
            for name in content.files:
                if not name.endswith(_LARGE):
                    small.setdefault(name, []).append(content[name])
    tissues = np.array(small["tissues"], np.float32)
    made = {}
    for kind in ("sagittal", "axial"):
        counts = [len(points) for points in small[f"{kind}_points"]]
        labels, classes = (
            join_arrays(files, f"{kind}_{name}", sum(counts), folder / f"{kind}_{name}.npy")
            for name in _LARGE
        )
        points, state = (np.concatenate(small[f"{kind}_{name}"]) for name in ("points", "state"))
        patient = np.repeat(np.arange(patients), counts)
        made[kind] = LabelMaps(labels, points, state, classes, patient, tissues)
    return made


def _write_patient(number: int, seed: int, folder: Path) -> None:
    rng = np.random.default_rng((seed, number))
    patient = draw_patient(rng, wide=True, unusual=True)
    content: dict[str, Any] = {"tissues": patient.tissues[:N_LABELS].astype(np.float32)}
    for kind, draw in (("sagittal", draw_sagittal_maps), ("axial", draw_axial_maps)):
        content |= {f"{kind}_{name}": array for name, array in draw(patient, rng)._asdict().items()}
    with atomic(folder / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, **content)
