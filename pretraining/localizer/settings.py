"""Settings of the localizer's pretraining, which are also the command's flags."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lsdc.runtime import ConfigError

LEAST_PATIENTS = 10
"""Fewer cannot be divided into training and test."""


@dataclass(frozen=True)
class LocalizerSettings:
    """What the localizer's weights depend on."""

    start: str = "random"
    """weights to continue from: random, bundled, or a folder that this command wrote"""
    patients: int = 1000
    """simulated patients, a tenth of them kept for the test"""
    epochs: int = 30
    """epochs of `steps` steps"""
    steps: int = 150
    """steps per epoch of the sagittal network; the axial one takes a third"""
    batch: int = 32
    """images per step"""
    seed: int = 0
    """for the patients and the training"""

    def __post_init__(self) -> None:
        """Refuse too few patients."""
        if self.patients < LEAST_PATIENTS:
            raise ConfigError(f"patients must be at least {LEAST_PATIENTS}, not {self.patients}")

    def recipe(self) -> dict[str, Any]:
        """List the settings as cards and unfinished runs keep them.

        Returns
        -------
        dict
            JSON-able.
        """
        return asdict(self)
