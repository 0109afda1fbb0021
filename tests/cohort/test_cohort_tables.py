from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsdc.cohort.tables import read_coordinates, read_labels, read_sample_submission, read_series_descriptions
from lsdc.cohort.vocabulary import TARGETS
from lsdc.runtime import TableError

SLUGS = [target.slug for target in TARGETS]
COORDINATES = "study_id,series_id,instance_number,condition,level,x,y\n"
DESCRIPTIONS = "study_id,series_id,series_description\n"


def write(tmp_path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def labels(
    grades: str | list[str] = "Normal/Mild", study: str = "4003253", header: list[str] | None = None
) -> str:
    cells = [grades] * 25 if isinstance(grades, str) else grades
    return ",".join(header or ["study_id", *SLUGS]) + "\n" + ",".join([study, *cells]) + "\n"


def test_grades_are_counted_from_mild_to_severe_and_blank_is_minus_one(tmp_path: Path) -> None:
    grades = ["Normal/Mild", "Moderate", "Severe", ""] + ["normal_mild"] * 21
    table = read_labels(write(tmp_path, labels(grades)))
    assert table.index.tolist() == ["4003253"]
    assert table.columns.tolist() == SLUGS
    assert table.iloc[0, :5].tolist() == [0, 1, 2, -1, 0]
    assert table.dtypes.unique().tolist() == ["int8"]


def test_order_of_columns_does_not_matter(tmp_path: Path) -> None:
    header = ["study_id", *reversed(SLUGS)]
    table = read_labels(write(tmp_path, labels(["Severe"] + ["Moderate"] * 24, header=header)))
    assert table[SLUGS[-1]].item() == 2 and table[SLUGS[0]].item() == 1


def test_unknown_grade_names_file_row_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, labels(["Sever"] + [""] * 24))
    with pytest.raises(
        TableError, match=r"table.csv: row 2: unknown grade 'Sever' in column 'spinal_canal_sten"
    ):
        read_labels(path)


@pytest.mark.parametrize(
    "text",
    [
        labels().encode("utf-8-sig"),
        labels().replace("\n", "\r\n").encode(),
        labels().replace("\n", "\n\n").encode() + b"\n\n",
        labels(study="4003253.0").encode(),
        labels(study=" 4003253 ").encode(),
        labels().replace("study_id", " study_id").encode(),
        labels()[:-1].encode(),
        labels().replace(",", ";").encode(),
        ("sep=;\r\n" + labels().replace(",", ";").replace("\n", "\r\n")).encode("utf-8-sig"),
        ("\r\n\n sep=;\r\n\n" + labels().replace(",", ";")).encode(),
        labels().replace(",", "\t").encode("utf-16"),
        labels().encode("utf-16-le"),
        labels().replace("\n", ",,\n").encode(),
        (labels() + "," * 25 + "\n").encode(),
    ],
    ids=[
        "byte order mark",
        "CRLF",
        "blank lines",
        "float id",
        "spaces",
        "spaced header",
        "no last newline",
        "semicolons",
        "separator named",
        "separator named after blank lines",
        "UTF-16",
        "UTF-16 without mark",
        "blank columns",
        "blank cells",
    ],
)
def test_habits_of_spreadsheets_do_no_harm(tmp_path: Path, text: str | bytes) -> None:
    table = read_labels(write(tmp_path, text))
    assert table.index.tolist() == ["4003253"] and (table == 0).all(axis=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "cannot be read as a CSV table"),
        (b"study_id,\xe9\x81\n", "cannot be read as a CSV table in UTF-8 \\(byte 9 is none\\); save it as"),
        (b"PK\x03\x04" + bytes(40), "cannot be read as a spreadsheet .*; save it again as .xlsx, or the sheet"),
        (labels(["Severe"] * 26), "row 2: has 27 cells, but the header names 26 columns"),
        (labels(["Severe"] * 24), "row 2: has 25 cells, but the header names 26 columns; add or remove"),
        (labels(header=["study_id", *SLUGS[1:], SLUGS[0][:-5] + "l6_s1"]), "names a condition, but no level"),
        (labels(header=["study_id", SLUGS[0], *SLUGS[:-1]]), "comes twice"),
        (labels(header=["study_id", " " + SLUGS[0], *SLUGS[:-1]]), "comes twice"),
        (labels() + "4003253," + "," * 24 + "\n", "row 3: study '4003253' was already in row 2"),
        (labels(study=""), "row 2: empty cell in column 'study_id'"),
        (labels(study="4.0e+06"), "'4.0e\\+06' in column 'study_id' is no id; a spreadsheet has rounded it"),
        (labels().replace("Normal", "Nor\x00mal", 1), "row 2: has a null character; save it again as CSV"),
        (labels() + '"4', "cannot be read as a CSV table"),
        (labels(study="7\x1b[31m"), "row 2: '7\\\\x1b\\[31m' in column 'study_id' is no id"),
        (labels(study="9" * 500), f"row 2: '{'9' * 60}…' in column 'study_id' is no id"),
        (labels(["x" * 10_000] + [""] * 24), f"unknown grade '{'x' * 60}…' in column"),
        (labels() + "9" * 200_000, "cannot be read as a CSV table \\(field larger than"),
    ],
    ids=["empty", "no encoding", "ZIP", "too many cells", "too few cells", "misspelt column", "doubled column",
         "doubled after strip", "doubled study", "no id", "rounded id", "null", "open quote", "control characters",
         "long id", "long grade", "huge cell"],
)  # fmt: skip
def test_malformed_tables_say_what_is_wrong(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(TableError, match=f"table.csv: .*{message}"):
        read_labels(write(tmp_path, text))


@pytest.mark.parametrize("study", ["03400252617e3210", "4e15", "100e0000000000000"])
def test_a_hash_that_looks_like_a_power_of_ten_is_an_id(tmp_path: Path, study: str) -> None:
    assert list(read_labels(write(tmp_path, labels(study=study))).index) == [study]


@given(st.binary(max_size=200))
def test_bytes_give_a_table_or_a_table_error(tmp_path_factory: pytest.TempPathFactory, noise: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "train.csv"
    path.write_bytes(labels().encode()[:-1] + noise)
    for read in (read_labels, read_coordinates, read_series_descriptions, read_sample_submission):
        try:
            read(path)
        except TableError as error:
            assert str(error).startswith(f"{path}: ")


def test_a_row_with_a_cell_too_few_is_named_even_when_its_grades_would_fit(tmp_path: Path) -> None:
    good, short = labels(["Severe"] * 25), labels(["Moderate"] * 24, study="77").splitlines()[1]
    with pytest.raises(TableError, match=r"table.csv: row 3: has 25 cells, but the header names 26 columns"):
        read_labels(write(tmp_path, good + short + "\n"))


def test_decimal_commas_where_commas_do_not_separate(tmp_path: Path) -> None:
    row = "4003253,702807833,8,Spinal Canal Stenosis,L1/L2,322.8,227.9\n"
    text = (COORDINATES + row).replace(",", ";").replace(".", ",")
    (mark,) = read_coordinates(write(tmp_path, text)).to_dict("records")
    assert (mark["x"], mark["y"]) == (322.8, 227.9)


def test_a_table_of_no_study_is_empty(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, labels().splitlines()[0] + "\n")).shape == (0, 25)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"train.csv: no such file"):
        read_labels(tmp_path / "train.csv")
    with pytest.raises(TableError, match=r"cannot be read as a CSV table"):
        read_labels(tmp_path)


def test_coordinates_get_slugs_and_numbers(tmp_path: Path) -> None:
    row = "4003253,702807833,8,Spinal Canal Stenosis,L1/L2,322.8,227.9\n"
    table = read_coordinates(write(tmp_path, COORDINATES + row + row))
    assert table.to_dict("records") == [
        {
            "study_id": "4003253",
            "series_id": "702807833",
            "instance_number": 8,
            "condition": "spinal_canal_stenosis",
            "level": "l1_l2",
            "x": 322.8,
            "y": 227.9,
        }
    ]
    assert pd.api.types.is_integer_dtype(table["instance_number"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,2,8,Spinal Stenosis,L1/L2,1,2", "row 2: unknown condition 'Spinal Stenosis'"),
        ("1,2,8,Spinal Canal Stenosis,L6/S1,1,2", "row 2: unknown level 'L6/S1'"),
        ("1,2,eight,Spinal Canal Stenosis,L1/L2,1,2", "'eight' in column 'instance_number' is not a finite"),
        (
            "1,2,8.5,Spinal Canal Stenosis,L1/L2,1,2",
            "'8.5' in column 'instance_number' is not a whole number",
        ),
        ("1,2,8,Spinal Canal Stenosis,L1/L2,,2", "'' in column 'x' is not a finite number"),
        ("1,2,8,Spinal Canal Stenosis,L1/L2,1,inf", "'inf' in column 'y' is not a finite number"),
        ("1,,8,Spinal Canal Stenosis,L1/L2,1,2", "empty cell in column 'series_id'"),
    ],
)
def test_malformed_coordinates_name_row_and_column(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_coordinates(write(tmp_path, COORDINATES + row + "\n"))


def test_descriptions(tmp_path: Path) -> None:
    table = read_series_descriptions(write(tmp_path, DESCRIPTIONS + "1,2.0,Sagittal T1\n1,3,\n"))
    assert table.to_numpy().tolist() == [["1", "2", "Sagittal T1"], ["1", "3", ""]]
    with pytest.raises(TableError, match=r"row 3: series '1 / 2' was already in row 2"):
        read_series_descriptions(write(tmp_path, DESCRIPTIONS + "1,2,Sagittal T1\n1,2,Axial T2\n"))


def test_sample_submission_keeps_its_order(tmp_path: Path) -> None:
    ids = [f"7_{slug}" for slug in reversed(SLUGS)]
    text = "row_id,normal_mild,moderate,severe\n" + "".join(f"{i},0.3,0.3,0.3\n" for i in ids)
    assert read_sample_submission(write(tmp_path, text)) == ids
    with pytest.raises(TableError, match=r"row 2: row id '7_l1' is not STUDY_CONDITION_LEVEL"):
        read_sample_submission(write(tmp_path, "row_id\n7_l1\n"))
