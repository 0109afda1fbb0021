"""Studies, their words, their tables and their place in the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from lsdc.runtime.lazy import importer

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

# pydicom and pandas are imported only when something that needs them is used.
__getattr__ = importer(
    __name__,
    {
        "discovery": ("discover", "read_study"),
        "geometry": ("SlicePlane",),
        "sources": ("Cohort", "DiscoveryError", "SeriesSource", "StudySource"),
        "study": ("Series", "Slice", "Study"),
        "tables": ("read_coordinates", "read_labels", "read_sample_submission", "read_series_descriptions"),
    },
)
