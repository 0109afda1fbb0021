"""Simulate a cohort in the competition's layout."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lsdc.phantom.cohort_tables import write_cohort_tables
from lsdc.phantom.study import StudyRows, simulate_study
from lsdc.runtime import ConfigError
from lsdc.runtime.artifact import claim, read_json, write_json
from lsdc.runtime.console import say
from lsdc.runtime.engine import check_workers, for_each
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.seeds import check_seed
from lsdc.runtime.whole_files import check_output_folder

_WORK = "unfinished"
_LAST_FILE = "measurements.csv"
_SIMULATOR = 4
"""Version of what is drawn: a folder begun by another version is refused."""


@dataclass(frozen=True)
class Simulation:
    """A simulated cohort on disk.

    Parameters
    ----------
    path : Path
        Its folder, which `lsdc.discover` and `lsdc.extract` read.
    studies : int
        Number of studies in it, those of the test part included.
    train, test : int
        Numbers of studies in `train_images` and in `test_images`.
    measurements : Path
        CSV with what the simulator knows of every target: what was measured, the grade, the reader's errors.
    seconds : float
        Time that this call took; little when the cohort was already there.
    """

    path: Path
    studies: int
    train: int
    test: int
    measurements: Path
    seconds: float


@dataclass(frozen=True)
class _StudyKey:
    """Which study of a cohort a worker simulates: its number, its id, and its part (`train` or `test`)."""

    number: int
    study_id: str
    part: str


def simulate(
    out: PathLike,
    studies: int = 60,
    *,
    seed: int = 0,
    test_fraction: float = 0.0,
    workers: int | None = None,
) -> Simulation:
    """Write a cohort of simulated patients: DICOM files and tables in the competition's layout.

    For trying the toolkit, for tests, and wherever the truth must be known. An interrupted call resumes when it is
    repeated. The folder then holds `train_images/`, `train.csv`, `train_label_coordinates.csv`,
    `train_series_descriptions.csv` and `measurements.csv`; with a test part also `test_images/`,
    `test_series_descriptions.csv`, `sample_submission.csv` and `test_labels.csv`, which no other command reads by
    itself.

    Parameters
    ----------
    out : path
        Folder to write; it must be absent, empty, or begun by the same call.
    studies : int, default 60
        Number of studies, those of the test part included.
    seed : int, default 0
        The same seed gives the same cohort, whatever the number of workers.
    test_fraction : float, default 0
        Fraction of the studies, from 0 to below 1, that form the test part; it takes the last ones.
    workers : int, optional
        Number of processes; by default one per core.

    Returns
    -------
    Simulation
        Where the cohort is and how many studies each part has.

    Raises
    ------
    ConfigError
        When `studies`, `seed`, `test_fraction` or `workers` is out of range.
    ArtifactError
        When `out` holds something else, or a cohort of other arguments, or another process is writing to it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     simulation = simulate(folder, studies=1, workers=1)
    ...     print(simulation.train, simulation.test, simulation.measurements.name)
    1 0 measurements.csv
    """
    if studies < 1:
        raise ConfigError(f"studies must be at least 1, not {studies}")
    if not 0 <= test_fraction < 1:
        raise ConfigError(f"test_fraction must be at least 0 and below 1, not {test_fraction}")
    check_seed(seed)
    check_workers(workers)
    begun, folder = time.perf_counter(), check_output_folder(out)
    claim(
        folder,
        {"studies": studies, "seed": seed, "test_fraction": test_fraction, "simulator": _SIMULATOR},
        lambda: "choose another folder, or delete this one",
    )
    tests = round(studies * test_fraction)
    keys = [
        _StudyKey(number, study_id, "test" if number >= studies - tests else "train")
        for number, study_id in enumerate(_study_ids(studies, seed))
    ]
    if not (folder / _LAST_FILE).is_file():
        with only_writer(folder):
            if not (folder / _LAST_FILE).is_file():  # another run may have ended meanwhile
                _simulate_studies(folder, keys, seed, workers)
    result = Simulation(
        folder, studies, studies - tests, tests, folder / _LAST_FILE, time.perf_counter() - begun
    )
    say(f"{folder}: {studies} simulated studies in {result.seconds:.0f} s; the oracle is {_LAST_FILE}")
    return result


def _study_ids(studies: int, seed: int) -> list[str]:
    rng = np.random.default_rng([seed, 2**31])
    return sorted(str(k) for k in rng.choice(4 * 10**9, studies, replace=False) + 10**6)


def _simulate_studies(out: Path, keys: list[_StudyKey], seed: int, workers: int | None) -> None:
    """Simulate the studies that are not finished, then write the tables of all."""
    finished = {key: out / _WORK / f"{key.study_id}.json" for key in keys}
    todo = [key for key, path in finished.items() if not path.is_file()]
    for_each(partial(_simulate_one, out=out, seed=seed), todo, "simulating", workers)
    rows: dict[str, list[StudyRows]] = {"train": [], "test": []}
    for key, path in finished.items():
        rows[key.part].append(StudyRows(**read_json(path)))
    write_cohort_tables(out, rows["train"], rows["test"])
    shutil.rmtree(out / _WORK)


def _simulate_one(key: _StudyKey, out: Path, seed: int) -> None:
    """Write one study's DICOM files, then its table rows, whose presence says that the study is finished."""
    images = out / f"{key.part}_images"
    shutil.rmtree(images / key.study_id, ignore_errors=True)
    rows = simulate_study(images, key.study_id, (seed, key.number))
    write_json(out / _WORK / f"{key.study_id}.json", asdict(rows))
