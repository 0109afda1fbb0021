"""Studies, their words, their tables and their place in the patient."""

from lsdc.cohort.discovery import Cohort, DiscoveryError, SeriesSource, StudySource, discover, read_study
from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.tables import (
    read_coordinates,
    read_labels,
    read_sample_submission,
    read_series_descriptions,
)
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
