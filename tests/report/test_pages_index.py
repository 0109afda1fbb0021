"""The list of studies: right counts, safe text, and sorting and filtering by the keyboard."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.browser import Browser
from support.graded import made_graded, with_probabilities

from lsdc.cohort.location import Location, Status
from lsdc.cohort.vocabulary import TARGETS, Condition, Level, Target
from lsdc.ensemble.weighting import MEANING
from lsdc.report.pages.index_page import IndexEntry, write_index_page


def entry(study_id: str, grades: dict[Target, int] | None = None, **changes: object) -> IndexEntry:
    """A study that is normal but for some grades."""
    wanted = np.array([(grades or {}).get(target, 0) for target in TARGETS])
    probabilities = np.where(np.arange(3) == wanted[:, None], 0.8, 0.1)
    plain = IndexEntry(study_id, f"{study_id}.html", wanted, probabilities, (Status.SEEN,) * 25, 0.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


CANAL = Target(Condition.SPINAL_CANAL_STENOSIS, Level.L4_L5)
RECESS = Target(Condition.RIGHT_SUBARTICULAR_STENOSIS, Level.L5_S1)
ENTRIES = (
    entry("100"),
    entry("99", {CANAL: 1}, status=(Status.UNSURE, *(Status.SEEN,) * 24)),
    entry("1000", {CANAL: 2, RECESS: 1}, level_doubt=0.5),
    entry("7", {RECESS: 2}, status=(Status.NOT_SEEN,) * 2 + (Status.SEEN,) * 23),
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("index") / "index.html"
    statement, summary = ("for research",), ("unsure, 1 row: its place is uncertain",)
    return write_index_page(ENTRIES, out, title="Graded studies", statement=statement, summary=summary)


@pytest.fixture
def index(page: Path, page_browser: Browser) -> Browser:
    page_browser.visit(page)
    return page_browser


def listed(browser: Browser) -> list[str]:
    return list(
        browser.run(
            "return [...document.querySelectorAll('.studies tbody tr')].filter((row) => !row.hidden)"
            ".map((row) => row.cells[0].textContent)"
        )
    )


def test_an_entry_holds_what_the_study_says() -> None:
    def change(item: Location) -> Location:
        unsure = item.target.level is Level.L1_L2
        doubt = 0.4 if item.target.condition is CANAL.condition else float("nan")
        return replace(item, level_doubt=doubt, status=Status.UNSURE if unsure else Status.SEEN)

    graded = made_graded(change=change, refused=[CANAL])
    made = IndexEntry.of(graded, "pages/1.html")
    assert (made.study_id, made.href, made.level_doubt) == ("4003253", "pages/1.html", 0.4)
    assert (made.count(Status.SEEN), made.count(Status.UNSURE), made.count(Status.NOT_SEEN)) == (20, 5, 0)
    row = TARGETS.index(CANAL)
    assert made.grades[row] == -1 and np.isnan(made.probabilities[row]).all()
    assert made.grades[0] == np.argmax(graded.targets[0].probabilities)
    assert IndexEntry.of(with_probabilities(graded, (np.nan,) * 3), "1.html").grades.tolist() == [-1] * 25


def test_simulated_patients_are_said_to_be(page: Path, tmp_path: Path) -> None:
    assert "simulated" not in page.read_text()
    graded = made_graded()
    assert not IndexEntry.of(graded, "1.html").is_simulated
    graded.series.loc[0, "traits"] = "lumbar simulated"
    assert IndexEntry.of(graded, "1.html").is_simulated
    for marked, words in (
        (4, "All 4 studies are of simulated"),
        (1, "1 of 4 studies is of a simulated patient."),
    ):
        entries = [replace(one, is_simulated=k < marked) for k, one in enumerate(ENTRIES)]
        out = write_index_page(entries, tmp_path / "index.html", title="", statement=(), summary=())
        assert f"<li>{words}" in out.read_text()


def test_rows_say_the_worst_grade_and_where(page: Path) -> None:
    text = page.read_text()
    row = re.search(r"<tr[^>]*><th scope=\"row\"[^>]*><a href=\"1000.html\">.*?</tr>", text, re.DOTALL)
    assert row is not None
    cells = [
        " ".join(re.sub("<[^>]+>", " ", cell).split())
        for cell in re.findall(r"<td.*?</td>", row[0], re.DOTALL)
    ]
    assert cells == ["S L4/L5", "N", "N", "N", "M L5/S1", "25", "0", "0", "yes"]
    assert "In 1 of 4 studies all levels" in text


def test_conditions_with_doubtful_places_are_marked(page: Path) -> None:
    text = page.read_text()
    marked = {
        study: re.findall(r'class="unsure-mark" title="([^"]*)"', row)
        for study, row in re.findall(r'<a href="(\d+).html">(.*?)</tr>', text, re.DOTALL)
    }
    assert marked == {"100": [], "99": ["unsure: L1/L2"], "1000": [], "7": ["not seen: L1/L2, L2/L3"]}
    assert "Some level of the condition is unsure or was not seen" in text


def test_words_are_those_of_readers(page: Path, tmp_path: Path) -> None:
    assert "Unsure, 1 place: its place is uncertain." in page.read_text()
    statement, summary = (f"none: {MEANING['none']}",), ("not seen, 5 rows: no axial T2 series",)
    out = write_index_page(ENTRIES, tmp_path / "index.html", title="x", statement=statement, summary=summary)
    text = out.read_text()
    assert "<li>Percents say how probable each grade is, if grades are as frequent as where" in text
    assert "Not seen, 5 places: no axial T2 series." in text and "divided by its weights" not in text


@pytest.mark.parametrize("width", [390, 1280])
def test_long_ids_leave_room_for_grades(tmp_path: Path, page_browser: Browser, width: int) -> None:
    root = "1.2.826.0.1.3680043.8.498.1037517227027608632122024724"
    ids = [f"{root}6988720781", f"{root}6988720782"]
    many = [entry(one, {CANAL: 2}, href="a.html") for one in ids]
    page_browser.visit(
        write_index_page(many, tmp_path / "index.html", title="Long", statement=(), summary=()), width
    )
    first = page_browser.find(".studies tbody th")
    assert first.text.splitlines() == [f"…{ids[0][-12:]}", ids[0]] and first.size["width"] < 200
    assert page_browser.find(".studies .short-id").get_attribute("title") == ids[0]
    page_browser.press("#by-id", ids[1][-30:])
    assert page_browser.find("#count").text == "1 of 2 studies"
    scrolls = page_browser.run(
        "const s = document.querySelector('.scroll'); return s.scrollWidth > s.clientWidth"
    )
    assert scrolls is (width == 390)
    assert page_browser.audit() == []


def test_text_is_escaped_and_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    nothing = replace(
        entry(bad, href="javascript:alert(1)", level_doubt=float("nan")),
        grades=np.full(25, -1), probabilities=np.full((25, 3), np.nan),
    )  # fmt: skip
    out = write_index_page(
        [nothing],
        tmp_path / "index.html", title=bad, statement=[bad], summary=[bad],
    )  # fmt: skip
    text = out.read_text()
    assert "<script>alert" not in text and not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert text.count("no grade") == 5 and 'href="javascript%3Aalert%281%29"' in text


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_browser_finds_no_fault(page: Path, page_browser: Browser, width: int, dark: bool) -> None:
    page_browser.visit(page, width, dark=dark)
    assert page_browser.sideways() <= 0
    assert page_browser.audit() == []
    assert page_browser.faults() == []


def test_studies_are_sorted_by_the_keyboard(index: Browser) -> None:
    index.press(".studies thead th:nth-child(1) button", "\n")
    assert listed(index) == ["7", "99", "100", "1000"]
    index.press(".studies thead th:nth-child(2) button", "\n")
    index.press(".studies thead th:nth-child(2) button", "\n")
    assert listed(index)[:2] == ["1000", "99"]
    assert index.find(".studies thead th:nth-child(2)").get_attribute("aria-sort") == "descending"


def test_studies_are_filtered(index: Browser) -> None:
    from selenium.webdriver.support.ui import Select

    def pick(control: str, option: str) -> list[str]:
        Select(index.find(control)).select_by_visible_text(option)
        return listed(index)

    index.press("#by-id", "100")
    assert listed(index) == ["100", "1000"] and index.find("#count").text == "2 of 4 studies"
    index.press("#by-id", "\b\b\b")
    assert listed(index) == ["100", "99", "1000", "7"] and index.find("#count").text == "4 studies"
    assert pick("#by-grade", "severe") == ["1000", "7"]
    assert pick("#by-condition", "Spinal Canal Stenosis") == ["1000"]
    assert pick("#by-grade", "moderate or severe") == ["99", "1000"]
    assert pick("#by-grade", "any") == ["100", "99", "1000", "7"]
    assert pick("#by-mark", "something unsure") == ["99"]
    assert pick("#by-mark", "something not seen") == ["7"]
    assert pick("#by-mark", "levels in doubt") == ["1000"]
    assert pick("#by-mark", "all targets seen") == ["100", "1000"]


def test_five_hundred_studies_are_listed_at_once(tmp_path: Path, page_browser: Browser) -> None:
    many = [entry(str(number), {CANAL: number % 3}) for number in range(500)]
    out = write_index_page(many, tmp_path / "index.html", title="Many", statement=(), summary=())
    assert out.stat().st_size < 1_000_000
    page_browser.visit(out)
    page_browser.press("#by-id", "49")
    assert len(listed(page_browser)) == 15
