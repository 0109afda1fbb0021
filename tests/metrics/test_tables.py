"""Prediction tables: what is malformed is refused by row and column, what is whole is read and written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.scoring import make_probabilities

from lsdc.metrics.prediction_tables import (
    read_predictions,
    read_truth,
    row_ids,
    table_of,
    to_cube,
    write_submission,
)
from lsdc.runtime import TableError

IDS = row_ids(["11", "22"])


@pytest.fixture
def table() -> pd.DataFrame:
    return table_of(IDS, make_probabilities(np.random.default_rng(0), 2).reshape(-1, 3))


def saved(tmp_path: Path, table: pd.DataFrame, kind: str = "csv") -> Path:
    path = tmp_path / f"p.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_what_was_written_is_read(tmp_path: Path, table: pd.DataFrame, kind: str) -> None:
    read = read_predictions(saved(tmp_path, table, kind), required=IDS, known=IDS)
    pd.testing.assert_frame_equal(read, table)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_rows_may_come_in_any_order_and_scale(
    tmp_path_factory: pytest.TempPathFactory, seed: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    values = make_probabilities(rng, 2)
    table = table_of(IDS, scale * values.reshape(-1, 3)).sample(frac=1, random_state=seed)
    path = saved(tmp_path_factory.mktemp("t"), table)
    assert_allclose(to_cube(read_predictions(path), ["11", "22"]), values, rtol=1e-9)


def test_absent_rows_are_nan(table: pd.DataFrame) -> None:
    cube = to_cube(table.drop(index=7), ["22", "11", "33"])
    assert np.isnan(cube[1, 1, 2]).all() and np.isnan(cube[2]).all()
    assert np.isfinite(cube[0]).all() and np.isnan(cube).sum() == 3 * 26


def broken(table: pd.DataFrame, row: int, column: str, value: str) -> pd.DataFrame:
    table = table.astype(object)
    table.loc[row, column] = value
    return table


# The header is line 1 of a CSV file, so index 4 is row 6.
@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (4, "severe", "", r"row 6: '' in column 'severe' is not a finite number"),
        (4, "severe", "nan", r"row 6: 'nan' in column 'severe' is not a finite number"),
        (4, "moderate", "inf", r"row 6: 'inf' in column 'moderate' is not a finite number"),
        (4, "moderate", "much", r"row 6: 'much' in column 'moderate' is not a finite number"),
        (4, "normal_mild", "-0.1", r"row 6: '-0.1' in column 'normal_mild' is negative"),
        (
            4,
            "row_id",
            "11_spinal",
            r"row 6: column 'row_id': row id '11_spinal' is not STUDY_CONDITION_LEVEL",
        ),
        (4, "row_id", IDS[0], r"row 6: row_id '11_spinal_canal_stenosis_l1_l2' was already in row 2"),
        (4, "row_id", "99" + IDS[4][2:], r"row 6: unknown row_id '99_spinal_canal_stenosis_l5_s1'"),
    ],
)
def test_a_bad_cell_is_named(
    tmp_path: Path, table: pd.DataFrame, row: int, column: str, value: str, message: str
) -> None:
    path = saved(tmp_path, broken(table, row, column, value))
    with pytest.raises(TableError, match=rf"p\.csv: {message}"):
        read_predictions(path, required=IDS, known=IDS)


def test_zeros_are_refused(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[4, ["normal_mild", "moderate", "severe"]] = 0.0
    with pytest.raises(TableError, match=r"row 6: '11_spinal_canal_stenosis_l5_s1' has only zeros"):
        read_predictions(saved(tmp_path, table))


def test_missing_rows_are_counted(tmp_path: Path, table: pd.DataFrame) -> None:
    with pytest.raises(TableError, match=r"2 rows are missing, the first is row_id '11_spinal.*l5_s1'"):
        read_predictions(saved(tmp_path, table.drop(index=[4, 9])), required=IDS)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_column_is_named(tmp_path: Path, table: pd.DataFrame, kind: str) -> None:
    with pytest.raises(TableError, match=r"no column 'severe'; found row_id"):
        read_predictions(saved(tmp_path, table.drop(columns="severe"), kind))


def test_parquet_rows_count_from_one(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[4, "severe"] = np.nan
    with pytest.raises(TableError, match=r"p\.parquet: row 5: 'nan' in column 'severe'"):
        read_predictions(saved(tmp_path, table, "parquet"))


@pytest.mark.parametrize(("kind", "name"), [("csv", "p.parquet"), ("parquet", "p.csv"), ("xlsx", "p.csv")])
def test_the_content_decides_and_not_the_name(
    tmp_path: Path, table: pd.DataFrame, kind: str, name: str
) -> None:
    if kind == "xlsx":
        table.to_excel(tmp_path / "saved.xlsx", index=False)
        (tmp_path / "saved.xlsx").rename(tmp_path / name)
    else:
        saved(tmp_path, table, kind).rename(tmp_path / name)
    pd.testing.assert_frame_equal(read_predictions(tmp_path / name), table)


def test_damaged_parquet(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(TableError, match="cannot be read as a Parquet table"):
        read_predictions(tmp_path / "p.parquet")
    with pytest.raises(TableError, match=r"q\.parquet: no such file"):
        read_predictions(tmp_path / "q.parquet")


def test_solution_must_be_one_hot(tmp_path: Path) -> None:
    path = tmp_path / "solution.csv"
    path.write_text(f"row_id,normal_mild,moderate,severe,sample_weight\n{IDS[0]},1,0,0,1\n{IDS[1]},1,1,0,1\n")
    with pytest.raises(TableError, match="row 3: not one-hot in columns normal_mild, moderate, severe"):
        read_truth(path)


def test_solution_becomes_labels(tmp_path: Path) -> None:
    path = tmp_path / "solution.csv"
    path.write_text(f"row_id,normal_mild,moderate,severe\n{IDS[1]},0,0,1\n{IDS[30]},0,1,0\n")
    labels = read_truth(path)
    assert list(labels.index) == ["11", "22"]
    assert labels.iloc[0, 1] == 2 and labels.iloc[1, 5] == 1 and (labels.to_numpy() == -1).sum() == 48


def test_submission_follows_the_sample(tmp_path: Path, table: pd.DataFrame) -> None:
    order = sorted(IDS, reverse=True)
    cube = to_cube(table, ["11", "22"])
    assert write_submission(tmp_path / "s.csv", cube, ["11", "22"], order) == 50
    assert pd.read_csv(tmp_path / "s.csv").row_id.tolist() == order
    assert_allclose(to_cube(read_predictions(tmp_path / "s.csv"), ["11", "22"]), cube)
    write_submission(tmp_path / "t.csv", cube, ["11", "22"])
    assert pd.read_csv(tmp_path / "t.csv").row_id.tolist() == IDS


def test_a_row_that_is_not_there_is_not_written(tmp_path: Path, table: pd.DataFrame) -> None:
    cube = to_cube(table, ["11", "22"])
    with pytest.raises(TableError, match=r"nothing is known of row_id '33_spinal_canal_stenosis_l1_l2'"):
        write_submission(tmp_path / "s.csv", cube, ["11", "22"], IDS + row_ids(["33"]))
    assert list(tmp_path.iterdir()) == []


def test_no_note_is_run_by_a_spreadsheet(tmp_path: Path, table: pd.DataFrame) -> None:
    cube = to_cube(table, ["1", "2"])
    write_submission(tmp_path / "s.csv", cube, ["1", "2"], notes={"reason": ["=1+1", "a\nb"] * 25})
    written = pd.read_csv(tmp_path / "s.csv")
    assert written["reason"].tolist() == ["'=1+1", "a\\nb"] * 25


def test_probabilities_without_the_weights_are_not_scored(tmp_path: Path) -> None:
    table = table_of(IDS[:1], np.full((1, 3), 1 / 3))
    table.assign(weighting="none").to_csv(tmp_path / "grades.csv", index=False)
    with pytest.raises(TableError, match="column weighting says none"):
        read_predictions(tmp_path / "grades.csv")
