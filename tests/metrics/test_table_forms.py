"""The same grades and probabilities, written in every form that people have, read to the same arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from support.scoring import make_probabilities

from lsdc.cohort.tables import read_labels
from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.ensemble import main
from lsdc.metrics.official import Grades
from lsdc.metrics.prediction_tables import grades_of, read_predictions, read_truth, row_ids, table_of, to_cube
from lsdc.runtime import ConfigError, TableError

STUDIES = ["4003253", "Zürich_7", "12"]
SLUGS = [target.slug for target in TARGETS]
WORDS = {
    "titles": ["Normal/Mild", "Moderate", "Severe", ""],
    "slugs": ["normal_mild", "moderate", "severe", "NA"],
    "lower case": ["normal / mild", "moderate", "severe", " "],
    "normal": ["normal", "MODERATE", "Severe", "nan"],
    "mild": ["mild", "moderate", "severe", ""],
    "codes": ["0", "1", "2", ""],
    "float codes": ["0.0", "1.0", "2.0", "-1"],
}
Write = Callable[[Path, pd.DataFrame], Path]


def as_csv(separator: str, encoding: str) -> Write:
    def write(folder: Path, table: pd.DataFrame) -> Path:
        path = folder / "table.csv"
        path.write_bytes(table.to_csv(index=False, sep=separator, lineterminator="\r\n").encode(encoding))
        return path

    return write


def as_workbook(folder: Path, table: pd.DataFrame) -> Path:
    """Write a workbook whose table is behind a sheet of notes; what looks like a number is one."""
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["notes of the reader"])
    sheet = book.create_sheet("Reads")
    sheet.append(list(table))
    for row in table.itertuples(index=False):
        sheet.append(
            [pd.to_numeric(cell) if str(cell).replace(".", "", 1).isdigit() else cell for cell in row]
        )
    path = folder / "table.xlsx"
    book.save(path)
    return path


FILES: dict[str, Write] = {
    "commas": as_csv(",", "utf-8"),
    "semicolons": as_csv(";", "utf-8-sig"),
    "tabs": as_csv("\t", "utf-16"),
    "Latin-1": as_csv(";", "latin-1"),
    "workbook": as_workbook,
}


def wide(grades: Grades, words: list[str]) -> pd.DataFrame:
    cells = np.array(words, object)[grades.reshape(len(grades), -1)]
    return pd.DataFrame(cells, columns=SLUGS).assign(study_id=STUDIES)


def loose(grades: Grades, words: list[str]) -> pd.DataFrame:
    """Name the columns as a radiologist would."""
    names = {target.slug: f"{target.condition.title} {target.level.title}" for target in TARGETS}
    return wide(grades, words).rename(columns={**names, "study_id": "Study"})


def long(grades: Grades, words: list[str]) -> pd.DataFrame:
    rows = wide(grades, words).melt("study_id", var_name="slug", value_name="Severity")
    target = rows["slug"].map(dict(zip(SLUGS, TARGETS)))
    return pd.DataFrame(
        {
            "Study ID": rows["study_id"],
            "Condition": [one.condition.title for one in target],
            "Disc level": [one.level.title.replace("/L", "-").replace("/", "-") for one in target],
            "Severity": rows["Severity"],
        }
    ).sample(frac=1, random_state=0)


def with_side(grades: Grades, words: list[str]) -> pd.DataFrame:
    table = long(grades, words)
    side = table["Condition"].str.extract("^(Left|Right)", expand=False).fillna("")
    return table.assign(Condition=table["Condition"].str.replace("^(Left|Right) ", "", regex=True), Side=side)


def by_row_id(grades: Grades, words: list[str]) -> pd.DataFrame:
    cells = np.array(words, object)[grades.ravel()]
    return pd.DataFrame({"Row ID": row_ids(STUDIES), "grade": cells})


FORMS = {"wide": wide, "loose": loose, "long": long, "with side": with_side, "by row id": by_row_id}


@st.composite
def drawn_grades(draw: st.DrawFn) -> Grades:
    """Draw grades of which each study has all three, so that codes are clear."""
    grades = np.random.default_rng(draw(st.integers(0, 10**6))).integers(-1, 3, (3, 5, 5)).astype(np.int8)
    grades[:, 0, :3] = [0, 1, 2]
    return grades


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn_grades(), *(st.sampled_from(sorted(names)) for names in (FORMS, WORDS, FILES)))
def test_grades_read_alike_in_every_form(
    tmp_path_factory: pytest.TempPathFactory, grades: Grades, form: str, words: str, file: str
) -> None:
    path = FILES[file](tmp_path_factory.mktemp("t"), FORMS[form](grades, WORDS[words]))
    for table in (read_labels(path), read_truth(path)):
        assert_array_equal(grades_of(table.loc[STUDIES]), grades)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.sampled_from(sorted(FILES)))
def test_probabilities_read_alike_in_every_form(
    tmp_path_factory: pytest.TempPathFactory, seed: int, by_target: bool, comma: bool, file: str
) -> None:
    values = make_probabilities(np.random.default_rng(seed), 3)
    table = table_of(row_ids(STUDIES), values.reshape(-1, 3))
    table.columns = pd.Index(["Row id", "Normal/Mild", "Moderate", "SEVERE"])
    if by_target:
        place = long(np.zeros((3, 5, 5), np.int8), ["", "", "", ""]).sort_index().drop(columns="Severity")
        order = pd.Series(range(75)).to_numpy().reshape(3, 25).T.ravel()  # `long` counts targets first
        table = pd.concat([place, table.iloc[order, 1:].reset_index(drop=True)], axis=1)
    if comma:
        for name in table.columns[-3:]:
            table[name] = table[name].map(lambda value: repr(float(value)).replace(".", ","))
    path = FILES[file](tmp_path_factory.mktemp("t"), table)
    assert_allclose(to_cube(read_predictions(path), STUDIES), values, rtol=1e-9)


def test_some_targets_are_labels_and_the_others_blank(tmp_path: Path) -> None:
    grades = np.zeros((3, 5, 5), np.int8)
    table = wide(grades, WORDS["titles"])[["study_id", *SLUGS[:5]]]
    found = grades_of(read_labels(as_csv(",", "utf-8")(tmp_path, table)))
    assert (found[:, 0] == 0).all() and (found[:, 1:] == -1).all()


def test_a_mapping_says_what_codes_mean(tmp_path: Path) -> None:
    grades = np.random.default_rng(0).integers(-1, 3, (3, 5, 5)).astype(np.int8)
    path = as_csv(",", "utf-8")(tmp_path, wide(grades, ["1", "2", "3", "9"]))
    found = read_labels(path, "1=normal_mild, 2=Moderate, 3=severe, 9=blank")
    assert_array_equal(grades_of(found), grades)
    with pytest.raises(TableError, match=r"table.csv: row \d: unknown grade '9'.*or a code of grades="):
        read_labels(path, "1=normal_mild,2=moderate,3=severe")


@pytest.mark.parametrize(
    "words", [["1", "2", "3", ""], ["0", "1", "1", ""], ["1", "2", "2", ""], ["0", "1", "3", ""]]
)
def test_codes_that_can_mean_two_things_are_refused(tmp_path: Path, words: list[str]) -> None:
    grades = np.tile(np.array([0, 1, 2, 0, 0], np.int8), (3, 5, 1))
    path = as_csv(",", "utf-8")(tmp_path, wide(grades, words))
    with pytest.raises(TableError, match=r"codes \(.*\) that can mean more than one thing.*grades='1=normal"):
        read_labels(path)


@pytest.mark.parametrize("coding", ["severe", "1=bad", "1=", "1=severe,1.0=moderate"])
def test_a_mapping_that_says_nothing_is_refused(tmp_path: Path, coding: str) -> None:
    path = as_csv(",", "utf-8")(tmp_path, wide(np.zeros((3, 5, 5), np.int8), WORDS["codes"]))
    with pytest.raises(ConfigError, match="grades: "):
        read_labels(path, coding)


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        (
            "study,condition,level,grade",
            "1,canal stenosis,L6/S1,severe",
            "row 2: unknown level 'L6/S1' in column",
        ),
        (
            "study,condition,level,grade",
            "1,foraminal,L1/L2,severe",
            "row 2: unknown condition 'foraminal' in",
        ),
        ("study,condition,level,grade", "1,canal,L1/L2,bad", "row 2: unknown grade 'bad' in column 'grade'"),
        ("study,condition,level,grade", ",canal,L1/L2,severe", "row 2: empty cell in column 'study'"),
        ("study,condition,grade", "1,canal,severe", "no column 'level'; found study, condition, grade"),
        ("study,condition,level,grade,severity", "1,canal,L1/L2,0,1", ""),
        ("study,condition,level,rating,severity", "1,canal,L1/L2,0,1", "could both be 'grade'; keep one"),
        (
            "study,remark",
            "1,fine",
            "no column 'spinal_canal_stenosis_l1_l2' or of another target, and no column 'grade'; found",
        ),
        ("spinal_canal_stenosis_l1_l2", "severe", "no column 'study_id'"),
        ("row_id,grade", "1_canal,severe", "row 2: column 'row_id': row id '1_canal' is not STUDY_CONDITION"),
        (
            "study,Spinal canal stenosis L1/L2,spinal_canal_stenosis_l1_l2",
            "1,severe,severe",
            "two columns are named after the same target",
        ),
    ],
)
def test_what_is_wrong_with_labels_is_one_line(tmp_path: Path, header: str, row: str, words: str) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(f"{header}\n{row}\n")
    if not words:
        assert len(read_labels(path)) == 1
        return
    with pytest.raises(TableError, match=r"reads\.csv: ") as caught:
        read_labels(path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_target_that_comes_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text("study,condition,level,grade\n1,canal,L1/L2,severe\n1,Spinal canal,L1-2,mild\n")
    with pytest.raises(TableError, match=r"row 3: the target '1_spinal_canal_.*' was already in row 2"):
        read_labels(path)


def test_commas_that_may_be_thousands_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(f"row_id;normal_mild;moderate;severe\n{row_ids(['1'])[0]};1,234;2,345;0,100\n")
    with pytest.raises(
        TableError, match=r"row 2: '1,234' may be a decimal or a thousand.*decimal_comma=True"
    ):
        read_predictions(path)
    read = read_predictions(path, decimal_comma=True)
    assert_allclose(read["severe"], 0.1 / 3.679)
    path.write_text(f"row_id;normal_mild;moderate;severe\n{row_ids(['1'])[0]};0,5;0.4;0.1\n")
    with pytest.raises(TableError, match="row 2 has decimal commas and row 2 decimal points"):
        read_predictions(path)


def test_sheets_of_a_workbook(tmp_path: Path) -> None:
    grades = np.zeros((3, 5, 5), np.int8)
    path = as_workbook(tmp_path, wide(grades, ["Sever", "", "", ""]))
    with pytest.raises(TableError, match=r"table\.xlsx: sheet 'Reads': row 2: unknown grade 'Sever'"):
        read_labels(path)
    book = openpyxl.load_workbook(path)
    book.copy_worksheet(book["Reads"])
    book.save(path)
    with pytest.raises(TableError, match="sheets 'Reads', 'Reads Copy' all hold such a table; put the one"):
        read_labels(path)


def test_cells_that_lost_their_content_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "reads.xlsx"
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["study_id", SLUGS[0]])
    book.active.append([1, '=IF(TRUE,"Severe","")'])
    book.save(path)
    with pytest.raises(TableError, match="row 2: column 2 holds a formula without its value"):
        read_labels(path)
    book.active.cell(2, 1).value = 1234567890123456789
    book.active.cell(2, 2).value = "Severe"
    book.save(path)
    with pytest.raises(TableError, match="is no id; a spreadsheet has rounded it"):
        read_labels(path)


Damage = list[tuple[float, int, bytes]]
"""Where, as a fraction of the file, how many bytes go, and what stands in their place."""


@pytest.fixture(scope="module")
def workbook(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    table = wide(np.zeros((3, 5, 5), np.int8), WORDS["titles"])
    return as_workbook(tmp_path_factory.mktemp("book"), table).read_bytes()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 4), st.binary(max_size=4)), min_size=1, max_size=4)
)
def test_a_damaged_workbook_gives_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, workbook: bytes, damage: Damage
) -> None:
    content = bytearray(workbook)
    for fraction, gone, new in damage:
        place = int(fraction * len(content))
        content[place : place + gone] = new
    path = tmp_path_factory.mktemp("t") / "table.xlsx"
    path.write_bytes(bytes(content))
    try:
        read_labels(path)
    except TableError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


def test_a_row_beyond_the_end_of_the_sheet_is_refused(tmp_path: Path) -> None:
    path = as_workbook(tmp_path, wide(np.zeros((3, 5, 5), np.int8), WORDS["titles"]))
    far = tmp_path / "far.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(far, "w") as new:
        for part in old.infolist():
            content = old.read(part)
            if part.filename == "xl/worksheets/sheet2.xml":
                content = content.replace(b'<row r="4"', b'<row r="99999999"').replace(b'4"', b'99999999"')
            new.writestr(part, content)
    with pytest.raises(
        TableError, match=r"far\.xlsx: .*(more than 1048576 rows|cannot be read as a spreadsheet)"
    ):
        read_labels(far)
    with zipfile.ZipFile(far, "a") as new:
        new.writestr("xl/evil.xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a/>')
    with pytest.raises(TableError, match="its XML defines entities"):
        read_labels(far)


def test_score_takes_what_people_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grades = np.random.default_rng(3).integers(0, 3, (3, 5, 5)).astype(np.int8)
    values = make_probabilities(np.random.default_rng(4), 3)
    wide(grades, WORDS["titles"]).to_csv(tmp_path / "train.csv", index=False)
    table_of(row_ids(STUDIES), values.reshape(-1, 3)).to_csv(tmp_path / "submission.csv", index=False)
    labels = as_workbook(tmp_path, long(grades, ["1", "2", "3", ""]))
    coded = ["--grades", "1=normal_mild,2=moderate,3=severe"]
    assert main(["score", str(tmp_path / "train.csv"), str(tmp_path / "submission.csv"), "--json"]) == 0
    wanted = capsys.readouterr().out
    assert main(["score", str(labels), str(tmp_path / "submission.csv"), "--json", *coded]) == 0
    assert capsys.readouterr().out == wanted
    assert main(["score", str(labels), str(tmp_path / "submission.csv")]) == 2
    assert "can mean more than one thing" in capsys.readouterr().err


def test_a_workbook_may_have_any_name(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["study_id", "condition", "level", "grade"])
    sheet.append([7, "spinal canal stenosis", "L4/L5", "severe"])
    book.save(tmp_path / "a.xlsx")
    (tmp_path / "a.xlsx").rename(tmp_path / "train.csv")
    labels = read_labels(tmp_path / "train.csv")
    assert labels.loc["7", "spinal_canal_stenosis_l4_l5"] == 2


@pytest.mark.parametrize("kind", ["float64", "Int64", "float32"])
def test_missing_numbers_of_parquet_are_no_grades(
    tmp_path: Path, kind: Literal["float64", "Int64", "float32"]
) -> None:
    codes = np.arange(75).reshape(3, 25) % 4
    table = pd.DataFrame(codes, columns=SLUGS, index=pd.Index(STUDIES, name="study_id"))
    holes = table.astype("Int64").where(table < 3).astype(kind)
    for name, written in (("column", holes.reset_index()), ("index", holes)):
        written.to_parquet(tmp_path / f"{name}.parquet")
        read = read_truth(tmp_path / f"{name}.parquet")
        assert read.index.tolist() == STUDIES
        assert_array_equal(read, np.where(codes < 3, codes, -1))


def test_rows_that_are_named_by_an_index_are_found(tmp_path: Path) -> None:
    probabilities = make_probabilities(np.random.default_rng(0), len(STUDIES))
    table = table_of(row_ids(STUDIES), probabilities.reshape(-1, 3))
    table.set_index("row_id").to_parquet(tmp_path / "table.parquet")
    assert_allclose(to_cube(read_predictions(tmp_path / "table.parquet"), STUDIES), probabilities)


def test_numbers_for_levels_are_named_where_they_are_unknown(tmp_path: Path) -> None:
    rows = {"study_id": "7", "condition": "spinal canal stenosis", "level": np.arange(1, 6), "grade": 0}
    pd.DataFrame(rows).to_parquet(tmp_path / "long.parquet")
    with pytest.raises(
        TableError, match="row 1: unknown level '1' in column 'level'; expected L1/L2 to L5/S1"
    ):
        read_truth(tmp_path / "long.parquet")
