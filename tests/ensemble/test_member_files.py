"""Members, from whatever files and models they come, and the folds that are taken from them or not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.scoring import make_grades, write_labels, write_members

from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.ensemble import main
from lsdc.ensemble.evaluation import evaluate
from lsdc.ensemble.external import blend
from lsdc.ensemble.member_tables import read_members, read_stacking_data
from lsdc.metrics.official import Grades
from lsdc.runtime import TableError

pytestmark = pytest.mark.usefixtures("brief_learners")

STUDIES = [str(1000 + k) for k in range(20)]


@pytest.fixture
def grades() -> Grades:
    return make_grades(np.random.default_rng(0), len(STUDIES))


def with_folds(folder: Path, grades: Grades) -> list[Path]:
    """Write two tables whose columns `fold` contradict each other."""
    paths = sorted(write_members(folder, grades, STUDIES).glob("*.csv"))
    for k, path in enumerate(paths):
        table = pd.read_csv(path)
        table["fold"] = (table["row_id"].str[:4].astype(int) + k) % (2 + k)
        table.to_csv(path, index=False)
    return paths


def test_folds_that_are_given_stand_above_those_of_members(tmp_path: Path, grades: Grades) -> None:
    labels = write_labels(tmp_path / "train.csv", grades, STUDIES)
    paths = with_folds(tmp_path / "oof", grades)
    with pytest.raises(TableError, match=r"b\.csv: study '1\d+' is in another fold .*; give folds"):
        read_stacking_data(labels, paths)
    folds = pd.DataFrame({"study_id": STUDIES, "fold": np.arange(20) % 4})
    folds.to_csv(tmp_path / "folds.csv", index=False)
    data = read_stacking_data(labels, paths, tmp_path / "folds.csv")
    np.testing.assert_array_equal(data.folds, np.arange(20) % 4)
    assert read_members(paths).members == ("a", "b")


def test_folds_do_not_matter_where_nothing_is_stacked(tmp_path: Path, grades: Grades) -> None:
    labels = write_labels(tmp_path / "train.csv", grades, STUDIES)
    paths = with_folds(tmp_path / "oof", grades)
    both = pd.concat([pd.read_csv(path).assign(member=path.stem) for path in paths])
    both.assign(fold="first").to_csv(tmp_path / "both.csv", index=False)
    found = evaluate(labels, [tmp_path / "both.csv"], resamples=0)
    assert set(found.measures["predictions"]) == {"a", "b"}


def test_files_that_are_no_members_are_named(
    tmp_path: Path, grades: Grades, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    for name in ("c.csv.gz", "d.txt", "ensemble.about.json", ".hidden"):
        (folder / name).write_text("x")
    assert read_members(folder).members == ("a", "b")
    assert "oof: c.csv.gz, d.txt: no .csv, .parquet, .tsv, .xlsx table, so no member" in caplog.text


@pytest.mark.parametrize("blank", [None, " "])
def test_rows_of_no_member_are_refused(tmp_path: Path, grades: Grades, blank: str | None) -> None:
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    table = pd.concat([pd.read_csv(folder / f"{name}.csv").assign(member=name) for name in "ab"])
    table["member"] = table["member"].astype(object).where(table["member"] == "a", blank)
    table.to_parquet(tmp_path / "long.parquet")
    with pytest.raises(TableError, match="row 501: empty cell in column 'member'; name the member"):
        read_members(tmp_path / "long.parquet")


@pytest.mark.parametrize("labeled", [2, 3])
def test_a_few_labeled_studies_among_many_can_be_stacked(
    tmp_path: Path, grades: Grades, labeled: int
) -> None:
    """Whatever folds chance deals: a fold without a label is none."""
    grades[labeled:] = -1
    labels = write_labels(tmp_path / "train.csv", grades, STUDIES)
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    for seed in range(6):
        data = read_stacking_data(labels, folder, seed=seed)
        assert len(set(data.folds[:labeled].tolist())) >= 2
    assert blend(labels, folder, tmp_path / "blend", trials=2).studies == 20


def test_labeled_studies_of_one_fold_are_refused(tmp_path: Path, grades: Grades) -> None:
    grades[5:] = -1
    labels = write_labels(tmp_path / "train.csv", grades, STUDIES)
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    pd.DataFrame({"study_id": STUDIES, "fold": np.arange(20) // 5}).to_csv(
        tmp_path / "folds.csv", index=False
    )
    with pytest.raises(TableError, match=r"folds\.csv: all labeled studies are in one fold"):
        read_stacking_data(labels, folder, tmp_path / "folds.csv")


def test_a_family_of_few_labels_can_be_stacked(tmp_path: Path, grades: Grades) -> None:
    """A canal that is graded at one level of four studies leaves one row for some learners."""
    grades[:, 0, [0, 1, 2, 4]] = -1
    grades[4:, 0] = -1
    labels = write_labels(tmp_path / "train.csv", grades, STUDIES)
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    assert blend(labels, folder, tmp_path / "blend", trials=1).studies == 20


def test_a_shared_search_takes_what_a_blend_takes_and_says_where_it_stands(
    tmp_path: Path, grades: Grades, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_members(tmp_path / "oof", grades, STUDIES)
    codes = pd.DataFrame(grades.reshape(20, 25) + 1, columns=[target.slug for target in TARGETS])
    codes.insert(0, "study_id", STUDIES)
    codes.to_csv(tmp_path / "coded.csv", index=False)
    words = [
        "tune",
        "--labels",
        str(tmp_path / "coded.csv"),
        "--storage",
        f"sqlite:///{tmp_path / 'trials.db'}",
    ]
    words += ["--trials", "3", "--json", "--members", str(folder / "a.csv"), str(folder / "b.csv")]
    assert main([*words, "--grades", "1=normal_mild,2=moderate,3=severe"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["trials"] == 3 and 0 < found["loss"] < 1
    assert f"3 trials are finished; the best has {found['loss']:.4f}, and {found['chosen']} is" in printed.err
