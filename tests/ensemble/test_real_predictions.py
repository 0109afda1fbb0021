"""What is known of real members' predictions, which are not part of the repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.scoring import shared

from lsdc.ensemble.member_tables import read_stacking_data
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.fixed import PlainMean
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import official_score


@pytest.fixture(scope="module")
def data() -> StackingData:
    folder: Path = shared("real-oof")
    return read_stacking_data(folder / "train.csv", folder / "members", folder / "folds.csv")


def test_mean_of_real_members_is_what_is_known(data: StackingData) -> None:
    predictions, grades = data.predictions, data.grades
    mean = official_score(grades, cross_fit_stacker(PlainMean, data))
    # The published figure puts the prior wherever a member has no row; the members present do better.
    prior = WeightedPrior().fit(predictions, grades).fractions_
    covers = np.asarray(predictions.present.any(axis=(1, 3)))[:, None, :, None, None]
    filled = np.where(predictions.present[..., None] | ~covers, predictions.cubes, prior)
    known = np.nanmean(filled, axis=0)
    assert official_score(grades, known).total == pytest.approx(0.3902, abs=5e-5)
    assert mean.total == pytest.approx(0.3898, abs=5e-5)


@pytest.mark.slow
def test_real_predictions_are_stacked_better_than_by_the_mean(data: StackingData) -> None:
    makers: list[Callable[[], Stacker]] = [partial(DefaultStacker, trials=10), PlainMean]
    halves = replace(data, folds=data.folds % 2)  # a search for each fold would take a minute more
    stack, mean = (official_score(halves.grades, cross_fit_stacker(make, halves)) for make in makers)
    assert stack.total < mean.total - 0.001
    for part in ("spinal", "foraminal", "subarticular"):
        assert getattr(stack, part) < getattr(mean, part) + 0.001
