"""The bundled model on a labeled cohort that it never saw: figures, calibration, and what its parts do.

    python benchmarks/bundled.py --store STORE [--choosing 300]

STORE is what `lsdc-features extract DATA --out STORE` makes of a labeled cohort whose folder holds no annotated
points, so that the bundled selector locates. The first studies are those on which trust and shift were chosen; the
others are measured: as the model is, with a transfer chosen anew, and at several trusts without a shift.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.bundled.judging import Judges
from lsdc.ensemble.model import Model
from lsdc.ensemble.stackers.transferred import Transfer, TransferredMean
from lsdc.ensemble.weighting import reweighted
from lsdc.features.store import FeatureStore
from lsdc.metrics.measures import agreement
from lsdc.metrics.official import CONDITIONS_OF
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table

TRUSTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
COLUMNS = ("loss", "low", "high", "prior", "auc_severe", "auc_moderate")


@dataclass(frozen=True)
class Bundled:
    """Measure a model on labeled studies that it never saw."""

    store: Path
    """features of a labeled cohort, located by the bundled selector"""
    model: str = "bundled"
    """model directory, or the word bundled"""
    choosing: int = 300
    """the first so many studies chose trust and shift"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Predict and measure."""
        model = Model.open(self.model)
        judges = Judges.of(model, FeatureStore.open(self.store))
        first = np.arange(len(judges.data.grades)) < self.choosing
        chosen, others = judges.where(first), judges.where(~first)
        stack = model.stacker
        assert isinstance(stack, TransferredMean)
        stacks = {"as it is": stack, "chosen anew": _with(stack, chosen.transfers(_with(stack, {})))}
        for trust in TRUSTS:
            stacks[f"trust {trust}, no shift"] = _with(stack, dict.fromkeys(Family, Transfer(trust)))
        result: dict[str, Any] = {
            name: {family.value: asdict(one) for family, one in others.figures(each).items()}
            for name, each in stacks.items()
        }
        rows = [
            (name, family, *(figures[column] for column in COLUMNS))
            for name, families in result.items()
            for family, figures in families.items()
        ]
        table(f"{(~first).sum()} studies that chose nothing", ["stack", "family", *COLUMNS], rows)
        result["calibration"] = _calibration(others, stack)
        names = ("weighting", "family", "severe predicted", "severe graded", "calibration error")
        table("how probable, how frequent", names, result["calibration"])
        return result


def _with(stack: TransferredMean, transfers: dict[Family, Transfer]) -> TransferredMean:
    """The same stack with other transfers."""
    other = TransferredMean.restore(stack.state())
    other.transfers = transfers
    return other


def _calibration(judges: Judges, stack: TransferredMean) -> list[list[Any]]:
    """Mean probability of severe beside its frequency, with and without the competition's weights."""
    found, grades = stack.predict(judges.data.predictions), judges.data.grades
    rows: list[list[Any]] = []
    for weighting in ("competition", "none"):
        cube = reweighted(found, weighting)
        for family, conditions in CONDITIONS_OF.items():
            truth, values = grades[:, conditions], cube[:, conditions]
            truth, values = truth[truth >= 0], values[truth >= 0]
            if len(truth):
                error = agreement(truth.astype(int), values)["calibration_error"]
                rows.append([weighting, family.value, values[:, 2].mean(), (truth == 2).mean(), error])
    return rows


if __name__ == "__main__":
    sys.exit(run_program(Bundled, "bundled.py"))
