"""The crops that a study's page shows of a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import View
from lsdc.features.crops import CROP_MM
from lsdc.features.projections import Projection
from lsdc.report.graded_study import GradedStudy
from lsdc.report.pages.data_uris import jpeg_uri
from lsdc.report.pages.upright_image import Edges, UprightImage

_OWN_PX, _OTHER_PX = 264, 144


@dataclass(frozen=True)
class CropView:
    """A square cut around a target, upright and never mirrored.

    Parameters
    ----------
    src : str
        The picture, as a data URI.
    mm : float
        Side of the square, mm.
    edges : Edges
        What lies at its edges.
    title : str
        Its view.
    caption : str
        Series, slice, and how far its plane is from the target.
    measured, oriented : bool
        Whether the header says how large pixels are, and how the slice lies.
    """

    src: str
    mm: float
    edges: Edges
    title: str
    caption: str
    measured: bool
    oriented: bool


def shown_in(graded: GradedStudy, row: int) -> Mapping[View, Projection]:
    """Say where the views show a target.

    Parameters
    ----------
    graded : GradedStudy
        The study.
    row : int
        Index into its targets.

    Returns
    -------
    mapping of View to Projection
        Empty where the place is only an average one; of targets that no slice reaches, the other views' places.
    """
    location = graded.located.locations[row]
    if location.status is Status.NOT_SEEN and location.series is not None:
        return {}
    return graded.located.projections[row]


def cut_views(graded: GradedStudy, row: int, names: Sequence[str]) -> tuple[CropView, ...]:
    """Cut a target from every view that shows it.

    Parameters
    ----------
    graded : GradedStudy
        The study.
    row : int
        Index into its targets.
    names : sequence of str
        What its series are called; see `series_names`.

    Returns
    -------
    tuple of CropView
        `CROP_MM` wide, as the model sees it but never mirrored; the view in which the target is graded first.
    """
    located, own = graded.located, graded.located.locations[row].view
    family = graded.targets[row].target.condition.family
    projections = shown_in(graded, row)
    return tuple(
        _crop(
            located.cutters[projections[view].series],
            projections[view],
            CROP_MM[family][view],
            names,
            view is own,
            _comparable(graded, row, projections[view].series),
        )
        for view in sorted(projections, key=lambda view: view is not own)
        if projections[view].series in located.cutters
    )


def _comparable(graded: GradedStudy, row: int, series: int) -> bool:
    """Tell whether places of a series compare with that of a target: unless two frames of reference are known."""
    study, own = graded.located.study, graded.located.locations[row].series
    if own is None:
        return True
    frames = {study.series[index].frame_of_reference for index in (own, series)} - {""}
    return len(frames) < 2


def _crop(
    cutter: Cutter, place: Projection, mm: float, names: Sequence[str], own: bool, comparable: bool
) -> CropView:
    """Cut one square; that of the view in which the target is graded has more pixels."""
    series, px = cutter.series, _OWN_PX if own else _OTHER_PX
    away = "" if place.distance_mm < 0.05 else f", {place.distance_mm:.1f} mm from the place"
    away += "" if comparable else f"{' ' if away else ', '}if the patient lay still"
    return CropView(
        src=jpeg_uri(cutter.cut(place.slice, place.point, mm, px, mirrored=False), 82),
        mm=mm,
        edges=UprightImage.of(series.slices[place.slice], cutter.view).edges,
        title=cutter.view.value,
        caption=f"{names[place.series]}, slice {place.slice + 1} of {len(series.slices)}{away}",
        measured="no_pixel_spacing" not in series.flags,
        oriented=not series.flags & {"no_orientation", "no_position"},
    )
