"""What may be searched about a member: a range for each of its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lsdc.runtime import ConfigError

Settings = Mapping[str, float]
"""A value for some of a member's settings, by name."""


@dataclass(frozen=True)
class Range:
    """Bounds of a number that is searched.

    Parameters
    ----------
    low, high : float
        Smallest and largest value.
    log : bool
        Draw on a logarithmic scale, for numbers that are factors; `low` must then be positive.
    whole : bool
        Draw whole numbers only.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False


Space = Mapping[str, Range]
"""The ranges of a member's settings, by name."""


def check_settings(settings: Settings, space: Space, owner: str) -> dict[str, float]:
    """Refuse settings that a member does not have, and values outside their ranges.

    Parameters
    ----------
    settings : mapping of str to float
        What was chosen.
    space : mapping of str to Range
        What can be chosen.
    owner : str
        The member's name, for the error.

    Returns
    -------
    dict of str to float
        The settings; those of whole numbers as int.

    Raises
    ------
    ConfigError
        With the name of the setting, and what is expected.

    Examples
    --------
    >>> check_settings({"leaf": 5.0}, {"leaf": Range(1, 20, whole=True)}, "forest")
    {'leaf': 5}
    """
    found: dict[str, float] = {}
    for name, value in settings.items():
        if name not in space:
            known = ", ".join(space) or "none"
            raise ConfigError(f"settings: {owner!r} has no setting {name!r}; it has {known}")
        bounds = space[name]
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not bounds.low <= value <= bounds.high or (bounds.whole and value != int(value)):
            kind = "a whole number" if bounds.whole else "a number"
            raise ConfigError(
                f"settings: {name!r} of {owner!r} must be {kind} from {bounds.low:g} to {bounds.high:g}, not {value!r}"
            )
        found[name] = int(value) if bounds.whole else float(value)
    return found
