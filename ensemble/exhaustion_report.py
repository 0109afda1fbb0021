"""The record of what would and would not make a stack better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from lsdc.metrics.bootstrap import Interval
from lsdc.runtime.schema import Check, mapping_of, number, record

_NAMED = mapping_of(number(finite=False))
EXHAUSTION_FIELDS: Check = record(
    {
        "added": mapping_of(_NAMED),
        "alike": mapping_of(_NAMED),
        "newcomer": mapping_of(_NAMED),
        "temperature": _NAMED,
        "last_third": number(finite=False),
        "trials": number(0),
    }
)
"""What report.json must hold of it."""


@dataclass(frozen=True)
class Exhaustion:
    """What would and would not make a stack better; all gains are in the official score, positive is better.

    Parameters
    ----------
    added : dict of str to Interval
        What each member adds: how much worse a log-linear pool, fitted without each fold, scores without it.
    alike : dict of str to dict of str to float
        By family, and by the names of two members: the correlation of their errors.
    newcomer : dict of str to Interval
        What that pool would gain by a further member as good as the best of each family: `mean` with errors as alike
        as the members' are on average, `lowest` as those of the least alike two, `own` with errors that have nothing
        to do with those of others, an upper bound that no reader of the same images reaches.
    temperature : Interval
        What the stack's held-out predictions gain by a temperature per family, fitted on other folds.
    last_third : float
        By how much the last third of the trials improved the best one; NaN where it is not known.
    trials : int
        Number of finished trials, those that were given up early among them.
    """

    added: dict[str, Interval]
    alike: dict[str, dict[str, float]]
    newcomer: dict[str, Interval]
    temperature: Interval
    last_third: float
    trials: int

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Read it as `dataclasses.asdict` made it.

        Parameters
        ----------
        found : mapping
            The fields by name.

        Returns
        -------
        Exhaustion
            Equal to the one that was written.

        Raises
        ------
        KeyError, TypeError
            When a field is missing or has another form.
        """
        return cls(
            {name: Interval(**one) for name, one in found["added"].items()},
            {family: dict(pairs) for family, pairs in found["alike"].items()},
            {name: Interval(**one) for name, one in found["newcomer"].items()},
            Interval(**found["temperature"]),
            float(found["last_third"]),
            int(found["trials"]),
        )

    def mean_likeness(self) -> tuple[float, float]:
        """Average the correlations of the errors, and find the lowest.

        Returns
        -------
        mean, lowest : float
            NaN where no two members share a family.
        """
        values = [value for pairs in self.alike.values() for value in pairs.values() if np.isfinite(value)]
        return (float(np.mean(values)), float(np.min(values))) if values else (np.nan, np.nan)

    def sentences(self) -> list[str]:
        """Say it in words.

        Returns
        -------
        list of str
            A sentence for each finding; what could not be measured has none.
        """
        said = []
        if self.exhausted:
            said.append(
                "the stack is exhausted: neither calibration nor more trials would get more out of these members"
            )
        if self.added:
            most, *_, least = sorted(self.added, key=lambda name: -self.added[name].value)
            said.append(f"in a pool that is fitted, member {most} adds most: {_gain(self.added[most])}")
            said.append(f"in a pool that is fitted, member {least} adds least: {_gain(self.added[least])}")
        mean, lowest = self.mean_likeness()
        if np.isfinite(mean):
            said.append(
                f"errors of two members correlate by {mean:.2f} on average, by {lowest:.2f} at the lowest"
            )
        if self.newcomer:
            said += [
                "one more member as good as the best would gain "
                f"{_gain(self.newcomer['mean'])} if it erred as alike as these do on average",
                f"such a member would gain {_gain(self.newcomer['lowest'])} if it erred as the least alike two do, "
                f"at most {_gain(self.newcomer['own'])} with errors that have nothing to do with theirs",
            ]
        if np.isfinite(self.temperature.value):
            helps = "calibration may help" if self.temperature.low > 0 else "calibration will not help"
            said.append(
                f"{helps}: a temperature per family, fitted out of fold, gains {_gain(self.temperature)}"
            )
        if np.isfinite(self.last_third):
            helps = "more trials may help" if self.trials_may_help else "more trials will not help"
            said.append(
                f"{helps}: the last third of {self.trials} trials improved the best by {self.last_third:.4f}"
            )
        return said

    @property
    def exhausted(self) -> bool:
        """Whether neither a temperature nor more trials would help; False where that is not known."""
        known = np.isfinite(self.temperature.low) and np.isfinite(self.last_third)
        return bool(known and self.temperature.low <= 0 and not self.trials_may_help)

    @property
    def trials_may_help(self) -> bool:
        """Whether the search still improves by more than how unsure the gain of a refit temperature is."""
        noise = (self.temperature.high - self.temperature.low) / 2
        return bool(self.last_third > noise)


def _gain(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"
