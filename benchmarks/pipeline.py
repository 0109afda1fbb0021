"""The whole pipeline on a simulated cohort: what it finds, what it scores, what it costs.

    python benchmarks/pipeline.py --work /tmp/pipeline            # 240 training and 80 test studies
    python benchmarks/pipeline.py --work /tmp/small --studies 60  # a quarter of them are test studies

Runs the commands as a user would, each in a process of its own, and prints the selector's table, time per
stage and study, peak memory, and the score on the test studies beside the baselines and the oracle, which
sees the simulator's measurements. A run that was stopped goes on; times are those of the stages that ran.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.vocabulary import GRADES, TARGETS, Grade
from lsdc.features.store import FeatureStore
from lsdc.metrics.localization import (
    LocationError,
    LocationErrorSummary,
    location_errors,
    summarize_location_errors,
)
from lsdc.phantom.measure import grade_probabilities
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table
from lsdc.runtime.engine import fan_out

PROGRAMS = {
    "lsdc": "lsdc.__main__",
    "lsdc-phantom": "lsdc.commands.phantom",
    "lsdc-features": "lsdc.commands.features",
    "lsdc-ensemble": "lsdc.commands.ensemble",
}


@dataclass(frozen=True)
class Stage:
    """One command that ran: its result, seconds, and the memory of its largest process in MiB."""

    result: dict[str, Any]
    seconds: float
    mebibytes: float


def run(program: str, *args: object, quiet: bool = False) -> Stage:
    """Run a command of the toolkit with `--json`; its words go to the screen unless it is `quiet`."""
    if not quiet:
        say(f"\n$ {program} {' '.join(map(str, args))}")
    code = f"import sys; from {PROGRAMS[program]} import main; sys.exit(main())"
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{program} {' '.join(map(str, args))}: exit code {process.returncode}")
    return Stage(json.loads(output), time.perf_counter() - begun, usage.ru_maxrss / 1024)


def write_oracle(cohort: Path, out: Path) -> None:
    """Write what a model that sees the simulator's measurements would submit for the test studies."""
    weights = np.array([grade.weight for grade in Grade], float)
    measured: dict[str, list[float]] = {}
    with (cohort / "measurements.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            measured.setdefault(row["row_id"].split("_")[0], []).append(float(row["measured"]))
    with out.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["row_id", *GRADES])
        for study in (path.name for path in (cohort / "test_images").iterdir()):
            chances = grade_probabilities(np.reshape(measured[study], (5, 5))).reshape(25, 3) * weights
            for target, chance in zip(TARGETS, chances / chances.sum(axis=1, keepdims=True)):
                writer.writerow([target.row_id(study), *chance])


@dataclass(frozen=True)
class Pipeline:
    """Run the whole pipeline on a simulated cohort and print what it finds, scores and costs."""

    work: Path
    """folder for the cohort, the store, the model and the submission"""
    studies: int = 320
    """simulated studies; a quarter are test studies"""
    seed: int = 11
    """of the cohort"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Run the stages in turn."""
        cohort, store, model = self.work / "cohort", self.work / "store", self.work / "model"
        submission, oracle = self.work / "submission.csv", self.work / "oracle.csv"
        options = ("--studies", self.studies, "--seed", self.seed, "--test-fraction", 0.25)
        stages = {"simulate": run("lsdc-phantom", "make", cohort, *options)}
        stages["extract"] = run("lsdc-features", "extract", cohort, "--out", store)
        stages["fit"] = run("lsdc-ensemble", "fit", store, "--out", model)
        predict = ("predict", model, store, "--out", submission, "--sample", cohort / "sample_submission.csv")
        baselines = self.work / "baselines"
        stages["predict"] = run("lsdc-ensemble", *predict, "--baselines", baselines)
        write_oracle(cohort, oracle)
        names = {"ensemble": submission, "oracle": oracle}
        names |= {path.stem: path for path in sorted(baselines.glob("*.csv"))}
        labels = cohort / "test_labels.csv"
        scores = {
            name: run("lsdc-ensemble", "score", labels, path, quiet=True).result
            for name, path in names.items()
        }
        shown = next((cohort / "test_images").iterdir()).name
        preview, report = self.work / "preview.png", self.work / "report"
        run("lsdc-features", "preview", store, shown, "--out", preview)
        stages["grade"] = run("lsdc", "grade", cohort, "--out", report, "--model", model)
        overview, page = report / "cohort.html", report / "model.html"
        stages["overview"] = run("lsdc-features", "overview", cohort, "--out", overview, "--store", store)
        links = ("--store", store, "--data", cohort, "--studies", report / "studies")
        stages["report"] = run("lsdc-ensemble", "report", model, "--out", page, *links)
        tests = round(self.studies * 0.25)
        counts = {
            "simulate": self.studies,
            "extract": self.studies,
            "fit": self.studies - tests,
            "predict": tests,
            **dict.fromkeys(("grade", "overview", "report"), self.studies),
        }
        result = {
            "studies": {"train": self.studies - tests, "test": tests},
            "stages": {
                name: {
                    "seconds": s.seconds,
                    "seconds_per_study": s.seconds / counts[name],
                    "peak_mib": s.mebibytes,
                }
                for name, s in stages.items()
            },
            "selector": check_selector(cohort, store),
            "nested": stages["fit"].result,
            "scores": scores,
            "share_of_prior": scores["ensemble"]["total"] / scores["weighted_prior"]["total"],
            "distance_to_oracle": scores["ensemble"]["total"] - scores["oracle"]["total"],
        }
        show(result)
        say("files to open:")
        for path, what in (
            (report / "index.html", "all studies with their grades; each has a page with its images"),
            (overview, "what the cohort holds"),
            (page, "what the model is worth, and why"),
            (preview, "the chosen slices, points and crops of a test study"),
            (store / "rows.parquet", "one row per target: location, metadata, embedding"),
            (model / "report.json", "nested scores, weights, intervals"),
            (submission, "the submission"),
        ):
            say(f"  {path}: {what}")
        return result


def check_selector(cohort: Path, store: Path) -> list[LocationErrorSummary]:
    """Compare the store's locations of training studies, made by selectors that did not see them, with the truth."""
    found = discover(cohort)
    assert found.coordinates is not None
    coordinates = dict(iter(found.coordinates.groupby("study_id")))
    located = dict(iter(FeatureStore.open(store).rows.groupby("study_id")))
    sources = [
        (source, coordinates[source.study_id], located[source.study_id])
        for source in found.studies
        if source.split == "train" and source.study_id in coordinates
    ]
    errors = [error for _, part in fan_out(judge, sources, "checking the selector") for error in part]
    return summarize_location_errors(errors)


def judge(item: tuple[StudySource, pd.DataFrame, pd.DataFrame]) -> list[LocationError]:
    """Read one study and compare its locations with its annotations."""
    source, coordinates, located = item
    return location_errors(read_study(source), coordinates, located)


def selector_table(rows: list[LocationErrorSummary]) -> None:
    """Print how often the chosen slice is the annotated one, beside the baseline that needs no learning."""
    table(
        "selector on training studies, cross-fitted",
        [
            "family",
            "exact",
            "within 1",
            "within 2",
            "baseline: exact",
            "within 1",
            "within 2",
            "median mm",
            "p95 mm",
        ],
        [
            (
                row.family,
                *(hits for kind in (row.selector, row.baseline) for hits in astuple(kind)),
                row.median_mm,
                row.p95_mm,
            )
            for row in rows
        ],
    )


def show(result: dict[str, Any]) -> None:
    """Print the tables for people."""
    stages = result["stages"]
    selector_table(result["selector"])
    table(
        "cost",
        ["stage", "seconds", "per study", "MiB of the largest process"],
        [(n, round(s["seconds"]), s["seconds_per_study"], round(s["peak_mib"])) for n, s in stages.items()],
    )
    parts = ["total", "spinal", "foraminal", "subarticular", "any_severe"]
    order = sorted(result["scores"].items(), key=lambda item: item[1]["total"])
    table(
        f"official score on {result['studies']['test']} test studies (lower is better)",
        ["predictions", *parts],
        [(name, *(float(score[part]) for part in parts)) for name, score in order],
    )
    say(f"the ensemble's loss is {result['share_of_prior']:.3f} of the weighted prior's; 0.75 is wanted")
    say(f"distance to the oracle: {result['distance_to_oracle']:.3f}")


if __name__ == "__main__":
    sys.exit(run_program(Pipeline, "pipeline.py"))
