"""Settings of the encoder's pretraining, which are also the command's flags."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.runtime import ConfigError

LEAST_PATIENTS = 10
"""Fewer cannot be divided into training, validation and test."""


@dataclass(frozen=True)
class EncoderSettings:
    """What the encoder's weights depend on."""

    backbone: str = "regnetx_002"
    """any convolutional timm model"""
    start: str = "random"
    """weights to continue from: random, bundled, or a safetensors file"""
    patients: int = 1200
    """simulated patients, a fifth of them kept for validation and test"""
    epochs: int = 18
    """epochs of `steps` steps"""
    steps: int = 200
    """steps per epoch"""
    batch: int = 96
    """patches per step, each under two acquisitions"""
    seed: int = 0
    """for the patients and the training"""
    crop_px: int = 96
    """side of a crop in pixels"""
    tasks: TaskWeights = field(default_factory=TaskWeights)
    """how much each task counts"""
    painter: Painter = field(default_factory=Painter)
    """how varied the acquisitions are"""
    boxes: float = 0.5
    """fraction of midline crops that show the disc's box instead of a square around the canal"""

    def __post_init__(self) -> None:
        """Refuse too few patients."""
        if self.patients < LEAST_PATIENTS:
            raise ConfigError(f"patients must be at least {LEAST_PATIENTS}, not {self.patients}")

    def recipe(self) -> dict[str, Any]:
        """List the settings as cards and unfinished runs keep them.

        Returns
        -------
        dict
            JSON-able; the weights of the tasks have the key `lessons`, as in the cards of earlier versions.
        """
        return {{"tasks": "lessons"}.get(key, key): value for key, value in asdict(self).items()}
