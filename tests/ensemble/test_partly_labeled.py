"""Cohorts in which readers graded only some of the conditions."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.nested import stack
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import CONDITIONS_OF
from lsdc.testing.planted_predictions import make_predictions

pytestmark = pytest.mark.usefixtures("brief_learners")


def test_foramina_alone_are_stacked_and_scored_and_no_total_is_claimed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictions, grades = make_predictions()
    caplog.set_level(logging.INFO, logger="lsdc")
    others = [k for family in (Family.SPINAL, Family.SUBARTICULAR) for k in CONDITIONS_OF[family]]
    grades[:, others] = -1
    done = stack(StackingData(predictions, grades, np.arange(len(grades)) % 2), tmp_path / "model", trials=5)
    assert done.report.nested.foraminal < done.report.prior.foraminal
    assert np.isnan(done.report.nested.total)
    assert "no total: the official score needs labels of all three families" in caplog.text
    assert "nan (95 %" not in caplog.text
