"""What a journal of trials must be before Optuna replays it, and what the trials in it must be for a search."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.models.search_space import Range
from lsdc.runtime.schema import Check, list_of, mapping_of, number, optional, record, text, whole

if TYPE_CHECKING:
    import optuna

_MOST_BYTES, _LONGEST_LINE = 512 * 2**20, 2**20
_ID = whole(0, 10**9)
_ANYTHING: Check = lambda value, place: None  # noqa: E731
_ONE = mapping_of(_ANYTHING, most=1)
_NUMBER, _WHEN = number(finite=False), optional(text(most=64))
_OPERATIONS: dict[int, Check] = {
    0: record({"study_name": text(most=1000), "directions": list_of(whole(0, 2), 1, 10)}),
    1: record({"study_id": _ID}),
    2: record({"study_id": _ID, "user_attr": _ONE}),
    3: record({"study_id": _ID, "system_attr": _ONE}),
    4: record(
        {"study_id": _ID},
        {
            "state": whole(0, 4), "value": optional(_NUMBER), "values": optional(list_of(_NUMBER, most=10)),
            "datetime_start": _WHEN, "datetime_complete": _WHEN, "distributions": mapping_of(text(most=10_000)),
            "params": mapping_of(_NUMBER), "user_attrs": mapping_of(_ANYTHING),
            "system_attrs": mapping_of(_ANYTHING), "intermediate_values": mapping_of(_NUMBER),
        },
    ),
    5: record(
        {"trial_id": _ID, "param_name": text(most=1000), "param_value_internal": _NUMBER,
         "distribution": text(most=10_000)}
    ),
    6: record(
        {"trial_id": _ID, "state": whole(0, 4)},
        {"values": optional(list_of(_NUMBER, most=10)), "datetime_start": _WHEN, "datetime_complete": _WHEN},
    ),
    7: record({"trial_id": _ID, "step": whole(0), "intermediate_value": _NUMBER}),
    8: record({"trial_id": _ID, "user_attr": _ONE}),
    9: record({"trial_id": _ID, "system_attr": _ONE}),
}  # fmt: skip
"""By the number that Optuna gives an operation: what its line must hold."""


def check_journal(path: Path) -> None:
    """Refuse a journal that Optuna could not replay.

    Parameters
    ----------
    path : Path
        The file; each of its lines is an operation.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        With the line and what is wrong.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
    with path.open("rb") as stream:
        number_of_line = 0
        while line := stream.readline(_LONGEST_LINE + 1):
            number_of_line += 1
            try:
                _check_line(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number_of_line}: {str(error)[:200]}") from None


def _check_line(line: bytes) -> None:
    """Refuse a line that is no operation."""
    if len(line) > _LONGEST_LINE or not line.endswith(b"\n"):
        raise ValueError("too long, or cut short")
    found = json.loads(line.decode("utf-8"))
    record({"op_code": whole(0, max(_OPERATIONS)), "worker_id": text(most=1000)})(found, "")
    _OPERATIONS[found["op_code"]](found, "")


def check_trials(study: optuna.Study, ranges: Mapping[str, Range], metric: str) -> None:
    """Refuse trials that a search over these ranges cannot have left.

    Parameters
    ----------
    study : Study
        What Optuna made of a journal.
    ranges : mapping of str to Range
        All parameters of the search.
    metric : str
        Name of the loss.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    if study.directions != [StudyDirection.MINIMIZE]:
        raise ValueError("another direction")
    if study.metric_names not in (None, [metric]):
        raise ValueError("another metric")
    for trial in study.get_trials(deepcopy=False):
        fixed = trial.system_attrs.get("fixed_params", {})
        if not isinstance(fixed, dict):
            raise ValueError(f"trial {trial.number} has no parameters")
        for name, value in (*trial.params.items(), *fixed.items()):
            bounds = ranges.get(name)
            if bounds is None or not _within(value, bounds):
                raise ValueError(f"trial {trial.number} has a parameter that the search has not")
        for name, kind in trial.distributions.items():
            if kind != distribution(ranges[name]):
                raise ValueError(f"trial {trial.number} drew {name!r} from another range")
        finished = trial.state == TrialState.COMPLETE
        if finished and (trial.params.keys() != ranges.keys() or not math.isfinite(trial.value or 0.0)):
            raise ValueError(f"trial {trial.number} is finished, and lacks a parameter or a loss")


def distribution(bounds: Range) -> Any:
    """Make what Optuna draws a parameter from.

    Parameters
    ----------
    bounds : Range
        The parameter's.

    Returns
    -------
    IntDistribution or FloatDistribution
        Equal to what `suggest_int` and `suggest_float` note.
    """
    from optuna.distributions import FloatDistribution, IntDistribution

    if bounds.whole:
        return IntDistribution(int(bounds.low), int(bounds.high), log=bounds.log)
    return FloatDistribution(bounds.low, bounds.high, log=bounds.log)


def _within(value: Any, bounds: Range) -> bool:
    """Tell whether a value is a number of a range."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and bounds.low <= value <= bounds.high
