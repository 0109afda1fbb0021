"""What the selector learns from one study: small arrays instead of DICOM."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.geometry import anatomical_normal
from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View
from lsdc.runtime import ArtifactError
from lsdc.runtime.paths import PathLike
from lsdc.slice_selector.annotated_images import annotated_axial_images, annotated_sagittal_images
from lsdc.slice_selector.annotations import Annotations, read_annotations
from lsdc.slice_selector.closeups import annotated_closeups
from lsdc.slice_selector.descriptors import describe
from lsdc.slice_selector.square_images import N_LEVELS


@dataclass(frozen=True)
class SelectorExample:
    """One study as the selector learns from it; n slices, m sagittal and k axial images, c close-ups.

    Parameters
    ----------
    study_id : str
        Of the study.
    descriptors : (n, d) or (0, 0) float32
        One per slice of every series with a view; none where the rankers are not to learn from the study.
    view : (n,) int8
        Index into `View`.
    series : (n,) int16
        Index into the study's series.
    offset : (n,) float32
        Position along the series' normal from its middle, mm; towards the patient's left or head.
    fraction : (n,) float32
        Position of the slice in its series, 0 (right or foot) to 1.
    distance : (n, 5) float32
        From an axial slice to the annotated canal point of each level, mm; NaN elsewhere.
    annotated : (25,) int32
        Which of the n slices is annotated for each target, -1 unknown.
    patient : (25, 3) float32
        Annotated points in the patient, mm towards left, posterior, head; NaN unknown.
    sagittal : (m, 192, 192) uint8
        Sagittal images on which at least one point is shown.
    sagittal_points : (m, 10, 2) float32
        Column and row, px: the canal, then the foramen of the five levels; NaN where not shown.
    sagittal_state : (m, 10) int8
        0 unknown, 1 present, 2 absent.
    axial : (k, 128, 128) uint8
        Axial images that are annotated for a level.
    axial_points : (k, 2, 2) float32
        Column and row, px, of the patient's left and right recess of that level; NaN where not shown.
    axial_state : (k, 2) int8
        0 unknown, 1 present, 2 absent.
    closeup : (c, 96, 96) uint8
        Surroundings of each marked foramen, on the marked slice and on its neighbors.
    closeup_marked : (c,) bool
        Whether a close-up is of the marked slice.
    """

    study_id: str
    descriptors: NDArray[np.float32]
    view: NDArray[np.int8]
    series: NDArray[np.int16]
    offset: NDArray[np.float32]
    fraction: NDArray[np.float32]
    distance: NDArray[np.float32]
    annotated: NDArray[np.int32]
    patient: NDArray[np.float32]
    sagittal: NDArray[np.uint8]
    sagittal_points: NDArray[np.float32]
    sagittal_state: NDArray[np.int8]
    axial: NDArray[np.uint8]
    axial_points: NDArray[np.float32]
    axial_state: NDArray[np.int8]
    closeup: NDArray[np.uint8]
    closeup_marked: NDArray[np.bool_]

    def save(self, path: PathLike) -> None:
        """Write the arrays as an npz file; compressing it would take as long as reading the study.

        Parameters
        ----------
        path : path
            The file; what is there is replaced.
        """
        with Path(path).open("wb") as stream:
            arrays: Any = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self)}
            np.savez(stream, **arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote; nothing in the file is run.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        SelectorExample
            As it was saved.

        Raises
        ------
        ArtifactError
            When the file is absent or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                arrays = {f.name: content[f.name] for f in fields(cls)}
        except Exception as error:  # zip and NumPy fail in their own ways on a damaged file
            raise ArtifactError(f"{path}: a damaged selector example ({error}); delete it") from error
        return cls(**(arrays | {"study_id": str(arrays["study_id"])}))


def series_geometry(series: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute where each slice is in its series, the same way however the series was scanned.

    Parameters
    ----------
    series : Series
        Of n slices.

    Returns
    -------
    offset : (n,) float64
        Distance from the middle of the series, mm; towards the patient's left (sagittal) or head (axial).
    fraction : (n,) float64
        0 at the right or the foot, 1 at the other end.
    """
    plane = series.slices[0].plane
    towards = anatomical_normal((plane.row_direction, plane.column_direction))
    positions = series.positions if plane.normal @ towards > 0 else -series.positions
    middle = (positions.max() + positions.min()) / 2
    return positions - middle, (positions - positions.min()) / max(float(np.ptp(positions)), 1e-6)


def make_example(study: Study, coordinates: pd.DataFrame | None, described: bool = True) -> SelectorExample:
    """Reduce a study and what readers marked in it to what the selector learns from.

    Parameters
    ----------
    study : Study
        As read.
    coordinates : DataFrame or None
        The study's rows of the coordinate table (series_id, instance_number, condition, level, x, y). Marks on slices
        that the study does not have are left out. With None, nothing is annotated.
    described : bool
        Whether slices are described, so that the rankers learn from the study.

    Returns
    -------
    SelectorExample
        Of all slices of series with a view, and of the images on which a marked point is shown.
    """
    annotations = read_annotations(study, coordinates)
    rows = [_slice_rows(study, index, annotations) for index in annotations.first_row]
    sagittal = annotated_sagittal_images(study, annotations)
    axial = annotated_axial_images(study, annotations)
    closeups = annotated_closeups(study, annotations)
    return SelectorExample(
        study_id=study.study_id,
        descriptors=_described(study, annotations) if described else np.zeros((0, 0), np.float32),
        view=_joined([part.view for part in rows], np.int8),
        series=_joined([part.series for part in rows], np.int16),
        offset=_joined([part.offset for part in rows], np.float32),
        fraction=_joined([part.fraction for part in rows], np.float32),
        distance=_joined([part.distance for part in rows], np.float32).reshape(-1, N_LEVELS),
        annotated=annotations.rows,
        patient=annotations.patient.astype(np.float32),
        sagittal=sagittal.images,
        sagittal_points=sagittal.points,
        sagittal_state=sagittal.state,
        axial=axial.images,
        axial_points=axial.points,
        axial_state=axial.state,
        closeup=closeups.images,
        closeup_marked=closeups.marked,
    )


@dataclass(frozen=True)
class _SliceRows:
    """Where the slices of one series are; arrays as in `SelectorExample`."""

    view: NDArray
    series: NDArray
    offset: NDArray
    fraction: NDArray
    distance: NDArray


def _slice_rows(study: Study, index: int, annotations: Annotations) -> _SliceRows:
    series = study.series[index]
    n = len(series.slices)
    distance = np.full((n, N_LEVELS), np.nan)
    if series.view is View.AXIAL_T2:
        canal = annotations.on(study, index)[:N_LEVELS]
        distance = np.array([item.plane.distance(canal) for item in series.slices])
    view = list(View).index(series.view or View.AXIAL_T2)
    return _SliceRows(np.full(n, view), np.full(n, index), *series_geometry(series), distance)


def _described(study: Study, annotations: Annotations) -> NDArray[np.float32]:
    slices = [item for index in annotations.first_row for item in study.series[index].slices]
    if not slices:
        return np.zeros((0, 0), np.float32)
    return np.stack([describe(item.pixels, item.plane) for item in slices])


def _joined(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)
