"""The kit of all pages: what is rendered is whole, safe and readable, in the light, in the dark, and on a phone."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from support.browser import Browser

from lsdc.report.pages.data_uris import jpeg_uri, png_uri
from lsdc.report.pages.figures import PLOT_STYLE, svg_of
from lsdc.report.pages.render import write_page
from lsdc.runtime.errors import LsdcError

TEMPLATE = """
{% extends "base.html.j2" %}
{% import "kit.html.j2" as kit %}
{% block contents %}{{ kit.contents([("numbers", "Numbers"), ("plots", "Plots")]) }}{% endblock %}
{% block main %}
<section id="numbers"><h2>Numbers</h2>
{% call kit.notice("Not for diagnosis", "warning") %}<p>{{ text }}</p>{% endcall %}
{% call kit.notice("Note") %}<p>A note with a <a href="#plots">link</a>.</p>{% endcall %}
{{ kit.numbers([("studies", 60), ("rows", 1500)]) }}
{{ kit.facts([("vendor", "none"), ("field", "1.5 T")]) }}
{{ kit.table("Scores by level", ["level", ("score", "number"), "grade"],
   [["L1/L2", 0.5, kit.grade(0)],
    ["L4/L5", (10, "10.0"), kit.grade(2)], ["L5/S1", 9, ("", kit.grade(1, words=false))]],
   sortable=true) }}
{{ kit.legend() }}{{ kit.grade_bar([0.7, 0.2, 0.1]) }}
{% call kit.details("More") %}<p>Unfolded.</p>{% endcall %}
</section>
<section id="plots"><h2>Plots</h2><div class="grid">
{% for plot in plots %}{{ kit.figure(plot, "What is seen.") }}{% endfor %}
</div><img src="{{ image }}" alt="A gray square"></section>
{% endblock %}
"""


def plot(slope: float) -> Figure:
    with rc_context(PLOT_STYLE):
        figure = Figure(figsize=(4, 3))
        axes = figure.subplots()
        axes.plot([0, 1], [0, slope], "o--", color="black", label="line")
        axes.bar([0, 1], [slope, 0.2], color="#4a8fc2", hatch="//")
        axes.set(title="A plot", xlabel="across", ylabel="up")
        axes.legend()
    return figure


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    (folder / "kit_of_a_test" / "templates").mkdir(parents=True)
    (folder / "kit_of_a_test" / "__init__.py").touch()
    (folder / "kit_of_a_test" / "templates" / "tried.html.j2").write_text(TEMPLATE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        return write_page(
            folder / "page.html", "tried.html.j2", title="A <b>page</b>", package="kit_of_a_test",
            text="<script>alert(1)</script>", plots=[svg_of(plot(k), f"Line {k}") for k in (1.0, 2.0)],
            image=png_uri(np.full((8, 8), 99, np.uint8)),
        )  # fmt: skip


def test_text_is_escaped_and_nothing_is_asked_of_others(page: Path) -> None:
    text = page.read_text()
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text and "A &lt;b&gt;page" in text
    assert "default-src 'none'" in text.replace("&#39;", "'")
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text) == []


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_browser_finds_no_fault(page: Path, page_browser: Browser, width: int, dark: bool) -> None:
    page_browser.visit(page, width, dark=dark)
    assert page_browser.sideways() <= 0
    assert page_browser.audit() == []
    assert page_browser.faults() == []


def test_a_table_is_sorted_by_its_values(page: Path, page_browser: Browser) -> None:
    page_browser.visit(page)
    order = "return [...document.querySelectorAll('tbody th')].map((cell) => cell.textContent)"
    button = "thead th:nth-child(2) button"
    page_browser.press(button, "\n")
    assert page_browser.run(order) == ["L1/L2", "L5/S1", "L4/L5"]
    page_browser.press(button, "\n")
    assert page_browser.run(order) == ["L4/L5", "L5/S1", "L1/L2"]
    assert page_browser.find("thead th:nth-child(2)").get_attribute("aria-sort") == "descending"


def test_figures_are_alike_each_time_and_have_ids_of_their_own() -> None:
    first, second = svg_of(plot(1.0), "One"), svg_of(plot(2.0), "Two")
    assert first == svg_of(plot(1.0), "One")
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', first)) == ids[0]


def test_figures_take_the_colors_of_the_page() -> None:
    text = svg_of(plot(1.0), 'A "plot" & more')
    assert 'aria-label="A &#34;plot&#34; &amp; more"' in text and 'role="img"' in text
    assert (
        "currentColor" in text
        and "var(--grade-0)" in text
        and "#000000" not in text
        and "#4a8fc2" not in text
    )
    assert "<style" not in text and "<metadata" not in text and "<text" in text


def test_pictures_are_data() -> None:
    assert png_uri(np.zeros((4, 4, 3), np.uint8)).startswith("data:image/png;base64,")
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert len(jpeg_uri(gray, 30)) < len(jpeg_uri(gray, 95))


def test_what_a_template_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'home' is undefined"):
        write_page(tmp_path / "page.html", "study.html.j2", title="without anything")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(LsdcError, match="is a folder; give the name of a file"):
        write_page(tmp_path, "base.html.j2", title="nowhere")
