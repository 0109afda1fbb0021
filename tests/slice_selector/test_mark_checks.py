"""Marks of readers that cannot be right are named, and teach nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View
from lsdc.slice_selector.annotations import read_annotations
from lsdc.slice_selector.mark_checks import mark_problems

SLICES = [np.zeros((40, 30), np.uint8)] * 3


@pytest.fixture
def study() -> Study:
    images = {View.SAGITTAL_T2: SLICES, View.SAGITTAL_T1: SLICES}
    return Study.from_images(images, spacing=(0.6, 0.6), study_id="7")


def marks(**changes: object) -> pd.DataFrame:
    right = {
        "series_id": "1", "instance_number": 2, "condition": "spinal_canal_stenosis", "level": "l1_l2",
        "x": 12.0, "y": 30.0,
    }  # fmt: skip
    return pd.DataFrame([right | changes])


def test_a_mark_in_its_place_is_no_problem(study: Study) -> None:
    assert mark_problems(study, marks()) == []
    assert read_annotations(study, marks()).rows[0] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"x": 31.5},
            "1 annotated points lie outside of their image (series 1 image 2: spinal_canal_stenosis l1_l2)",
        ),
        ({"y": -2.0}, "1 annotated points lie outside"),
        ({"instance_number": 9}, "1 annotated points lie on images that the study does not have"),
        ({"series_id": "8"}, "1 annotated points lie on images that the study does not have"),
    ],
)
def test_marks_that_cannot_be_right_are_named_and_left_out(
    study: Study, changes: dict[str, object], reason: str
) -> None:
    (problem,) = mark_problems(study, marks(**changes))
    assert problem.path == "7" and problem.reason.startswith(reason) and problem.remedy
    assert (read_annotations(study, marks(**changes)).rows == -1).all()


def test_a_mark_on_another_view_is_named_and_many_are_counted(study: Study) -> None:
    (problem,) = mark_problems(study, pd.concat([marks(series_id="2")] * 5))
    assert (
        problem.reason.startswith("5 annotated points lie on a series of another view")
        and "…" in problem.reason
    )
