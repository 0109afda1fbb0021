"""How well a small classifier tells real pictures from simulated ones.

    lsdc-phantom make sim --studies 30 --seed 5
    python benchmarks/realism.py --data ../shared/real-images --cohort sim

An AUC of .5 would mean that nothing tells them apart. What tells them apart is where to look next: the command
writes the crops that the classifier is surest about.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contact_sheet import BEHIND_MM, DISC_MM, HALF_DISC_MM, found_discs
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score
from yardsticks import PX, Crops, cross_fitted

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.discovery.studies import discover
from lsdc.features.extract_worker import read
from lsdc.features.reference_encoders import pixel_features, texture_features
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track
from lsdc.slice_selector.selector import SliceSelector


@dataclass(frozen=True)
class Realism:
    """Tell real from simulated."""

    data: Path
    """folder with midsagittal/, gradings.csv, series.csv"""
    cohort: tuple[Path, ...]
    """simulated cohorts to compare with"""
    work: Path = Path("runs/realism")
    """folder for the contact sheets"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        result: dict[str, Any] = {"real_or_simulated": {}}
        real, rows = found_discs(self.data, SliceSelector.bundled(), only="_t2")
        groups = rows["patient"].to_numpy(str)
        for cohort in self.cohort:
            made, studies = simulated_discs(cohort)
            keep = np.random.default_rng(0).permutation(len(real))[: len(made)]
            crops = [real[k] for k in keep] + made
            truth = np.array([0] * len(keep) + [1] * len(made))
            whose = np.concatenate([groups[keep], studies])
            scores = {
                name: told_apart(embed(crops), truth, whose)
                for name, embed in (("16x8 pixels", pixel_features), ("HOG + LBP", texture_features))
            }
            result["real_or_simulated"][cohort.name] = {name: auc for name, (auc, _) in scores.items()}
            surest(crops, truth, scores["HOG + LBP"][1], self.work / f"surest_{cohort.name}.png")
        show(result)
        return result


def simulated_discs(cohort: Path) -> tuple[Crops, NDArray]:
    """Squares around the annotated discs of the mid-sagittal T2 of a simulated cohort, and their studies."""
    found = discover(cohort)
    assert found.coordinates is not None
    marked = found.coordinates[found.coordinates["condition"] == "spinal_canal_stenosis"]
    crops, studies = [], []
    for source in track(found.studies, f"discs of {cohort.name}"):
        study = read(source)
        cutters = {series.series_id: Cutter(series, series.view) for series in study.series if series.view}
        rows: Any = marked[marked["study_id"] == source.study_id].itertuples()
        for row in rows:
            series = next((item for item in study.series if item.series_id == str(row.series_id)), None)
            if series is None:
                continue
            number = [item.instance_number for item in series.slices].index(row.instance_number)
            plane = series.slices[number].plane
            there = plane.to_patient((row.x, row.y))[0] - [0, HALF_DISC_MM + BEHIND_MM, 0]
            point = plane.to_pixel(there)[0]
            crops.append(
                cutters[series.series_id].cut(number, (float(point[0]), float(point[1])), DISC_MM, PX)
            )
            studies.append(source.study_id)
    return crops, np.array(studies)


def told_apart(features: NDArray, truth: NDArray, groups: NDArray) -> tuple[float, NDArray]:
    """AUC of a logistic classifier, cross-fitted by patient, and its scores."""
    score = cross_fitted(features, truth, groups, balanced=False)
    return float(roc_auc_score(truth, score)), score


def surest(crops: Crops, truth: NDArray, score: NDArray, path: Path) -> None:
    """A contact sheet: real crops that look most real and most simulated, then the same of the simulated."""
    rows = []
    for kind in (0, 1):
        order = np.flatnonzero(truth == kind)[np.argsort(score[truth == kind])]
        rows += [np.concatenate([crops[k] for k in part], axis=1) for part in (order[:14], order[-14:])]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(path)
    say(f"{path}: real (surest real, surest simulated), then simulated (the same)")


def show(result: dict[str, Any]) -> None:
    """Print the tables for people."""
    table(
        "Real or simulated: AUC of a logistic classifier by patient (.5: cannot be told apart)",
        ["cohort", "16x8 pixels", "HOG + LBP"],
        [(name, *row.values()) for name, row in result["real_or_simulated"].items()],
    )


if __name__ == "__main__":
    sys.exit(run_program(Realism, "realism.py"))
