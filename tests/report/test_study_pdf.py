"""The page of a study to print: one page, its text can be selected, and the same study gives the same bytes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas
from support.graded_files import graded_of
from support.made_study import whole_study

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Grade, Level, Target
from lsdc.ensemble.weighting import MEANING
from lsdc.report.graded_study import GradedStudy
from lsdc.report.key_images import key_images
from lsdc.report.pages.grade_marks import GRADE_MARKS
from lsdc.report.pdf_bars import draw_bar
from lsdc.report.study_pdf import write_study_pdf
from lsdc.runtime import LsdcError

UNSEEN = (Target(Condition.SPINAL_CANAL_STENOSIS, Level.L5_S1),)
UNSURE = (Target(Condition.LEFT_SUBARTICULAR_STENOSIS, Level.L4_L5),)
needs_poppler = pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="needs the program pdftotext of poppler"
)


@pytest.fixture(scope="module")
def graded() -> GradedStudy:
    return graded_of(whole_study(), UNSEEN, UNSURE)


def words_of(path: Path) -> str:
    return subprocess.run(
        ["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True
    ).stdout


@needs_poppler
def test_the_page_says_what_was_found(graded: GradedStudy, tmp_path: Path) -> None:
    words = words_of(write_study_pdf(graded, tmp_path / "study.pdf"))
    assert words.count("\f") == 1  # one page
    said = [
        "study made",
        "A made model, of no worth.",
        "Percents say how probable each grade is, if grades are as frequent as where the model learned.",
        "the model “made”",
        "not reviewed by a physician",
        "Left Neural Foraminal",
        "70 / 20 / 10 %",
    ]
    why = ["Not seen or unsure", "no series of the view Sagittal T2/STIR", "its place is uncertain"]
    assert [text for text in said + why if text not in words] == []
    assert words.count("not seen") >= len(UNSEEN)
    table = words[: words.index("Right foramina")]
    found = [table.count(word) for word in ("Severe", "Moderate")]
    assert found == [sum(item.grade is grade and item.target not in UNSEEN for item in graded.targets) + 1
                     for grade in (Grade.SEVERE, Grade.MODERATE)]  # fmt: skip


@needs_poppler
def test_what_was_refused_has_no_grade(graded: GradedStudy, tmp_path: Path) -> None:
    targets = tuple(replace(item, refused=True) for item in graded.targets)
    words = words_of(write_study_pdf(replace(graded, targets=targets), tmp_path / "study.pdf"))
    assert words.count("no grade (refused)") == len(targets) - len(UNSEEN)
    assert " %" not in words


@needs_poppler
def test_the_readers_grades_stand_beside(graded: GradedStudy, tmp_path: Path) -> None:
    targets = tuple(replace(item, truth=Grade.SEVERE) for item in graded.targets)
    words = words_of(write_study_pdf(replace(graded, targets=targets), tmp_path / "study.pdf"))
    assert words.count("reader: Severe") == len(targets) - len(UNSEEN)


@needs_poppler
def test_any_letters_and_many_reasons_fit_on_one_page(graded: GradedStudy, tmp_path: Path) -> None:
    many = tuple(f"a rather long reason number {k}: Ωμέγα & <b>bold</b> " * 4 for k in range(60))
    page = write_study_pdf(replace(graded, summary=many, model="Modèle Ж"), tmp_path / "study.pdf")
    words = words_of(page)
    assert words.count("\f") == 1
    assert "Modèle Ж" in words and "Ωμέγα & <b>bold</b>" in words
    assert "more, which the study's page and table hold" in words


@needs_poppler
def test_a_long_id_stands_on_a_line_of_its_own(graded: GradedStudy, tmp_path: Path) -> None:
    uid = "1.2.826.0.1.3680043.8.498.10375172270276086321220247246988720781"
    study = replace(graded.located.study, study_id=uid)
    longer = replace(graded, located=replace(graded.located, study=study))
    lines = words_of(write_study_pdf(longer, tmp_path / "study.pdf")).splitlines()
    assert f"study {uid}" in [line.strip() for line in lines]


@needs_poppler
def test_what_the_list_says_is_not_said_again(graded: GradedStudy, tmp_path: Path) -> None:
    statement = f"none: {MEANING['none']}"
    again = replace(
        graded, statement=(statement,), summary=("not seen, 1 rows: no series", "unsure, 1 rows: x")
    )
    words = words_of(write_study_pdf(again, tmp_path / "study.pdf"))
    assert "rows:" not in words and "none:" not in words and words.count("Percents say") == 1


def test_bars_have_the_pages_colors_and_patterns(graded: GradedStudy, tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "bars.pdf"), pageCompression=0)
    draw_bar(canvas, (0.5, 0.5, 0.0), (10, 10), 100, 6)
    canvas.save()
    drawn = (tmp_path / "bars.pdf").read_bytes()
    fills = [
        b"%s rg" % b" ".join(_short(part) for part in _parts(mark.color)) for mark in GRADE_MARKS.values()
    ]
    assert [fill in drawn for fill in fills] == [True, True, False]
    assert drawn.count(b"W* n") == 1  # only moderate has lines, and they end where the bar does


def _parts(color: str) -> list[float]:
    return [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]


def _short(part: float) -> bytes:
    return f"{part:.6f}".lstrip("0").rstrip("0").encode()


def test_the_same_study_gives_the_same_bytes(graded: GradedStudy, tmp_path: Path) -> None:
    first = write_study_pdf(graded, tmp_path / "a.pdf").read_bytes()
    assert write_study_pdf(graded, tmp_path / "b.pdf").read_bytes() == first


def test_a_study_without_images_has_a_page(tmp_path: Path) -> None:
    graded = graded_of(Study("empty", ()))
    assert key_images(graded) == ()
    assert write_study_pdf(graded, tmp_path / "empty.pdf").stat().st_size > 1000


def test_key_images_show_each_view_with_its_sides(graded: GradedStudy) -> None:
    canal, right, left, axial = key_images(graded)
    assert [image.title for image in (canal, right, left)] == ["Canal", "Right foramina", "Left foramina"]
    assert axial.title.startswith("Recesses L")
    assert canal.letters == ("A", "P", "H", "F")
    assert axial.letters == ("R", "L", "A", "P")
    assert {mark.label for mark in canal.marks} == {"L1/L2", "L2/L3", "L3/L4", "L4/L5"}
    heights = [mark.y for mark in right.marks]
    assert heights == sorted(heights)  # the head is up


def test_a_folder_is_no_pdf(graded: GradedStudy, tmp_path: Path) -> None:
    with pytest.raises(LsdcError, match="is a folder; give the name of a file"):
        write_study_pdf(graded, tmp_path)
