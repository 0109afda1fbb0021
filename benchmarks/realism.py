"""How well a small classifier tells real pictures from simulated ones.

    lsdc-phantom make sim --studies 30 --seed 5
    python benchmarks/realism.py --data ../shared/real-images --cohort sim

An AUC of .5 would mean that nothing tells them apart. What tells them apart is where to look next: the command
writes the crops that the classifier is surest about.

    python benchmarks/realism.py --foramina COHORT --cohort sim

does the same with squares around the marked foramina of sagittal T1 slices, where COHORT is a real cohort in the
competition's layout. Both are seen as coarsely as its pictures, 250 px on a side; the real studies are those of the
second half of its folds.csv, as the first was looked at when the simulator was drawn.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contact_sheet import BEHIND_MM, DISC_MM, HALF_DISC_MM, found_discs
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates
from skimage.feature import hog
from skimage.transform import resize
from sklearn.metrics import roc_auc_score
from yardsticks import PX, Crops, cross_fitted

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.study import Slice
from lsdc.features.extract_worker import read
from lsdc.features.reference_encoders import pixel_features, texture_features
from lsdc.runtime import ConfigError
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table, track
from lsdc.slice_selector.selector import SliceSelector

_SQUARE_MM, _SQUARE_PX, _REAL_PX = 60.0, 48, 250
"""Side of the squares around foramina, mm and px; and side of the real pictures, px."""


@dataclass(frozen=True)
class Realism:
    """Tell real from simulated."""

    cohort: tuple[Path, ...]
    """simulated cohorts to compare with"""
    data: Path | None = None
    """folder with midsagittal/, gradings.csv, series.csv: real discs on T2 images"""
    foramina: Path | None = None
    """a real cohort in the competition's layout, with marked foramina and folds.csv"""
    work: Path = Path("runs/realism")
    """folder for the contact sheets"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure."""
        if self.data is None and self.foramina is None:
            raise ConfigError("data or foramina must be given, or there is nothing real to compare with")
        result: dict[str, Any] = {}
        if self.data is not None:
            result["real_or_simulated"] = self.discs(self.data)
        if self.foramina is not None:
            result["foramina"] = self.squares(self.foramina)
        show(result)
        return result

    def squares(self, cohort: Path) -> dict[str, dict[str, float]]:
        """Tell real foramina from those of each simulated cohort; the same number of studies of both."""
        folds = pd.read_csv(cohort / "folds.csv", dtype=str)["study_id"].tolist()
        result = {}
        for other in self.cohort:
            made, studies = marked_foramina(other)
            kept = folds[len(folds) // 2 :][: len(set(studies))]
            real, patients = marked_foramina(cohort, kept)
            truth = np.array([0] * len(real) + [1] * len(made))
            auc, score = told_apart(gradients(real + made), truth, np.concatenate([patients, studies]))
            result[other.name] = {"auc": auc}
            surest(real + made, truth, score, self.work / f"surest_foramina_{other.name}.png")
        return result

    def discs(self, data: Path) -> dict[str, dict[str, float]]:
        """Tell real discs from those of each simulated cohort."""
        result = {}
        real, rows = found_discs(data, SliceSelector.bundled(), only="_t2")
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
            result[cohort.name] = {name: auc for name, (auc, _) in scores.items()}
            surest(crops, truth, scores["HOG + LBP"][1], self.work / f"surest_{cohort.name}.png")
        return result


def marked_foramina(cohort: Path, only: list[str] | None = None) -> tuple[Crops, NDArray]:
    """Squares of 60 mm around the marked foramina of a cohort's sagittal T1 slices, and their studies."""
    found = discover(cohort)
    assert found.coordinates is not None
    marks = found.coordinates[found.coordinates["condition"].str.contains("foraminal")]
    crops, studies = [], []
    for source in track(found.studies, f"foramina of {cohort.name}"):
        if only is not None and source.study_id not in only:
            continue
        slices = {
            (item.series_id, one.instance_number): one for item in read(source).series for one in item.slices
        }
        rows: Any = marks[marks["study_id"] == source.study_id].itertuples()
        for row in rows:
            one = slices.get((str(row.series_id), int(row.instance_number)))
            if one is None:
                continue
            crops.append(_square(one, (float(row.x), float(row.y))))
            studies.append(source.study_id)
    return crops, np.array(studies)


def _square(one: Slice, point: tuple[float, float]) -> NDArray[np.uint8]:
    """Cut a square around a point of a slice, px, after shrinking it to `_REAL_PX` and windowing the square."""
    size = tuple(min(_REAL_PX, n) for n in one.pixels.shape)
    pixels = resize(one.pixels.astype(np.float32), size, anti_aliasing=True)
    offset = (np.arange(_SQUARE_PX) - (_SQUARE_PX - 1) / 2) * _SQUARE_MM / _SQUARE_PX
    across, down = (
        (center + 0.5) * n / whole - 0.5 + offset * n / (whole * spacing)
        for center, n, whole, spacing in zip(
            point, size[::-1], one.pixels.shape[::-1], one.plane.spacing[::-1]
        )
    )
    places = np.meshgrid(down, across, indexing="ij")
    crop = map_coordinates(pixels, places, order=1, mode="constant")
    low, high = np.percentile(crop, [1, 99])
    return (np.clip((crop - low) / max(float(high - low), 1e-6), 0, 1) * 255).astype(np.uint8)


def gradients(crops: Crops) -> NDArray:
    """Histograms of gradients: eight directions in cells of 8 x 8 px, normalized in blocks of 2 x 2 cells."""
    return np.stack(
        [hog(crop, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for crop in crops]
    )


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
    if "foramina" in result:
        table(
            "Real or simulated foramen: AUC of a logistic classifier on HOG by patient",
            ["cohort", "auc"],
            [(name, row["auc"]) for name, row in result["foramina"].items()],
        )
    if "real_or_simulated" not in result:
        return
    table(
        "Real or simulated: AUC of a logistic classifier by patient (.5: cannot be told apart)",
        ["cohort", "16x8 pixels", "HOG + LBP"],
        [(name, *row.values()) for name, row in result["real_or_simulated"].items()],
    )


if __name__ == "__main__":
    sys.exit(run_program(Realism, "realism.py"))
