"""A graded study on one page of A4, to be printed or filed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Condition, Grade, Level
from lsdc.report.graded_study import GradedStudy, GradedTarget
from lsdc.report.key_images import key_images
from lsdc.report.pages.sentences import (
    model_in_words,
    sentence,
    statement_lines,
    summary_lines,
    what_numbers_are,
)
from lsdc.report.pdf_bars import draw_bar, draw_grade
from lsdc.report.pdf_canvas import (
    ALARM,
    BOLD,
    LINE,
    REGULAR,
    SOFT,
    load_fonts,
    wrapped,
    write_line,
    write_paragraph,
)
from lsdc.report.pdf_images import draw_images
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import printable
from lsdc.runtime.whole_files import atomic, check_output_file

_WIDTH, _HEIGHT = A4
_MARGIN, _GAP = 36.0, 8.0
_INNER = _WIDTH - 2 * _MARGIN
_NAME_WIDTH, _CELL_HEIGHT, _READER_HEIGHT = 118.0, 35.0, 8.0
_COLUMN = (_INNER - _NAME_WIDTH) / len(Level)
_WARNING = HexColor("#fff4d6")


def write_study_pdf(graded: GradedStudy, out: PathLike) -> Path:
    """Write a graded study as a PDF of one page.

    It holds what the model's card warns of, the 25 grades with their probabilities, key images with the located
    points, and what was not seen and why. Its text can be selected and searched. The same study gives the same bytes.

    Parameters
    ----------
    graded : GradedStudy
        The study.
    out : path
        PDF file to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LsdcError
        When `out` cannot be a file.
    """
    path = check_output_file(out)
    load_fonts()
    with atomic(path) as temporary:
        canvas = Canvas(str(temporary), pagesize=A4, invariant=1)
        canvas.setTitle(f"Lumbar spine grading, study {graded.study_id}")
        canvas.setCreator(f"lsdc {version('lsdc-toolkit')}")
        top = _header(canvas, graded)
        top = _warning(canvas, graded, top)
        top = _table(canvas, graded, top)
        top = draw_images(canvas, key_images(graded), (_MARGIN, top), _INNER, _GAP)
        _unseen(canvas, graded, top)
        canvas.showPage()
        canvas.save()
    return path


def _header(canvas: Canvas, graded: GradedStudy) -> float:
    """Write whose grades these are and what made them."""
    top, right = _HEIGHT - _MARGIN - 12, _WIDTH - _MARGIN
    made_by = f"lsdc {version('lsdc-toolkit')}, {model_in_words(graded.model)}"[:70]
    write_line(canvas, (_MARGIN, top), "Lumbar spine grading", 15, font=BOLD)
    write_line(canvas, (right, top + 3), made_by, 8, align="right")
    said = "not reviewed by a physician, no medical device"
    write_line(canvas, (right, top - 8), said, 8, align="right", color=ALARM)
    # On lines of its own: the ids of other hospitals' studies are half as wide as the page, or more.
    return write_paragraph(canvas, escape(f"study {graded.study_id}"), (_MARGIN, top - 11), _INNER, 9) - 5


def _warning(canvas: Canvas, graded: GradedStudy, top: float) -> float:
    """Write what must be said wherever the grades are shown."""
    said, meaning = statement_lines(graded.statement), sentence(what_numbers_are(graded.weighting))
    if meaning not in said:
        said.append(meaning)
    paragraph, height = wrapped("<br/>".join(map(escape, said)), _INNER - 12, 6.6)
    canvas.setFillColor(_WARNING)
    canvas.rect(_MARGIN, top - height - 8, _INNER, height + 8, stroke=0, fill=1)
    paragraph.drawOn(canvas, _MARGIN + 6, top - height - 4)
    return top - height - 8 - _GAP


def _table(canvas: Canvas, graded: GradedStudy, top: float) -> float:
    """Draw the 25 grades: a row for each condition, a column for each level."""
    canvas.setLineWidth(0.5)
    height = _CELL_HEIGHT + (_READER_HEIGHT if any(item.truth for item in graded.targets) else 0.0)
    for column, level in enumerate(Level):
        place = _MARGIN + _NAME_WIDTH + (column + 0.5) * _COLUMN, top - 9
        write_line(canvas, place, level.title, 9, font=BOLD, align="center")
    top -= 14
    for condition in Condition:
        canvas.setStrokeColor(LINE)
        canvas.line(_MARGIN, top, _WIDTH - _MARGIN, top)
        write_paragraph(canvas, escape(condition.title), (_MARGIN, top - 6), _NAME_WIDTH - 6, 8.5)
        for column, level in enumerate(Level):
            _cell(canvas, graded.of(condition, level), (_MARGIN + _NAME_WIDTH + column * _COLUMN + 4, top))
        top -= height
    canvas.setStrokeColor(LINE)
    canvas.line(_MARGIN, top, _WIDTH - _MARGIN, top)
    _legend(canvas, top - 10)
    return top - 16 - _GAP


def _cell(canvas: Canvas, item: GradedTarget, corner: tuple[float, float]) -> None:
    """Draw one grade: its word, a bar of the three probabilities, and their per cent."""
    (left, top), width = corner, _COLUMN - 8
    grade, unseen = item.grade, item.location.status is Status.NOT_SEEN
    if grade is None:
        write_line(canvas, (left, top - 14), "not seen" if unseen else "no grade (refused)", 7.5, color=SOFT)
        canvas.setStrokeColor(SOFT)
        canvas.setDash(2, 2)
        canvas.rect(left, top - 24, width, 5, stroke=1, fill=0)
        canvas.setDash()
        return
    doubt = " ?" if item.location.status is Status.UNSURE else ""
    font = REGULAR if grade is Grade.NORMAL_MILD else BOLD
    write_line(canvas, (left, top - 12), grade.title + doubt, 8.5, font=font)
    draw_bar(canvas, item.probabilities, (left, top - 22), width, 6)
    numbers = " / ".join(f"{100 * share:.0f}" for share in item.probabilities)
    write_line(canvas, (left, top - 30), f"{numbers} %", 6.3, color=SOFT)
    if item.truth is not None:
        color = SOFT if item.truth is grade else ALARM
        write_line(canvas, (left, top - 38), f"reader: {item.truth.title}", 6.3, color=color)


def _legend(canvas: Canvas, y: float) -> None:
    """Say what colors and marks mean."""
    x = _MARGIN + _NAME_WIDTH + 4
    for grade in Grade:
        draw_grade(canvas, grade, (x, y), 9, 6)
        write_line(canvas, (x + 12, y), grade.title, 6.5)
        x += 62
    write_line(canvas, (x, y), "?: place unsure      dashed: no grade is given", 6.5)


def _unseen(canvas: Canvas, graded: GradedStudy, top: float) -> None:
    """Write what was not seen or is unsure, and why, as far as the page reaches."""
    reasons: dict[str, list[str]] = {}
    for item in graded.targets:
        if item.location.status is not Status.SEEN:
            why = printable(item.location.reason) or "no reason is known"
            name = f"{item.target.condition.title} {item.target.level.title}"
            reasons.setdefault(f"{item.location.status.value}: {why}", []).append(name)
    lines = [f"<b>{escape(why)}</b> ({escape(', '.join(names))})" for why, names in reasons.items()]
    write_line(canvas, (_MARGIN, top - 9), "Not seen or unsure", 8.5, font=BOLD)
    top -= 14
    if not lines:
        write_line(canvas, (_MARGIN, top - 7), "All 25 targets were seen.", 7)
    lines += map(escape, summary_lines(graded.summary, listed=True))
    for number, line in enumerate(lines):
        _, height = wrapped(line, _INNER, 7)
        if top - height < _MARGIN + 12:
            left = len(lines) - number
            write_line(
                canvas, (_MARGIN, top - 8), f"and {left} more, which the study's page and table hold", 7
            )
            return
        top = write_paragraph(canvas, line, (_MARGIN, top), _INNER, 7) - 2
