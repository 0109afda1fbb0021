"""Patches of tissue labels around the discs and foramina of many simulated patients, kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.phantom.patient import draw_patient
from lsdc.phantom.tissues import N_LABELS
from lsdc.pretraining.encoder.patch_cutting import cut_patches
from lsdc.pretraining.mapped_arrays import Source, join_arrays, opened, source_of
from lsdc.runtime.artifact import atomic
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike

_VERSION = 3
"""Version of what is drawn: patches of another version are not used."""


@dataclass(frozen=True)
class LabelPatches:
    """Label patches of many patients.

    Parameters
    ----------
    labels : (n, PLANES, PATCH_PX, PATCH_PX) uint8
        `Tissue`. Sagittal: planes from the patient's right to left, anterior at the left, head up. Axial: from foot
        to head, the patient's left at the right, anterior up. Foramina of the right side are mirrored.
    tissues : (patients, N_LABELS, 3) float32
        T1, T2 (ms at 1.5 T) and proton density of every label of every patient.
    rows : DataFrame
        Per patch: `patient`, `kind` (index into `KINDS`), `disc`, `x0`, `y0`, `x1`, `y1` (the disc's box, px), `x`,
        `y` (canal or foramen, px), and the columns of `patch_row`.
    """

    labels: NDArray[np.uint8]
    tissues: NDArray[np.float32]
    rows: pd.DataFrame

    def __reduce__(self) -> tuple[Any, ...]:
        """Send where the labels lie, not the labels, to other processes."""
        return _opened, (source_of(self.labels), self.tissues, self.rows)


def _opened(source: Source, tissues: NDArray[np.float32], rows: pd.DataFrame) -> LabelPatches:
    return LabelPatches(opened(source), tissues, rows)


def make_label_patches(patients: int, seed: int, work: PathLike, workers: int | None = None) -> LabelPatches:
    """Draw patients and cut their patches; patients that are already in `work` are kept.

    Parameters
    ----------
    patients : int
        How many.
    seed : int
        The same seed gives the same patients, whatever their number.
    work : path
        Folder where the patches are kept.
    workers : int, optional
        Number of processes; by default one per core.

    Returns
    -------
    LabelPatches
        Of all patients; `labels` is mapped from disk.
    """
    folder = Path(work) / f"version_{_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{k}.npz" for k in range(patients)]
    todo = [k for k, path in enumerate(files) if not path.is_file()]
    for_each(partial(_write_patient, seed=seed, folder=folder), todo, "drawing patients", workers)
    rows = pd.concat([pd.read_json(path.with_suffix(".json")) for path in files], ignore_index=True)
    labels = join_arrays(files, "labels", len(rows), folder / "labels.npy")
    tissues = []
    for path in files:
        with np.load(path) as content:
            tissues.append(content["tissues"])
    return LabelPatches(labels, np.array(tissues, np.float32), rows)


def draw_label_patches(
    seed: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.float32], pd.DataFrame]:
    """Draw one patient, who may have implants and other variants, and cut the patches.

    Parameters
    ----------
    seed : (int, int)
        Of all patients, and the number of this one.

    Returns
    -------
    labels : (n, PLANES, PATCH_PX, PATCH_PX) uint8
        As in `LabelPatches`.
    tissues : (N_LABELS, 3) float32
        T1, T2 and proton density.
    rows : DataFrame
        As in `LabelPatches`, without `patient`.
    """
    rng = np.random.default_rng(seed)
    patient = draw_patient(rng, unusual=True)
    patches = cut_patches(patient, rng)
    labels = np.stack([part for part, _ in patches])
    tissues = patient.tissues[:N_LABELS].astype(np.float32)
    return labels, tissues, pd.DataFrame([row for _, row in patches])


def _write_patient(number: int, seed: int, folder: Path) -> None:
    """Write one patient's patches; the npz file, which comes last, says that the patient is finished."""
    labels, tissues, rows = draw_label_patches((seed, number))
    with atomic(folder / f"{number}.json") as temporary:
        rows.assign(patient=number).to_json(temporary, orient="records")
    with atomic(folder / f"{number}.npz") as temporary:
        np.savez_compressed(temporary, labels=labels, tissues=tissues)
