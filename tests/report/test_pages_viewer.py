"""The viewer of a study's page in a real browser: sliders, wheel, keys, touch, points, lines, and no fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser
from support.graded import made_graded
from support.made_study import make_slice, whole_study

from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import Condition, Grade, Level, View
from lsdc.report.pages.study_page import write_study_page

AXIAL, T1 = '.view[data-view="2"]', '.view[data-view="0"]'
CANAL, LEFT = "spinal_canal_stenosis_l4_l5", "left_subarticular_stenosis_l2_l3"


def mixed(item: Location) -> Location:
    """Recesses of L1/L2 unsure, those of L5/S1 not seen."""
    if item.target.condition.view is not View.AXIAL_T2:
        return item
    if item.target.level is Level.L1_L2:
        return replace(item, status=Status.UNSURE, reason="its place is uncertain", confidence=0.1)
    if item.target.level is Level.L5_S1:
        return replace(item, status=Status.NOT_SEEN, reason="the axial T2 series does not show it")
    return item


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = whole_study()
    other = Series("another", View.AXIAL_T2, study.series[2].slices[:4])
    graded = made_graded(replace(study, series=(other, *study.series)), change=mixed)
    graded = replace(graded, targets=tuple(replace(item, truth=Grade.MODERATE) for item in graded.targets))
    return write_study_page(graded, tmp_path_factory.mktemp("viewer") / "study.html", home="index.html")


@pytest.fixture
def viewer(page: Path, page_browser: Browser) -> Browser:
    page_browser.visit(page)
    choose(page_browser, LEFT)
    return page_browser


def source(browser: Browser, pane: str) -> str:
    return str(browser.find(f"{pane} .stage img").get_attribute("src"))


def where(browser: Browser, pane: str) -> str:
    return str(browser.find(f"{pane} .where").text)


def choose(browser: Browser, slug: str) -> None:
    browser.press(f'.cell[data-slug="{slug}"]', "\n")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_browser_finds_no_fault(page: Path, page_browser: Browser, width: int, dark: bool) -> None:
    page_browser.visit(page, width, dark=dark)
    choose(page_browser, "right_subarticular_stenosis_l5_s1")
    assert page_browser.audit() == []
    choose(page_browser, CANAL)
    assert page_browser.sideways() <= 0
    assert page_browser.audit() == []
    assert page_browser.faults() == []
    ground = page_browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (int(ground.split("(")[1].split(",")[0]) < 60) is dark


def test_keys_on_the_slider_change_the_slice(viewer: Browser) -> None:
    before = source(viewer, AXIAL)
    viewer.press(f"{AXIAL} .slice", "\ue010")
    assert where(viewer, AXIAL).startswith("Slice 13 of 13") and source(viewer, AXIAL) != before
    viewer.press(f"{AXIAL} .slice", "\ue012")
    assert where(viewer, AXIAL).startswith("Slice 12 of 13")
    assert viewer.find(f"{AXIAL} .slice").get_attribute("aria-valuetext").startswith("slice 12 of 13")
    assert viewer.find(f"{AXIAL} .stage img").get_attribute("alt").startswith("Axial T2, slice 12 of 13")


def test_the_wheel_changes_the_slice_and_lets_go_at_the_end(viewer: Browser) -> None:
    viewer.press(f"{AXIAL} .slice", "\ue011")
    turn = """const stage = document.querySelector(arguments[0] + ' .stage');
        return Array.from({length: arguments[1]}, () => !stage.dispatchEvent(
            new WheelEvent('wheel', {deltaY: arguments[2], cancelable: true})))"""
    assert viewer.run(turn, AXIAL, 3, 100) == [True] * 3
    assert where(viewer, AXIAL).startswith("Slice 4 of 13")
    viewer.press(f"{T1} .slice", "\ue011")
    assert viewer.run(turn, T1, 1, -100) == [False]


def test_a_drag_and_a_swipe_change_the_slice(viewer: Browser) -> None:
    drag = """const stage = document.querySelector(arguments[0] + ' .stage');
        stage.setPointerCapture = () => {};
        const at = (x, y) => ({clientX: x, clientY: y, pointerType: arguments[1], button: 0, pointerId: 1});
        stage.dispatchEvent(new PointerEvent('pointerdown', at(100, 100)));
        stage.dispatchEvent(new PointerEvent('pointermove', at(100 + arguments[2], 100 + arguments[3])));
        stage.dispatchEvent(new PointerEvent('pointerup', at(100 + arguments[2], 100 + arguments[3])))"""
    for kind, across, down, moves in (
        ("mouse", 0, 60, True),
        ("touch", 60, 0, True),
        ("touch", 0, 60, False),
    ):
        viewer.press(f"{AXIAL} .slice", "\ue011")
        viewer.run(drag, AXIAL, kind, across, down)
        assert where(viewer, AXIAL).startswith("Slice 1 of") is not moves, (kind, across, down)
    assert viewer.run("return getComputedStyle(document.querySelector('.stage')).touchAction") == "pan-y"


def test_a_cell_brings_all_views_to_its_place(viewer: Browser) -> None:
    choose(viewer, LEFT)
    assert viewer.find(f'.cell[data-slug="{LEFT}"]').get_attribute("aria-pressed") == "true"
    assert where(viewer, AXIAL) == "Slice 9 of 13, at L2/L3"
    assert where(viewer, T1) == "Slice 8 of 11, 8 mm left of the canal"
    shown = (
        "return [...document.querySelectorAll('.target')].filter((one) => !one.hidden).map((one) => one.id)"
    )
    assert viewer.run(shown) == [LEFT]
    assert viewer.find(f"#{LEFT} .own img").size["width"] > 150
    assert viewer.find("#said").get_attribute("textContent") == "Shown: Left Subarticular Stenosis, L2/L3"
    assert viewer.run("return location.hash") == f"#{LEFT}"


def test_arrow_keys_move_between_cells(viewer: Browser) -> None:
    viewer.press(f'.cell[data-slug="{CANAL}"]', "\ue014")
    focused = "return document.activeElement.dataset.slug"
    assert viewer.run(focused) == "left_neural_foraminal_narrowing_l4_l5"
    viewer.window.switch_to.active_element.send_keys("\ue015")
    assert viewer.run(focused) == "left_neural_foraminal_narrowing_l5_s1"
    viewer.press(f'.cell[data-slug="{CANAL}"]', "\ue012")
    assert viewer.run(focused) == CANAL


def test_a_link_names_the_place(page: Path, page_browser: Browser) -> None:
    page_browser.visit(page)
    page_browser.window.get(f"{page.as_uri()}#{LEFT}")
    page_browser.window.refresh()
    assert page_browser.find(f'.cell[data-slug="{LEFT}"]').get_attribute("aria-pressed") == "true"


def rings(browser: Browser, pane: str) -> list[dict[str, Any]]:
    script = """const box = document.querySelector(arguments[0] + ' .stage img').getBoundingClientRect();
        const stage = document.querySelector(arguments[0] + ' .stage').getBoundingClientRect();
        return [...document.querySelectorAll(arguments[0] + ' circle[data-slug]')].map((ring) => ({
            slug: ring.dataset.slug, near: ring.classList.contains('near'), unsure: ring.classList.contains('unsure'),
            dashed: getComputedStyle(ring).strokeDasharray !== 'none', opacity: Number(getComputedStyle(ring).opacity),
            x: (Number(ring.getAttribute('cx')) + stage.left - box.left) / box.width,
            y: (Number(ring.getAttribute('cy')) + stage.top - box.top) / box.height}))"""
    return list(browser.run(script, pane))


def test_points_are_where_the_targets_are(viewer: Browser) -> None:
    choose(viewer, LEFT)
    found = {item["slug"]: item for item in rings(viewer, AXIAL)}
    left, right = found[LEFT], found[LEFT.replace("left", "right")]
    # The made slice is 150 columns of 0.8 mm from x = -60 mm; the targets lie at 9 and -9 mm, 3 mm behind the middle.
    assert left["x"] == pytest.approx((9 + 60.4) / 120, abs=0.01)
    assert right["x"] == pytest.approx((-9 + 60.4) / 120, abs=0.01)
    assert left["y"] == pytest.approx((3 + 60.4) / 128, abs=0.01)
    assert not left["dashed"] and left["opacity"] == 1


def test_unsure_points_are_dashed_and_unseen_ones_absent(viewer: Browser) -> None:
    choose(viewer, "left_subarticular_stenosis_l1_l2")
    unsure = next(
        item for item in rings(viewer, AXIAL) if item["slug"] == "right_subarticular_stenosis_l1_l2"
    )
    assert unsure["dashed"] and unsure["opacity"] == 1
    labels = viewer.run(
        f"return [...document.querySelectorAll('{AXIAL} text.quiet')].map((one) => one.textContent)"
    )
    assert [label[-1] for label in labels if label.startswith("L1/L2")] == ["?", "?"]
    seen = set()
    viewer.press(f"{AXIAL} .slice", "\ue011")
    for _ in range(13):
        seen |= {item["slug"] for item in rings(viewer, AXIAL)}
        viewer.press(f"{AXIAL} .slice", "\ue014")
    assert len(seen) == 8 and not any(slug.endswith("l5_s1") for slug in seen)


def test_points_of_neighboring_slices_are_fainter(viewer: Browser) -> None:
    choose(viewer, LEFT)
    viewer.press(f"{AXIAL} .slice", "\ue014")
    near = next(item for item in rings(viewer, AXIAL) if item["slug"] == LEFT)
    assert near["near"] and near["opacity"] < 0.8
    viewer.press(f"{AXIAL} .slice", "\ue014")
    assert LEFT not in {item["slug"] for item in rings(viewer, AXIAL)}


def test_all_rings_are_dark_beneath(viewer: Browser) -> None:
    choose(viewer, "left_subarticular_stenosis_l1_l2")
    beneath = """return [...document.querySelectorAll('.overlay circle[data-slug]')].every((ring) =>
        [...ring.parentNode.querySelectorAll('circle.halo')].some((halo) =>
            ['cx', 'cy', 'r'].every((name) => halo.getAttribute(name) === ring.getAttribute(name))))"""
    assert rings(viewer, AXIAL) != []
    assert viewer.run(beneath)


def test_a_tap_on_a_point_selects_it_and_leaves_the_views(viewer: Browser) -> None:
    choose(viewer, LEFT)
    viewer.press(f"{T1} .slice", "\ue011")
    other = LEFT.replace("left", "right")
    tap = """const stage = document.querySelector(arguments[0] + ' .stage');
        stage.setPointerCapture = () => {};
        const ring = stage.querySelector(`circle[data-slug="${arguments[1]}"]`).getBoundingClientRect();
        const at = {clientX: ring.x + ring.width / 2, clientY: ring.y + 3, button: 0, pointerId: 1};
        stage.dispatchEvent(new PointerEvent('pointerdown', at));
        stage.dispatchEvent(new PointerEvent('pointerup', at))"""
    viewer.run(tap, AXIAL, other)
    assert viewer.find(f'.cell[data-slug="{other}"]').get_attribute("aria-pressed") == "true"
    assert where(viewer, T1).startswith("Slice 1 of 11")


def lines(browser: Browser, pane: str) -> list[list[list[float]]]:
    script = """const box = document.querySelector(arguments[0] + ' .stage img').getBoundingClientRect();
        const stage = document.querySelector(arguments[0] + ' .stage').getBoundingClientRect();
        const [dx, dy] = [stage.left - box.left, stage.top - box.top];
        return [...document.querySelectorAll(arguments[0] + ' line')].map((line) => [
            (line.x1.baseVal.value + dx) / box.width, (line.y1.baseVal.value + dy) / box.height,
            (line.x2.baseVal.value + dx) / box.width, (line.y2.baseVal.value + dy) / box.height].concat(
            [line.classList.contains('far') ? 1 : 0]))"""
    return sorted(sorted([line[:2], line[2:4]]) for line in browser.run(script, pane))


def test_reference_lines_lie_where_slices_meet(viewer: Browser) -> None:
    choose(viewer, LEFT)
    # Axial slice at z = 10 mm on the sagittal image, which begins at z = 60 mm; its rows are 0.8 mm apart.
    (line,) = lines(viewer, T1)
    assert [point[1] for point in line] == pytest.approx([(60.4 - 10) / 128] * 2, abs=0.005)
    # Both reach from y = -60.4 mm; the sagittal one to 59.6, so that the axial one, which is longer, is cut there.
    assert [point[0] for point in line] == pytest.approx([0, 1], abs=0.005)
    # T1 and T2 at x = 8 mm on the axial image, whole in its height where the sagittal images reach.
    first, second = lines(viewer, AXIAL)
    assert first == second
    assert [point[0] for point in first] == pytest.approx([(8 + 60.4) / 120] * 2, abs=0.005)
    assert [point[1] for point in first] == pytest.approx([0, 120 / 128], abs=0.005)
    viewer.find("#lines").click()
    assert lines(viewer, AXIAL) == []


def test_a_tilted_slice_cuts_along_a_tilted_line(tmp_path: Path, page_browser: Browser) -> None:
    study = whole_study()
    # 41 rows of 1 mm, tilted: each row further back is 0.6 mm lower; it begins in front of the middle, at z = 12.
    tilted = make_slice((-20, -16, 12), (1, 0, 0), (0, 0.8, -0.6), (1, 1), (41, 41))
    study = replace(study, series=(*study.series[:2], Series("ax", View.AXIAL_T2, (tilted,))))
    page_browser.visit(write_study_page(made_graded(study), tmp_path / "study.html"))
    choose(page_browser, CANAL)
    (line,) = lines(page_browser, T1)
    ends = [(y, z) for y, z in ((-16 - 0.4, 12 + 0.3), (-16 + 0.8 * 40.5, 12 - 0.6 * 40.5))]
    expected = [[(y + 60.4) / 120, (60.4 - z) / 128] for y, z in ends]
    assert line == [pytest.approx(point, abs=0.005) for point in expected]


@pytest.mark.parametrize(
    ("frames", "placed", "count"), [("aab", True, 0), ("abb", True, 1), ("aaa", False, 0)]
)
def test_lines_need_one_frame_of_reference(
    tmp_path: Path, page_browser: Browser, frames: str, placed: bool, count: int
) -> None:
    study = whole_study()
    flags = frozenset() if placed else frozenset({"no_position"})
    series = [replace(one, frame_of_reference=frame, flags=flags) for one, frame in zip(study.series, frames)]
    page_browser.visit(
        write_study_page(made_graded(replace(study, series=tuple(series))), tmp_path / "study.html")
    )
    assert len(lines(page_browser, AXIAL)) == count
    if len(set(frames)) > 1:
        page_browser.find("#across").click()
        assert len(lines(page_browser, AXIAL)) == 2
        assert page_browser.run("return document.querySelectorAll('line.far').length") > 0


def test_the_guests_place_needs_one_frame_of_reference(tmp_path: Path, page_browser: Browser) -> None:
    study = whole_study()
    series = tuple(replace(one, frame_of_reference=frame) for one, frame in zip(study.series, "aab"))
    out = write_study_page(made_graded(replace(study, series=series)), tmp_path / "study.html")
    page_browser.visit(out)
    choose(page_browser, LEFT)
    crosses = (
        f"return ['{T1}', '{AXIAL}'].map((pane) => document.querySelectorAll(`${{pane}} path.cross`).length)"
    )
    assert page_browser.run(crosses) == [0, 2]
    page_browser.find("#across").click()
    assert page_browser.run(crosses) == [2, 2]


def test_a_series_of_one_slice_has_no_slider_to_move(tmp_path: Path, page_browser: Browser) -> None:
    study = whole_study()
    one = replace(study.series[0], slices=study.series[0].slices[5:6])
    graded = made_graded(replace(study, series=(one, *study.series[1:])))
    page_browser.visit(write_study_page(graded, tmp_path / "study.html"))
    assert [page_browser.find(f"{pane} .slice").is_enabled() for pane in (T1, AXIAL)] == [False, True]


def test_on_a_phone_a_tap_leads_to_the_place_and_back_to_the_images(
    page: Path, page_browser: Browser
) -> None:
    page_browser.visit(page, 390)
    top = "return Math.round(document.querySelector(arguments[0]).getBoundingClientRect().top)"
    choose(page_browser, CANAL)  # The keyboard stays where it is.
    assert page_browser.run(top, "#place") > 100
    page_browser.find(f'.cell[data-slug="{LEFT}"]').click()
    assert 0 <= page_browser.run(top, "#place") < 100
    page_browser.find(".to-images a").click()
    assert 0 <= page_browser.run(top, "#images") < 100
    assert page_browser.find(f"{AXIAL} .window").size["width"] > 200
    assert page_browser.find(f"{AXIAL} .level").size["height"] >= 40
    page_browser.visit(page, 1280)
    assert not page_browser.find(".to-images").is_displayed()


def test_scales_do_not_run_through_their_words(viewer: Browser) -> None:
    choose(viewer, LEFT)
    boxes = (
        "return ['', ' span'].map((part) => document.querySelector(`#${arguments[0]} .scale${part}`)"
        ".getBoundingClientRect().bottom)"
    )
    bar, words = viewer.run(boxes, LEFT)
    assert words <= bar - 5


def test_window_and_level_change_the_gray_and_are_reset(viewer: Browser) -> None:
    part = f"document.querySelector('{AXIAL} feFuncR')"
    gray = f"return ['slope', 'intercept'].map((name) => Number({part}.getAttribute(name)))"
    usual = viewer.run(gray)
    assert usual == pytest.approx([1.4, 0])
    viewer.press(f"{AXIAL} .window", "\ue012" * 20)
    viewer.press(f"{AXIAL} .level", "\ue014" * 10)
    # Window 80 %, level 60 %: black at 20 %, white at 100 % of the gray window; the picture's white is at 140 %.
    slope, intercept = viewer.run(gray)
    assert [(slope * x / 1.4 + intercept) for x in (0.2, 1.0)] == pytest.approx([0, 1])
    viewer.run(f"document.querySelector('{AXIAL} .stage').dispatchEvent(new MouseEvent('dblclick'))")
    assert viewer.run(gray) == usual
    viewer.press(f"{AXIAL} .window", "\ue012")
    viewer.find(f"{AXIAL} .reset").click()
    assert viewer.run(gray) == usual


def test_another_series_of_the_view_can_be_chosen(viewer: Browser) -> None:
    from selenium.webdriver.support.ui import Select

    choose(viewer, LEFT)
    choice = Select(viewer.find(f"{AXIAL} select"))
    # The series with most targets comes first; the other one has the four lowest slices of it.
    assert [option.text for option in choice.options] == ["series ax, 13 slices", "series another, 4 slices"]
    choice.select_by_visible_text("series another, 4 slices")
    assert where(viewer, AXIAL) == "Slice 4 of 4, at L4/L5"
    choose(viewer, LEFT)
    assert where(viewer, AXIAL) == "Slice 9 of 13, at L2/L3"


def test_on_a_phone_one_view_is_shown_that_of_the_place(page: Path, page_browser: Browser) -> None:
    page_browser.visit(page, 390)
    shown = "return [...document.querySelectorAll('.view')].map((view) => getComputedStyle(view).display !== 'none')"
    choose(page_browser, CANAL)
    assert page_browser.run(shown) == [False, True, False]
    page_browser.find('[data-tab="0"]').click()
    assert page_browser.run(shown) == [True, False, False]
    assert page_browser.find(f"{T1} .stage img").size["width"] > 300


@pytest.mark.parametrize("condition", list(Condition))
def test_letters_stand_at_the_edges(viewer: Browser, condition: Condition) -> None:
    choose(viewer, f"{condition}_l2_l3")
    view = list(View).index(condition.view)
    found = f"document.querySelectorAll('.view[data-view=\"{view}\"] .letter-of-edge')"
    letters = viewer.run(f"return [...{found}].map((one) => one.textContent)")
    assert letters == list("RLAP" if condition.view is View.AXIAL_T2 else "APHF")
