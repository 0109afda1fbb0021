"""The official metric, prediction tables, stackers, and the ensemble that `lsdc-ensemble` fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsdc.runtime.lazy import importer

if TYPE_CHECKING:
    from lsdc.ensemble.metric import Scores, official_score
    from lsdc.ensemble.model import Model
    from lsdc.ensemble.predictions import Predictions
    from lsdc.ensemble.score import score_files
    from lsdc.ensemble.stackers import STACKERS, Stacker
    from lsdc.ensemble.tables import read_predictions, read_truth, write_submission

__all__ = [
    "STACKERS",
    "Model",
    "Predictions",
    "Scores",
    "Stacker",
    "official_score",
    "read_predictions",
    "read_truth",
    "score_files",
    "write_submission",
]

# Imported when asked for, so that `lsdc-ensemble --help` stays quick.
__getattr__ = importer(
    __name__,
    {
        "metric": ("Scores", "official_score"),
        "model": ("Model",),
        "predictions": ("Predictions",),
        "score": ("score_files",),
        "stackers": ("STACKERS", "Stacker"),
        "tables": ("read_predictions", "read_truth", "write_submission"),
    },
)
