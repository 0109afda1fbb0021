"""Simulate a cohort in the competition's layout."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lsdc.cohort.vocabulary import TARGETS
from lsdc.phantom.study import StudyRows, simulate_study
from lsdc.runtime import ConfigError
from lsdc.runtime.artefact import atomic, claim, read_json, write_json
from lsdc.runtime.engine import for_each

_COORDINATES = ["study_id", "series_id", "instance_number", "condition", "level", "x", "y"]
_DESCRIPTIONS = ["study_id", "series_id", "series_description"]
_WORK = "unfinished"


def simulate(
    out: Path, studies: int, seed: int = 0, test_fraction: float = 0.0, workers: int | None = None
) -> None:
    """Simulate a cohort; a run that was killed goes on where it stopped.

    Writes `train_images/`, `train.csv`, `train_label_coordinates.csv`, `train_series_descriptions.csv`; with
    a test part also `test_images/`, `test_series_descriptions.csv`, `sample_submission.csv`, and beside them
    `test_labels.csv`, which no other command reads by itself; `measurements.csv` for all studies.

    Parameters
    ----------
    out : Path
        Folder to write.
    studies : int
        Number of studies, test part included.
    seed : int
        The same seed gives the same cohort, whatever the number of workers.
    test_fraction : float
        Share of the studies in the test part; the last ones.
    workers : int, optional
        Processes; default one per core.

    Raises
    ------
    ConfigError
        When a number cannot work.
    ArtefactError
        When `out` holds something else.
    """
    if studies < 1:
        raise ConfigError(f"studies: {studies} is not at least 1")
    if not 0 <= test_fraction < 1:
        raise ConfigError(f"test-fraction: {test_fraction} is not in [0, 1)")
    claim(
        out,
        {"studies": studies, "seed": seed, "test_fraction": test_fraction, "simulator": 3},
        lambda: "choose another folder, or delete this one",
    )
    ids = _study_ids(studies, seed)
    tests = round(studies * test_fraction)
    keys = [(k, name, "test" if k >= studies - tests else "train") for k, name in enumerate(ids)]
    work = partial(_one, out=out, seed=seed)
    done = {name: out / _WORK / f"{name}.json" for _, name, _ in keys}
    todo = [key for key in keys if not done[key[1]].is_file() and not (out / "measurements.csv").is_file()]
    for_each(work, todo, "simulating", workers)
    if (out / "measurements.csv").is_file():
        return
    rows = {
        split: [StudyRows(**read_json(done[name])) for _, name, part in keys if part == split]
        for split in ("train", "test")
    }
    _write_tables(out, rows["train"], rows["test"])
    shutil.rmtree(out / _WORK)


def _study_ids(studies: int, seed: int) -> list[str]:
    rng = np.random.default_rng([seed, 2**31])
    return sorted(str(k) for k in rng.choice(4 * 10**9, studies, replace=False) + 10**6)


def _one(key: tuple[int, str, str], out: Path, seed: int) -> None:
    number, study_id, split = key
    images = out / f"{split}_images"
    shutil.rmtree(images / study_id, ignore_errors=True)
    write_json(out / _WORK / f"{study_id}.json", asdict(simulate_study(images, study_id, (seed, number))))


def _write_tables(out: Path, train: list[StudyRows], test: list[StudyRows]) -> None:
    labels = ["study_id", *(target.slug for target in TARGETS)]
    _write(out / "train.csv", labels, (study.label for study in train))
    _write(out / "train_label_coordinates.csv", _COORDINATES, _all(train, "coordinates"))
    _write(out / "train_series_descriptions.csv", _DESCRIPTIONS, _all(train, "descriptions"))
    if test:
        _write(out / "test_labels.csv", labels, (study.label for study in test))
        _write(out / "test_series_descriptions.csv", _DESCRIPTIONS, _all(test, "descriptions"))
        _write(
            out / "sample_submission.csv",
            ["row_id", "normal_mild", "moderate", "severe"],
            (
                {"row_id": row, "normal_mild": 1 / 3, "moderate": 1 / 3, "severe": 1 / 3}
                for study in test
                for row in sorted(target.row_id(study.label["study_id"]) for target in TARGETS)
            ),
        )
    measured = list(_all([*train, *test], "measurements"))
    _write(out / "measurements.csv", list(measured[0]), measured)


def _all(studies: Sequence[StudyRows], table: str) -> Iterable[dict[str, Any]]:
    return (row for study in studies for row in getattr(study, table))


def _write(path: Path, header: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
