"""Studies, their words, their tables and their place in the patient."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lsdc.cohort.vocabulary import (
    GRADES,
    TARGETS,
    Condition,
    Family,
    Grade,
    Level,
    RowIdError,
    Side,
    Target,
    View,
    parse_row_id,
)

if TYPE_CHECKING:
    from lsdc.cohort.discovery import discover, read_study
    from lsdc.cohort.geometry import SlicePlane
    from lsdc.cohort.sources import Cohort, DiscoveryError, SeriesSource, StudySource
    from lsdc.cohort.study import Series, Slice, Study
    from lsdc.cohort.tables import (
        read_coordinates,
        read_labels,
        read_sample_submission,
        read_series_descriptions,
    )

__all__ = [
    "GRADES",
    "TARGETS",
    "Cohort",
    "Condition",
    "DiscoveryError",
    "Family",
    "Grade",
    "Level",
    "RowIdError",
    "Series",
    "SeriesSource",
    "Side",
    "Slice",
    "SlicePlane",
    "Study",
    "StudySource",
    "Target",
    "View",
    "discover",
    "parse_row_id",
    "read_coordinates",
    "read_labels",
    "read_sample_submission",
    "read_series_descriptions",
    "read_study",
]

_HOMES = {
    "discovery": ("discover", "read_study"),
    "geometry": ("SlicePlane",),
    "sources": ("Cohort", "DiscoveryError", "SeriesSource", "StudySource"),
    "study": ("Series", "Slice", "Study"),
    "tables": ("read_coordinates", "read_labels", "read_sample_submission", "read_series_descriptions"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import pydicom and pandas only when something that needs them is used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
