"""Trainings that are judged by few images: what they learn is not asked here."""

from __future__ import annotations

import pytest

from lsdc.pretraining.encoder import training


@pytest.fixture(autouse=True)
def few_judging_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of 1,536, which tiny batches would take longer for than for the training."""
    monkeypatch.setattr(training, "_VALIDATION_IMAGES", 64)
