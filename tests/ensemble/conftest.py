"""Stacks and members that are fitted in a fraction of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightgbm
import pytest
from sklearn import neural_network
from support.member import Linear, Timid

from lsdc.ensemble.tuning.mixing import LEARNERS
from lsdc.models.registry import MEMBERS

_STEPS = 4


@pytest.fixture(scope="module")
def brief_learners() -> Iterator[None]:
    """Let the learners of a stack take a few steps, for tests that do not ask how well it learns.

    They take most of a stack's time, and are fitted anew for every fold of it. In the test's own process alone.
    """
    with pytest.MonkeyPatch.context() as patch:
        for learner in LEARNERS.values():
            patch.setattr(learner, "fit_rows", _briefly(learner.fit_rows))
        yield


@pytest.fixture(scope="module")
def tiny_members() -> Iterator[None]:
    """Let `linear` and `timid` be members that a model can have by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEMBERS, "linear", Linear)
        patch.setitem(MEMBERS, "timid", Timid)
        yield


def _briefly(fit_rows: Callable[..., Any]) -> Callable[..., Any]:
    """Limit the steps while rows are fitted; members use the same libraries, and keep theirs."""

    def fitted(*args: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lightgbm, "train", _with(lightgbm.train, num_boost_round=_STEPS))
            limited = _with(neural_network.MLPClassifier, max_iter=_STEPS)
            patch.setattr(neural_network, "MLPClassifier", limited)
            return fit_rows(*args)

    return fitted


def _with(function: Callable[..., Any], **changed: Any) -> Callable[..., Any]:
    """Call a function with other values of some arguments."""
    return lambda *args, **options: function(*args, **{**options, **changed})
