"""The page of a study tells the truth about sides, places and what was not seen, and nothing of the patient."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from support.browser import Browser
from support.graded import made_graded, with_probabilities
from support.made_study import Triple, locate_all, make_slice, sagittal, study_of, whole_study

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Grade, Level, Target, View
from lsdc.features.crops import CROP_MM
from lsdc.report.pages.study_page import write_study_page
from lsdc.report.pages.target_views import place_in_words
from lsdc.report.pages.upright_image import UprightImage
from lsdc.runtime import Problem

RIGHT = Target(Condition.RIGHT_SUBARTICULAR_STENOSIS, Level.L3_L4)


def article(page: str, target: Target) -> str:
    found = re.search(rf'<article class="target" id="{target.slug}".*?</article>', page, re.DOTALL)
    assert found is not None
    return found[0]


def pixels(uri: str) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(BytesIO(base64.b64decode(uri.split(",", 1)[1]))), float)


def viewer(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def written(tmp_path: Path, **options: Any) -> str:
    return write_study_page(made_graded(**options), tmp_path / "study.html").read_text(encoding="utf-8")


def unseen(location: Location) -> Location:
    if location.view is not View.AXIAL_T2:
        return location
    reason = "no axial T2 series"
    return replace(
        location, series=None, slice=None, point=(np.nan, np.nan), status=Status.NOT_SEEN, reason=reason
    )


@pytest.mark.parametrize("condition", [c for c in Condition if c.view is View.AXIAL_T2])
def test_crops_are_never_mirrored(tmp_path: Path, condition: Condition) -> None:
    graded = made_graded()
    page = write_study_page(graded, tmp_path / "study.html").read_text(encoding="utf-8")
    target = Target(condition, Level.L3_L4)
    own = re.findall(r'<img src="(data:[^"]+)"', article(page, target))[0]
    row = TARGETS.index(target)
    place = graded.located.graded(row)
    assert place is not None
    cut = graded.located.cutters[place.series].cut
    mm, shown = CROP_MM[condition.family][View.AXIAL_T2], pixels(own)
    straight, mirrored = (
        cut(place.slice, place.point, mm, len(shown), mirrored=way) for way in (False, True)
    )
    assert np.abs(shown - straight).mean() < 3 < np.abs(shown - mirrored).mean()
    assert "R at the left, L at the right, A above" in article(page, target)


@pytest.mark.parametrize(
    ("view", "row", "column", "edges"),
    [
        (View.AXIAL_T2, (1, 0, 0), (0, 1, 0), "RLAP"),
        (View.AXIAL_T2, (-1, 0, 0), (0, 1, 0), "RLAP"),
        (View.AXIAL_T2, (0, 1, 0), (-1, 0, 0), "RLAP"),
        (View.AXIAL_T2, (0.96, 0, 0.28), (0, -1, 0), "RLAP"),
        (View.SAGITTAL_T1, (0, 1, 0), (0, 0, -1), "APHF"),
        (View.SAGITTAL_T2, (0, -1, 0), (0, 0, 1), "APHF"),
        (View.SAGITTAL_T2, (0, 0.6, 0.8), (0, 0.8, -0.6), "APHF"),
    ],
)
def test_edges_are_those_of_the_plane(view: View, row: Triple, column: Triple, edges: str) -> None:
    item = make_slice((0, 0, 0), row, column, (0.5, 0.8), (60, 90))
    image = UprightImage.of(item, view)
    assert "".join(image.edges) == edges
    # What the letters say, the patient says: the middle of each edge lies on that side of the middle.
    (across, down), (width, height) = image.axes, image.size_mm
    middle = image.corner + across * width / 2 + down * height / 2
    assert_allclose(middle, item.plane.to_patient([[44.5, 29.5]])[0], atol=1e-9)


def test_a_lying_patient_gets_other_letters() -> None:
    # Rotated by more than 45 degrees in the plane nothing is upright any more; letters still name what lies there.
    tilted = make_slice((0, 0, 0), (0.6, 0.8, 0), (-0.8, 0.6, 0))
    image = UprightImage.of(tilted, View.AXIAL_T2)
    across, _ = image.axes
    assert image.edges.right == ("L" if abs(across[0]) > abs(across[1]) else "P")


@pytest.mark.parametrize(
    ("row", "column"), [((-1, 0, 0), (0, 1, 0)), ((0, 1, 0), (1, 0, 0)), ((1, 0, 0), (0, -1, 0))]
)
def test_flipped_images_are_shown_alike(row: Triple, column: Triple) -> None:
    straight = make_slice((-20, -20, 3), (1, 0, 0), (0, 1, 0), (1, 1), (41, 41))
    center = np.array([0.0, 0.0, 3.0]) - 20 * (np.array(row) + np.array(column))
    flipped = make_slice(tuple(center.tolist()), row, column, (1, 1), (41, 41))
    one, two = (UprightImage.of(item, View.AXIAL_T2) for item in (straight, flipped))
    pictures = [image.pixels(item, (0, 400), 512) for image, item in ((one, straight), (two, flipped))]
    assert_allclose(pictures[0].astype(int), pictures[1].astype(int), atol=1)
    point = (5.0, -7.0, 3.0)
    places = [image.place(tuple(image.plane.to_pixel(point)[0])) for image in (one, two)]
    assert_allclose(places[0], places[1], atol=1e-9)
    assert_allclose(places[0], (25.5 / 41, 13.5 / 41))


def test_series_that_run_from_left_to_right_say_their_side(tmp_path: Path) -> None:
    for xs in (range(-20, 21, 4), range(20, -21, -4)):
        page = written(tmp_path, study=study_of(sagittal(xs=xs)))
        where = [item["where"] for item in viewer(page)["series"][0]["slices"]]
        sides = [f"{abs(x)} mm {'right' if x < 0 else 'left'} of the canal" for x in xs]
        expected = ["through the canal" if x == 0 else side for x, side in zip(xs, sides)]
        assert where == expected


def test_planes_of_the_viewer_are_those_of_the_patient(tmp_path: Path) -> None:
    study = whole_study()
    data = viewer(written(tmp_path, study=study))
    order = list(View)
    truths = {item.target.slug: item.patient for item in locate_all(study)}
    for target in data["targets"]:
        for view, (series, number, x, y) in target["at"].items():
            one = data["series"][series]["slices"][number]
            assert data["series"][series]["view"] == int(view)
            point = np.array(one["o"]) + x * np.array(one["u"]) + y * np.array(one["v"])
            truth = np.array(truths[target["slug"]])
            axis = 0 if order[int(view)].plane == "sagittal" else 2
            assert_allclose(np.delete(point, axis), np.delete(truth, axis), atol=0.05)
            assert abs(point[axis] - truth[axis]) <= 2.51


def test_large_slices_are_reduced_and_stay_square(tmp_path: Path) -> None:
    plane = SlicePlane((0, 0, 0), (0, 1, 0), (0, 0, -1), (0.5, 0.25))
    series = Series("big", View.SAGITTAL_T2, (Slice(np.zeros((700, 1400), np.float32), plane, 1, "made"),))
    one = viewer(written(tmp_path, study=study_of(series)))["series"][0]["slices"][0]
    assert pixels(one["src"]).shape == (256, 512) and one["mm"] == [350.0, 350.0]


def test_strangers_text_is_escaped(tmp_path: Path) -> None:
    bad = "<script>alert('x')</script>"
    page = written(
        tmp_path,
        study_id=bad,
        statement=(bad,),
        summary=(bad,),
        change=lambda item: replace(item, status=Status.UNSURE, reason=bad),
    )
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


def test_what_is_no_number_is_no_grade(tmp_path: Path) -> None:
    nan = float("nan")
    graded = with_probabilities(
        made_graded(change=lambda item: replace(item, level_doubt=nan)), (nan, nan, nan)
    )
    page = write_study_page(graded, tmp_path / "study.html").read_text(encoding="utf-8")
    shown = re.sub(r'data:image[^"]*', "", page)
    assert not re.search(r"\bnan\b", shown, re.IGNORECASE)
    assert shown.count("No grade: the model gave no probabilities.") == 25 and shown.count(">no grade<") == 25


def test_refused_rows_say_so_and_have_no_grade(tmp_path: Path) -> None:
    page = article(written(tmp_path, refused=[RIGHT]), RIGHT)
    assert "No grade: refused" in page and "%</td>" not in page


def test_no_number_beside_probabilities_is_the_places(tmp_path: Path) -> None:
    def doubtful(item: Location) -> Location:
        reason = "its place is uncertain"
        return replace(item, confidence=0.23, status=Status.UNSURE, reason=reason)

    page = written(tmp_path, change=doubtful, summary=("unsure: its place is uncertain",))
    assert "0.23" not in re.sub(r'data:image[^"]*|"[ouv]":\[[^\]]*\]', "", page)
    assert "Place: doubtful (unsure: its place is uncertain)" in page
    assert "Right Subarticular Stenosis at all levels: its place is uncertain</li>" in page


@pytest.mark.parametrize(
    ("confidence", "words"), [(0.9, "sure"), (0.6, "fair"), (0.2, "doubtful"), (np.nan, "doubtful")]
)
def test_places_in_words(confidence: float, words: str) -> None:
    location = replace(made_graded().located.locations[0], confidence=confidence)
    assert place_in_words(location) == words
    assert place_in_words(replace(location, status=Status.NOT_SEEN)) == "not seen"


def test_what_was_not_seen_has_its_reason_and_no_place(tmp_path: Path) -> None:
    study = study_of(sagittal(View.SAGITTAL_T1), sagittal(View.SAGITTAL_T2))
    page = written(tmp_path, study=study, change=unseen)
    assert "Not shown: no axial T2 series." in page
    assert "Left Subarticular Stenosis at all levels; Right Subarticular Stenosis at all levels" in page
    assert "No grade: it was not seen. Without looking," in article(page, RIGHT)
    assert {len(target["at"]) for target in viewer(page)["targets"]} == {2}


def test_an_average_place_is_not_shown(tmp_path: Path) -> None:
    page = written(
        tmp_path, change=lambda item: replace(item, status=Status.NOT_SEEN, reason="no lumbar spine found")
    )
    assert all(target["at"] == {} for target in viewer(page)["targets"])
    assert page.count("No picture: no lumbar spine found.") == 25 and 'class="own"' not in page


def test_the_readers_grades_stand_beside(tmp_path: Path) -> None:
    graded = made_graded()
    truth = {item.target: item.grade for item in graded.targets[:20]}
    other = graded.targets[3]
    truth[other.target] = Grade.SEVERE if other.grade is not Grade.SEVERE else Grade.MODERATE
    page = written(tmp_path, truth=truth)
    assert "19 of 20 grades agree with the reader" in page
    assert "another grade" in article(page, other.target)
    assert "the same grade" in article(page, graded.targets[0].target)
    assert "Reader" not in article(page, graded.targets[24].target)


def test_worse_grades_that_are_not_excluded_stand_with_the_grade(tmp_path: Path) -> None:
    graded = made_graded()
    moderate, normal = (
        next(item for item in graded.targets if item.grade is grade)
        for grade in (Grade.MODERATE, Grade.NORMAL_MILD)
    )
    worst = {moderate.target: Grade.SEVERE, normal.target: Grade.NORMAL_MILD}
    graded = replace(
        graded, targets=tuple(replace(item, worst=worst.get(item.target)) for item in graded.targets)
    )
    page = write_study_page(graded, tmp_path / "study.html").read_text(encoding="utf-8")
    (words,) = re.findall('<span class="not-excluded">(.*?) not ruled out</span>', page)
    assert re.sub("<[^>]*>", " ", words).split() == ["severe", "S"]
    assert "Not ruled out: severe" in article(page, moderate.target)
    assert "ruled out" not in article(page, normal.target)
    assert "below which 5 % of the true cases fell" in page and "nowhere ruled out" not in page
    assert "ruled out" not in written(tmp_path)


def test_what_all_cells_would_say_is_said_once(tmp_path: Path) -> None:
    graded = made_graded(refused=[RIGHT])
    graded = replace(graded, targets=tuple(replace(item, worst=Grade.SEVERE) for item in graded.targets))
    page = write_study_page(graded, tmp_path / "study.html").read_text(encoding="utf-8")
    assert 'class="not-excluded"' not in page and page.count("Severe is nowhere ruled out.") == 1
    better = sum(item.grade in (Grade.NORMAL_MILD, Grade.MODERATE) for item in graded.targets)
    assert page.count("<li>Not ruled out: severe</li>") == better


@pytest.mark.parametrize("width", [360, 1280])
def test_no_word_of_the_grades_is_broken(tmp_path: Path, page_browser: Browser, width: int) -> None:
    graded = made_graded()
    worst = (None, Grade.MODERATE, Grade.SEVERE)
    targets = (replace(item, worst=worst[k % 3]) for k, item in enumerate(graded.targets))
    page = write_study_page(replace(graded, targets=tuple(targets)), tmp_path / "study.html")
    page_browser.visit(page, width, dark=width == 360)
    assert page_browser.run(
        "return [...document.querySelectorAll('.not-excluded')].every(one => one.scrollWidth <= one.clientWidth)"
    )
    assert page_browser.sideways() <= 0 and page_browser.audit() == []


def test_what_is_not_excluded_is_never_better_than_the_grade() -> None:
    (first, *_) = with_probabilities(made_graded(), (0.1, 0.2, 0.7)).targets
    assert first.not_excluded is None
    assert replace(first, worst=Grade.NORMAL_MILD).not_excluded is Grade.SEVERE
    assert replace(first, worst=Grade.SEVERE, refused=True).not_excluded is None


def test_doubt_about_levels_is_said(tmp_path: Path) -> None:
    def doubted(item: Location) -> Location:
        canal = item.target.condition is Condition.SPINAL_CANAL_STENOSIS
        return replace(item, level_doubt=0.4 if canal else 0.1)

    page = written(tmp_path, change=doubted)
    assert "fit the next level nearly as well: Spinal Canal Stenosis." in page
    assert "fit the next level" not in written(tmp_path)


def test_files_of_the_patient_are_not_named(tmp_path: Path) -> None:
    problems = (
        Problem("/data/DOE_JANE/a.dcm", "3 files: no image (DOE_JANE.dcm, …)", "copy <them> again"),
        Problem("/data/DOE_JANE/b", "cannot open /data/DOE_JANE/b", ""),
    )
    study = replace(whole_study(), problems=problems)
    study = replace(
        study, series=tuple(replace(item, frame_of_reference="1.2.840.99.7") for item in study.series)
    )
    page = re.sub(r"data:image[^\"]*", "", written(tmp_path, study=study))
    assert "DOE" not in page and "1.2.840.99.7" not in page and "copy &lt;them&gt; again" in page
    assert {item["frame"] for item in viewer(page)["series"]} == {1}


def framed(*frames: str) -> Study:
    study = whole_study()
    series = (replace(one, frame_of_reference=frame) for one, frame in zip(study.series, frames))
    return replace(study, series=tuple(series))


def test_places_between_frames_of_reference_hold_only_for_a_still_patient(tmp_path: Path) -> None:
    still = "if the patient lay still"
    same, unknown, other = (
        article(written(tmp_path, study=framed(*frames)), RIGHT) for frames in ("aaa", ("a", "a", ""), "aab")
    )
    assert still not in same and still not in unknown
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", other)
    assert [still in caption for caption in captions] == [False, True, True]
    assert re.search(r"slice \d+ of 11, \d\.\d mm from the place if the patient lay still", captions[1])


@pytest.mark.parametrize("frames", ["aaa", "abc"])
def test_slices_say_where_they_are_without_the_scanners_numbers(tmp_path: Path, frames: str) -> None:
    shown = viewer(written(tmp_path, study=framed(*frames)))["series"]
    t1, t2, axial = ([one["where"] for one in item["slices"]] for item in shown)
    # Recesses lie 12 mm apart, L1/L2 at 24 mm; the slices are 5 mm apart from -30 mm on.
    assert axial[:4] == ["at L5/S1"] * 3 + ["at L4/L5"] and axial[-1] == "at L1/L2"
    assert (
        t2[5] == "through the canal" and t1[5] == "through the canal" and t1[0] == "20 mm right of the canal"
    )


def test_axial_slices_away_from_discs_lie_between_levels(tmp_path: Path) -> None:
    def rarer(item: Location) -> Location:
        kept = item.target.level in (Level.L1_L2, Level.L4_L5)
        return item if kept else replace(item, status=Status.NOT_SEEN, reason="not there")

    shown = viewer(written(tmp_path, change=rarer))["series"][2]["slices"]
    assert [one["where"] for one in shown][::3] == [
        "below L4/L5", "at L4/L5", "between L1/L2 and L4/L5", "between L1/L2 and L4/L5", "at L1/L2",
    ]  # fmt: skip


def test_long_ids_are_shortened_where_they_stand_beside_others(tmp_path: Path) -> None:
    study = whole_study()
    root = "1.2.826.0.1.3680043.8.498.1049583576847136989260926305914369504"
    series = tuple(replace(one, series_id=f"{root}{k}") for k, one in enumerate(study.series))
    page = re.sub(r"data:image[^\"]*", "", written(tmp_path, study=replace(study, series=series)))
    assert f'title="{root}0"><span aria-hidden="true">…{root[-11:]}0</span>' in page
    assert root not in re.sub(r'title="[^"]*"|<span class="visually-hidden">[^<]*</span>', "", page)
    assert f"series …{root[-11:]}2, slice" in page


@pytest.mark.parametrize(
    ("model", "words"),
    [("bundled", "the bundled model"), ("model", "the model"), ("x.lsdc", "the model “x.lsdc”")],
)
def test_the_model_is_named_once(tmp_path: Path, model: str, words: str) -> None:
    graded = replace(made_graded(), model=model)
    page = write_study_page(graded, tmp_path / "study.html").read_text(encoding="utf-8")
    assert f"graded by {words}." in page


def test_what_the_lists_say_is_not_said_again(tmp_path: Path) -> None:
    page = written(
        tmp_path, summary=("not seen, 5 rows: no axial T2 series", "unsure, 1 row: x", "one more thing")
    )
    assert "5 rows" not in page and "<li>One more thing.</li>" in page
    assert "Bars: how probable each grade is, if grades are as frequent as where the model learned." in page
    assert "places found on it" in page and "targets on it" not in page


def test_the_header_that_says_nothing_is_not_believed(tmp_path: Path) -> None:
    study = whole_study()
    flags = frozenset({"no_orientation", "no_pixel_spacing"})
    page = written(
        tmp_path, study=replace(study, series=tuple(replace(s, flags=flags) for s in study.series))
    )
    data = viewer(page)
    assert not any(item["oriented"] or item["measured"] or item["placed"] for item in data["series"])
    assert ">A?</span>" in page and "10 mm?</span></span>" in page
    assert {one["where"] for item in data["series"] for one in item["slices"]} == {""}
