"""Find the cuts that give the real grade shares, and print what the simulated grades then look like.

    python benchmarks/calibrate_phantom.py --studies 1500 --seed 7

writes `phantom/cuts.json`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from lsdc.cohort.geometry import Array
from lsdc.phantom.disease import MILD_FRACTIONS, SEVERE_FRACTIONS
from lsdc.phantom.measure import perturb
from lsdc.phantom.patient import draw_patient
from lsdc.runtime.artifact import write_json
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table
from lsdc.runtime.engine import fan_out


def _measures(key: tuple[int, int]) -> tuple[Array, Array]:
    rng = np.random.default_rng(key)
    patient = draw_patient(rng)
    return patient.measures, perturb(patient.measures, rng)[1]


@dataclass(frozen=True)
class Calibrate:
    """Measure many simulated patients and cut the measures where the real grade shares are met."""

    studies: int = 1500
    """patients to measure"""
    seed: int = 7
    """of the patients"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, float]:
        """Write the cuts; return the rank correlations of the grades."""
        keys = [(self.seed, k) for k in range(self.studies)]
        seen = np.stack([result[1] for _, result in fan_out(_measures, keys, "measuring")])
        families = ["spinal", "foraminal", "foraminal", "subarticular", "subarticular"]
        cuts = np.empty((5, 5, 2))
        for row, family in enumerate(families):
            rows = [k for k, other in enumerate(families) if other == family]
            for level in range(5):
                pooled = seen[:, rows, level].ravel()
                shares = [1 - MILD_FRACTIONS[family][level], SEVERE_FRACTIONS[family][level]]
                cuts[row, level] = np.quantile(pooled, shares)
        made_by = f"calibrate_phantom.py --studies {self.studies} --seed {self.seed}"
        path = Path(__file__).parents[1] / "phantom" / "cuts.json"
        write_json(path, {"made_by": made_by, "cuts": cuts.round(3).tolist()})
        grades = (seen[..., None] <= cuts).sum(axis=-1)
        report = correlations(grades) | {
            "severe canal at any level": float((grades[:, 0] == 2).any(axis=1).mean()),
        }
        table("grades of simulated patients", ["relation", "value"], report.items())
        return report


def correlations(grades: Array) -> dict[str, float]:
    """Spearman correlations of grades (n, 5 conditions, 5 levels), each the mean over its pairs."""

    def mean(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> float:
        return float(
            np.mean([spearmanr(grades[:, a[0], a[1]], grades[:, b[0], b[1]]).statistic for a, b in pairs])
        )

    def same_level(couples: list[tuple[int, int]]) -> float:
        return mean([((a, level), (b, level)) for a, b in couples for level in range(5)])

    return {
        "same condition, adjacent level": mean([((c, k), (c, k + 1)) for c in range(5) for k in range(4)]),
        "same condition, two levels apart": mean([((c, k), (c, k + 2)) for c in range(5) for k in range(3)]),
        "left-right foraminal, same level": same_level([(1, 2)]),
        "left-right subarticular, same level": same_level([(3, 4)]),
        "canal-subarticular, same level": same_level([(0, 3), (0, 4)]),
        "canal-foraminal, same level": same_level([(0, 1), (0, 2)]),
        "foraminal-subarticular same side, same level": same_level([(1, 3), (2, 4)]),
    }


if __name__ == "__main__":
    sys.exit(run_program(Calibrate, "calibrate_phantom.py"))
