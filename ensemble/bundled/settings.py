"""What decides the model that is shipped."""

from __future__ import annotations

from dataclasses import dataclass

from lsdc.runtime import ConfigError

_FEWEST_PATIENTS = 10


@dataclass(frozen=True)
class GraderSettings:
    """How many patients are simulated for a grader, and how far it is trusted on real ones.

    Raises
    ------
    ConfigError
        When there are too few patients, or a trust is out of range.
    """

    patients: int = 120
    """simulated patients to learn from"""
    seed: int = 4000
    """decides the patients; encoder and localizer learned from other ones"""
    trust: float = 0.2
    """how far members are believed on real patients where no cohort tells: 0 not at all, 1 as on simulated ones"""
    choosing: int = 300
    """the first so many labeled studies of the judging cohort choose trust and shift; the others measure"""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.patients < _FEWEST_PATIENTS:
            raise ConfigError(f"patients must be at least {_FEWEST_PATIENTS}, not {self.patients}")
        if not 0 <= self.trust <= 1:
            raise ConfigError(f"trust must be from 0 to 1, not {self.trust}")
        if self.choosing < 0:
            raise ConfigError(f"choosing must be at least 0, not {self.choosing}")
