"""Write the CSV tables of a simulated cohort."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lsdc.cohort.vocabulary import TARGETS
from lsdc.phantom.study import StudyRows
from lsdc.runtime.artifact import atomic

_COORDINATES = ["study_id", "series_id", "instance_number", "condition", "level", "x", "y"]
_DESCRIPTIONS = ["study_id", "series_id", "series_description"]
_SUBMISSION = ["row_id", "normal_mild", "moderate", "severe"]


def write_cohort_tables(out: Path, train: Sequence[StudyRows], test: Sequence[StudyRows]) -> None:
    """Write the competition's tables, and `measurements.csv` as the last of them.

    Parameters
    ----------
    out : Path
        Folder of the cohort.
    train : sequence of StudyRows
        Rows of the training studies.
    test : sequence of StudyRows
        Rows of the test studies; when there are none, the files of the test part are not written.
    """
    labels = ["study_id", *(target.slug for target in TARGETS)]
    _write(out / "train.csv", labels, (study.label for study in train))
    _write(out / "train_label_coordinates.csv", _COORDINATES, _all_rows(train, "coordinates"))
    _write(out / "train_series_descriptions.csv", _DESCRIPTIONS, _all_rows(train, "descriptions"))
    if test:
        _write(out / "test_labels.csv", labels, (study.label for study in test))
        _write(out / "test_series_descriptions.csv", _DESCRIPTIONS, _all_rows(test, "descriptions"))
        _write(out / "sample_submission.csv", _SUBMISSION, _sample_submission(test))
    measured = list(_all_rows([*train, *test], "measurements"))
    _write(out / "measurements.csv", list(measured[0]), measured)


def _sample_submission(studies: Sequence[StudyRows]) -> Iterable[dict[str, Any]]:
    for study in studies:
        for row_id in sorted(target.row_id(study.label["study_id"]) for target in TARGETS):
            yield {"row_id": row_id} | dict.fromkeys(_SUBMISSION[1:], 1 / 3)


def _all_rows(studies: Sequence[StudyRows], table: str) -> Iterable[dict[str, Any]]:
    return (row for study in studies for row in getattr(study, table))


def _write(path: Path, header: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
