"""Read a folder of pictures derived from SPIDER, and divide it by patient."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family, Level, View
from lsdc.pretraining.mask_reading import canal_behind_discs
from lsdc.pretraining.real_pictures import GRADINGS, DiscPicture, MidlinePicture, PictureParts, RealPictures
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import file_hash, fingerprint
from lsdc.runtime.console import track
from lsdc.runtime.paths import PathLike
from lsdc.slice_selector.selector import SliceSelector

_HELD_OUT = 0.25
"""Fraction of the patients that are never trained on."""
_SPLIT_SEED = 20240229
"""The same patients are held out whatever is trained."""
_SURE, _AGREED_MM = 0.6, 8.0
"""Least confidence of each point that is believed, and largest distance of the same on T1 and T2."""
_FILES = ("gradings.csv", "series.csv", "discs", "midsagittal", "space/images", "space/masks")


def divide_pictures(path: PathLike) -> PictureParts:
    """Read a folder of pictures and divide it by patient.

    Parameters
    ----------
    path : path
        See `read_pictures`.

    Returns
    -------
    PictureParts
        The same patients are held out whatever is trained.

    Raises
    ------
    ArtifactError
        When a part of the folder is absent.
    """
    pictures = read_pictures(path)
    out = held_out_patients(path)
    return PictureParts(pictures.of(set(pictures.patients) - out), pictures.of(out))


def held_out_patients(path: PathLike) -> set[str]:
    """Tell which patients of a folder of pictures no weights are trained on.

    Parameters
    ----------
    path : path
        The folder; see `read_pictures`.

    Returns
    -------
    set of str
        A quarter of those with gradings; always the same.
    """
    patients = np.array(sorted(_gradings(Path(path))["patient"].unique()))
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(patients))
    return set(patients[order[: max(1, round(_HELD_OUT * len(patients)))]].tolist())


def read_pictures(path: PathLike) -> RealPictures:
    """Read a folder of pictures derived from SPIDER.

    Parameters
    ----------
    path : path
        Holds `gradings.csv` (`patient`, `ivd_label` from the lowest disc, `disc_from_top`, what readers noted),
        `series.csv` (`series`, `PixelSpacing`), and as PNG files `discs/PATIENT_VIEW_disc_NUMBER`,
        `midsagittal/PATIENT_VIEW`, `space/images` and `space/masks`.

    Returns
    -------
    RealPictures
        Of all patients.

    Raises
    ------
    ArtifactError
        When a part is absent, or no slice can be believed.
    """
    folder = Path(path)
    for name in _FILES:
        if not (folder / name).exists():
            raise ArtifactError(f"{folder / name}: absent; pictures must hold {', '.join(_FILES)}")
    gradings, spacing = _gradings(folder), _spacings(folder)
    files = sorted(folder.rglob("*.png"))
    sizes = {str(file.relative_to(folder)): file.stat().st_size for file in files}
    digest = fingerprint({**sizes, **{file.name: file_hash(file) for file in sorted(folder.glob("*.csv"))}})
    slices = (*_midline(folder, gradings, spacing), *_masked(folder, gradings, spacing))
    if not slices:
        raise ArtifactError(f"{folder}: no slice shows five discs that the bundled localizer is sure of")
    return RealPictures(tuple(_discs(folder, gradings)), slices, digest)


def _gradings(folder: Path) -> pd.DataFrame:
    table = pd.read_csv(folder / "gradings.csv", dtype={"patient": str})
    table["modic_any"] = table["modic"] > 0
    for grade in range(2, 6):
        table[f"pfirrmann_{grade}"] = table["pfirrmann"] >= grade
    return table


def _spacings(folder: Path) -> dict[str, tuple[float, float]]:
    rows: Any = pd.read_csv(folder / "series.csv").itertuples()
    values = {str(row.series): row.PixelSpacing.strip("[]").split(",") for row in rows}
    return {name: (float(row), float(column)) for name, (row, column) in values.items()}


def _pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("L"))


def _discs(folder: Path, gradings: pd.DataFrame) -> Iterator[DiscPicture]:
    """Crops of the patients and views that have as many crops as gradings; both are counted from the head."""
    found: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in (folder / "discs").glob("*_disc_*.png"):
        name, number = path.stem.rsplit("_disc_", 1)
        patient, view = name.split("_", 1)
        found.setdefault((patient, view), []).append((int(number), path))
    for (patient, view), paths in sorted(found.items()):
        graded = gradings[gradings["patient"] == patient].sort_values("disc_from_top")
        if len(graded) == len(paths):
            for (_, path), known in zip(sorted(paths), graded[list(GRADINGS)].to_numpy(np.float32)):
                yield DiscPicture(patient, _pixels(path), view != "t1", known)


def _levels(gradings: pd.DataFrame, patient: str) -> NDArray[np.float32]:
    """Gradings (5, len(GRADINGS)) of a patient's discs L1/L2 to L5/S1."""
    graded = gradings[gradings["patient"] == patient].drop_duplicates("ivd_label").set_index("ivd_label")
    return graded.reindex([len(Level) - k for k in range(len(Level))])[list(GRADINGS)].to_numpy(np.float32)


def _midline(
    folder: Path, gradings: pd.DataFrame, spacing: dict[str, tuple[float, float]]
) -> Iterator[MidlinePicture]:
    """Mid-sagittal slices whose five points are believed."""
    selector = SliceSelector.bundled()
    seen: dict[str, list[tuple[MidlinePicture, NDArray[np.float64]]]] = {}
    for path in track(sorted((folder / "midsagittal").glob("*.png")), "finding discs on real pictures"):
        patient, view = path.stem.rsplit("_", 1)
        if path.stem not in spacing:
            continue
        pixels, mm = _pixels(path), spacing[path.stem]
        points, sure = find_canal(selector, pixels, mm)
        picture = MidlinePicture(patient, pixels, view == "t2", mm, points, _levels(gradings, patient))
        middle = (np.array(pixels.shape[::-1]) - 1) / 2
        place = (points - middle) * mm[::-1] if sure.min() >= _SURE else np.full((len(Level), 2), np.nan)
        seen.setdefault(patient, []).append((picture, place))
    for pictures in seen.values():
        places = np.stack([place for _, place in pictures])
        if np.isfinite(places).all() and np.linalg.norm(np.ptp(places, axis=0), axis=1).max() <= _AGREED_MM:
            yield from (picture for picture, _ in pictures)


def find_canal(
    selector: SliceSelector, pixels: NDArray[np.uint8], spacing: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Let a selector find the canal on a slice.

    Parameters
    ----------
    selector : SliceSelector
        Whose sagittal localizer is asked.
    pixels : (rows, columns) uint8
        Anterior at the left, head up.
    spacing : (float, float)
        mm between rows, mm between columns.

    Returns
    -------
    points : (5, 2) float64
        Column and row at L1/L2 to L5/S1, px.
    confidence : (5,) float64
        0 to 1.
    """
    study = Study.from_images([pixels], View.SAGITTAL_T2, spacing=spacing)
    found = [item for item in selector.locate(study) if item.target.condition.family is Family.SPINAL]
    plane = study.series[0].slices[0].plane
    points = np.array([plane.to_pixel(np.array(item.patient))[0] for item in found])
    return points, np.array([item.confidence for item in found])


def _masked(
    folder: Path, gradings: pd.DataFrame, spacing: dict[str, tuple[float, float]]
) -> Iterator[MidlinePicture]:
    """Slices with masks on which the five lowest discs are drawn."""
    for path in sorted((folder / "space" / "images").glob("*.png")):
        name = path.stem.rsplit("_slice", 1)[0]
        mask = _pixels(folder / "space" / "masks" / path.name)
        canal = canal_behind_discs(mask, spacing[name])
        if canal is not None:
            patient = name.split("_", 1)[0]
            known = _levels(gradings, patient)
            yield MidlinePicture(patient, _pixels(path), True, spacing[name], canal, known, mask)
