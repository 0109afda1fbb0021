"""Transitional vertebrae: levels are counted right by the bundled selector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsdc.cohort.discovery.studies import read_study
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import View
from lsdc.phantom import spine_drawing
from lsdc.phantom.study import simulate_study
from lsdc.slice_selector.selector import SliceSelector

HALF_A_LEVEL = 15.0
"""Half the least distance of two discs, mm."""


@pytest.mark.parametrize("transition", ["rudimentary L5/S1", "free S1"])
def test_a_transitional_vertebra_does_not_move_the_levels(
    transition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spine_drawing, "_drawn_transition", lambda _: transition)
    marks = {
        (row["condition"], row["level"]): (row["x"], row["y"])
        for row in simulate_study(tmp_path, "1003", (77, 3)).coordinates
    }
    read = read_study(tmp_path / "1003")
    study = Study("1003", tuple(one for one in read.series if one.view is not View.AXIAL_T2))
    located = [item for item in SliceSelector.bundled().locate(study) if item.slice is not None]
    assert len(located) == 15
    for item in located:
        assert item.series is not None and item.slice is not None
        plane = study.series[item.series].slices[item.slice].plane
        mark = marks[item.target.condition.title, item.target.level.title]
        here, there = plane.to_patient(np.array([item.point, mark]))
        assert np.linalg.norm(here - there) < HALF_A_LEVEL
        assert item.level_doubt < 0.3
