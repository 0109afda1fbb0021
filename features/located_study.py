"""A study whose targets are located: what crops, volumes, previews and metadata are all taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View
from lsdc.features.projections import Projection, find_projections

if TYPE_CHECKING:
    from lsdc.cohort.location import Location


@dataclass(frozen=True)
class LocatedStudy:
    """A study, its located targets, and where each view shows them; build it with `of`.

    Parameters
    ----------
    study : Study
        All series of the study.
    locations : tuple of Location
        One per target, usually the 25 of TARGETS in their order.
    projections : tuple of mapping of View to Projection
        Where each target appears in each view, in the order of `locations`; views that do not show it are left out.
    cutters : mapping of int to Cutter
        What cuts images from each series of a known view, by the index of the series in the study.
    """

    study: Study
    locations: tuple[Location, ...]
    projections: tuple[Mapping[View, Projection], ...]
    cutters: Mapping[int, Cutter]

    @classmethod
    def of(cls, study: Study, locations: Sequence[Location]) -> Self:
        """Project every location on all views, and measure the gray values of every series.

        Parameters
        ----------
        study : Study
            All series of the study.
        locations : sequence of Location
            One per target, as `SliceSelector.locate` returns them for this study.

        Returns
        -------
        LocatedStudy
            Ready to be cut.
        """
        cutters = {
            index: Cutter(series, series.view)
            for index, series in enumerate(study.series)
            if series.view is not None and series.slices
        }
        projections = tuple(find_projections(study, location) for location in locations)
        return cls(study, tuple(locations), projections, cutters)

    def graded(self, row: int) -> Projection | None:
        """Give the projection of a target in the view where it is graded.

        Parameters
        ----------
        row : int
            Index into `locations`.

        Returns
        -------
        Projection or None
            None where that view does not show the target.
        """
        return self.projections[row].get(self.locations[row].view)
