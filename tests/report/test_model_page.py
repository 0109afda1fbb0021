"""The page of a model: its figures hold the right numbers, and the page opens whole, offline and for everybody."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from numpy.typing import NDArray
from scipy.stats import binomtest
from support.browser import Browser
from support.made_model import MEMBERS, fit_model, make_model
from support.store import fake_store

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Grade
from lsdc.commands.ensemble_report import Report
from lsdc.ensemble.exhaustion_report import Exhaustion
from lsdc.ensemble.fit_card import INTENDED_USE, NOT_INTENDED, FitCard
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.bootstrap import Interval
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.official import official_score
from lsdc.models.heads.boosted import BoostedHead, LightGBMHead, XGBoostHead
from lsdc.report.model_page.calibration import calibration_bins
from lsdc.report.model_page.confusions import confusion_counts, draw_confusion
from lsdc.report.model_page.costly_studies import costly_section, costly_studies
from lsdc.report.model_page.curves import draw_precision
from lsdc.report.model_page.doubtful_labels import suspect_section
from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.model_page.loss_table import LossTable, spelled
from lsdc.report.model_page.member_costs import member_costs, member_section
from lsdc.report.model_page.own_store import OwnStore
from lsdc.report.model_page.proportions import Proportion, decide
from lsdc.report.model_page.provenance import card_section, model_notices, provenance_section
from lsdc.report.model_page.scored_model import STACK, ScoredModel
from lsdc.report.model_page.scores import draw_losses, score_section
from lsdc.report.model_page.tree_shap import shap_values
from lsdc.report.model_page.tuning_history import TuningHistory, tuning_section
from lsdc.report.model_page.writing import ModelPage, write_model_page
from lsdc.report.pages.sentences import sentence
from lsdc.report.plot_panels import CONDITION_NAMES, LEVEL_NAMES, new_panel
from lsdc.report.plots import evaluation_figures, save_plots
from lsdc.report.section_pages import write_sections
from lsdc.report.sections import Drawing, Listing, Panel, Row, Section, Table
from lsdc.runtime import ArtifactError

LARGEST_BYTES = 15_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StackingData]:
    """A model of 500 studies."""
    folder = tmp_path_factory.mktemp("made") / "model"
    return folder, make_model(folder, 500)


@pytest.fixture(scope="module")
def page(made: tuple[Path, StackingData]) -> ModelPage:
    """Its page, beside a folder with the pages of two studies."""
    folder, data = made
    scored = ScoredModel.read(folder)
    studies = folder.parent / "studies"
    studies.mkdir()
    for one in costly_studies(data.predictions.studies, scored.grades, scored.nested, first=2):
        (studies / f"{one.study_id}.html").write_text("a study", encoding="utf-8")
    return write_model_page(folder, folder.parent / "model.html", studies=studies)


def rows_of(truth: list[int], probabilities: list[list[float]]) -> FamilyRows:
    return FamilyRows(Family.SPINAL, np.array(truth), np.array(probabilities))


def test_calibration_finds_what_was_planted() -> None:
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 1, 40_000)
    bins = calibration_bins(rng.uniform(size=40_000) < probability**2, probability, np.ones(40_000))
    assert sum(one.rows for one in bins) == 40_000
    for one in bins:
        assert one.observed.value == pytest.approx(one.predicted**2, abs=0.02)
        assert one.events == round(one.observed.value * one.rows)
        assert one.observed.low < one.observed.value < one.observed.high


def test_calibration_weighs_rows() -> None:
    event, weight = np.array([True, False]), np.array([4.0, 1.0])
    (one,) = calibration_bins(event, np.array([0.6, 0.1]), weight)
    assert (one.predicted, one.observed.value) == pytest.approx((0.5, 0.8))
    assert (one.events, one.rows) == (1, 2)


@pytest.mark.parametrize(("hits", "cases"), [(0, 7), (3, 10), (10, 10), (250, 400)])
def test_intervals_of_proportions_are_wilsons(hits: int, cases: int) -> None:
    found = Proportion.of(np.arange(cases) < hits)
    wanted = binomtest(hits, cases).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_a_proportion_of_nothing_is_no_number() -> None:
    found = Proportion.of(np.zeros(0, bool))
    assert (found.low, found.high, found.words) == (0.0, 1.0, "no cases")


def test_decisions_by_hand() -> None:
    positive = np.array([True, True, True, False, False, False, False])
    probability = np.array([0.9, 0.5, 0.1, 0.6, 0.2, 0.1, 0.0])
    found = decide(positive, probability, 0.5)
    assert found.called == 3  # a probability at the cut-off counts
    assert found.sensitivity.value == pytest.approx(2 / 3)
    assert found.specificity.value == pytest.approx(3 / 4)
    assert found.positive_value.value == pytest.approx(2 / 3)
    assert found.negative_value.value == pytest.approx(3 / 4)


def test_confusion_shows_its_counts() -> None:
    rows = rows_of([0, 0, 1, 2, 2], [[1, 0, 0], [0.2, 0.8, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.3, 0.2]])
    assert confusion_counts(rows).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    (panel,) = draw_confusion([rows], "confusion")
    written = [text.get_text() for text in panel.figure.axes[0].texts]
    assert written == ["1\n50%", "1\n50%", "0\n0%", "0\n0%", "1\n100%", "0\n0%", "1\n50%", "0\n0%", "1\n50%"]
    assert "3 of 5 targets agree" in panel.alternative


def test_weighting_of_the_clinic_divides_by_the_weights() -> None:
    rows = rows_of([2, 0], [[1 / 7, 2 / 7, 4 / 7], [0.5, 0.3, 0.2]])
    assert rows.weighted("none").probabilities[0] == pytest.approx(np.full(3, 1 / 3))
    assert rows.row_weights.tolist() == [4, 1] and rows.weighted("none").row_weights.tolist() == [1, 1]


def test_rows_without_prediction_are_left_out() -> None:
    grades = np.full((2, 5, 5), -1, np.int8)
    grades[0, 0], probabilities = 1, np.full((2, 5, 5, 3), 1 / 3)
    probabilities[0, 0, 0] = np.nan
    (rows,) = FamilyRows.all_of(grades, probabilities)
    assert rows.family is Family.SPINAL and rows.counts == (0, 4, 0)


def test_the_costliest_study_is_the_planted_one() -> None:
    grades, probabilities = np.zeros((4, 5, 5), np.int8), np.full((4, 5, 5, 3), [0.98, 0.01, 0.01])
    grades[2, 1, 3] = 2
    first, second, *_ = costly_studies(("a", "b", "c", "d"), grades, probabilities)
    assert first.study_id == "c" and first.share > 0.5 > second.share
    assert first.worst[0].words == "Left foramen L4/L5: read Severe (0 %), most probable Normal/Mild (99 %)"


def test_costly_studies_have_the_probabilities_of_their_own_pages() -> None:
    """The rank is the competition's; grades and percents are without its weights, which make severe more probable."""
    grades, probabilities = np.zeros((2, 5, 5), np.int8), np.full((2, 5, 5, 3), [0.98, 0.01, 0.01])
    grades[0, 0, 3], probabilities[0, 0, 3] = 1, np.array([0.55, 0.46, 0.88]) / 1.89
    target = TARGETS[3]
    words = "Canal L4/L5: read Moderate (23 %), "
    for status, end in (
        (None, "most probable Normal/Mild (55 %)"),
        (Status.UNSURE, "most probable Normal/Mild (55 %), its place is unsure"),
        (Status.NOT_SEEN, "not seen, so that no grade is given"),
    ):
        known = {} if status is None else {("a", target): status}
        first, _ = costly_studies(("a", "b"), grades, probabilities, statuses=known)
        assert first.study_id == "a" and first.worst[0].words == words + end


def rows_in(section: Section) -> tuple[Row, ...]:
    """Take the rows of a section's only table."""
    (table,) = section.parts
    assert isinstance(table, Table)
    return table.rows


def test_no_label_is_doubted_where_nothing_was_seen(made: tuple[Path, StackingData], page: ModelPage) -> None:
    scored, pages = ScoredModel.read(made[0]), made[0].parent / "studies"
    section = suspect_section(scored, page.page, pages, {})
    before = [row[:2] for row in rows_in(section)]
    assert "give the store that the model was fitted on" in section.parts[0].reading
    study = "".join(re.findall(r"\d{7}", str(before[0][0]))[:1])
    everywhere = {(one, target): Status.SEEN for one in scored.studies for target in TARGETS}
    blind = everywhere | {(study, target): Status.NOT_SEEN for target in TARGETS}
    other = next(name for name, _ in before if study not in str(name) and not str(name).startswith("<a"))
    (pages / f"{other}.html").write_text("a study", encoding="utf-8")
    found = suspect_section(scored, page.page, pages, blind)
    assert all(study not in str(row[0]) for row in rows_in(found))
    assert "labels of targets that were not seen are left out" in found.parts[0].reading
    assert any(str(row[0]).startswith('<a href="studies/') for row in rows_in(found))
    assert {row[-1] for row in rows_in(found)} == {"seen"}


def test_doubted_labels_have_the_probabilities_of_the_clinic(made: tuple[Path, StackingData]) -> None:
    scored = ScoredModel.read(made[0])
    study, place, label, _, _, said = rows_in(suspect_section(scored, made[0], None, {}))[0]
    k = [f"{CONDITION_NAMES[one.condition]} {LEVEL_NAMES[one.level]}" for one in TARGETS].index(str(place))
    given = scored.nested[scored.studies.index(str(study))].reshape(-1, 3)[k] / [1, 2, 4]
    number = [grade.title for grade in Grade].index(str(label))
    assert said == f"{100 * given[number] / given.sum():.0f} %"


def test_one_score_has_one_interval(made: tuple[Path, StackingData]) -> None:
    scored = ScoredModel.read(made[0])
    section = score_section(scored)
    table = section.parts[0]
    assert isinstance(table, Table)
    assert table.rows[0][:2] == ("Stack", spelled(scored.opened.outcome.report.interval))
    assert table.rows[2][0] == "Best member per family, chosen without each fold"
    assert "against the best member per family, chosen without each fold, by" in section.lead


def test_precision_begins_where_something_is_found() -> None:
    """The first row called is no case: precision would fall from 1 to 0 before anything is found."""
    probability = np.array([0.9, 0.8, 0.7, 0.2])
    rows = rows_of([0, 2, 2, 0], np.stack([1 - probability, 0 * probability, probability], axis=1).tolist())
    (panel,) = draw_precision([rows], "precision")
    line = next(one for one in panel.figure.axes[0].lines if str(one.get_label()).startswith("severe"))
    assert np.asarray(line.get_xdata()).min() == 0.5 and np.asarray(line.get_ydata()).max() == pytest.approx(
        2 / 3
    )


def test_a_card_says_once_what_was_never_seen(made: tuple[Path, StackingData]) -> None:
    for model in (made[0], "bundled"):
        rows = rows_in(card_section(ScoredModel.read(model)))
        subjects = [row[0] for row in rows]
        assert subjects.count("Never saw") == 1 and "Made for" not in subjects
        assert not any(str(row[1]).startswith("it never saw") for row in rows)


def test_a_model_of_simulated_patients_says_so_first(made: tuple[Path, StackingData]) -> None:
    counts = {condition.value: {"severe": 3} for condition in Condition}
    card = FitCard("research", 12, counts, {}, ("a real patient",), "encoder", "fitted", 0, {}, simulated=12)
    scored = ScoredModel.read(made[0])
    assert [heading for heading, _ in model_notices(scored)] == ["For research"]
    scored.opened.__dict__["fit_card"] = card
    said = dict(model_notices(scored))
    assert said["For research"] == sentence(NOT_INTENDED) and "radiologist" in NOT_INTENDED
    assert said["Simulated patients"].startswith("It was fitted on 12 studies, all of simulated patients:")
    scored.opened.__dict__["fit_card"] = replace(card, simulated=5)
    assert dict(model_notices(scored))["Simulated patients"].endswith("5 of them of simulated patients.")
    scored.opened.__dict__["fit_card"] = card
    rows: dict[object, object] = {row[0]: row[1] for row in rows_in(card_section(scored))}
    assert rows["Learned from"] == "12 studies, all of simulated patients"
    assert rows["Intended use"] == sentence(INTENDED_USE) and str(rows["Never saw"]).startswith(
        "a real patient;"
    )


def test_trials_are_counted_alike(made: tuple[Path, StackingData]) -> None:
    history = TuningHistory(
        np.linspace(1, 0.5, 44), 12.0, {f"setting {k}": (20 - k) / 210 for k in range(20)}
    )
    section = tuning_section(history, 60)
    assert section.lead.startswith("Trials: 44 of at most 60, in 12 s")
    drawing = section.parts[0]
    assert (
        isinstance(drawing, Drawing)
        and "all 20 settings together; the 14 largest are shown" in drawing.reading
    )
    recorded = provenance_section(ScoredModel.read(made[0]), None, history).parts[0]
    assert isinstance(recorded, Table) and ("Trials", "44 of at most 60") in recorded.rows
    assert "largest" not in tuning_section(replace(history, importances={"a": 1.0}), 60).parts[0].reading


def test_what_would_help_is_a_list(made: tuple[Path, StackingData]) -> None:
    scored = ScoredModel.read(made[0])
    unknown = Interval(0.01, 0.0, 0.02)
    found = Exhaustion({"first": unknown, "third": unknown}, {}, {}, unknown, 0.1, 6)
    outcome = replace(scored.opened.outcome, exhaustion=found)
    scored.opened.__dict__["outcome"] = outcome
    listing = member_section(scored).parts[-1]
    assert isinstance(listing, Listing) and len(listing.items) == 4
    assert listing.items[0].startswith("In a pool that is fitted, member first adds most: 0.0100")
    assert "plain mean, in which nothing is fitted" in listing.reading


def test_contents_wrap_and_a_single_plot_fills_its_box(tmp_path: Path, page_browser: Browser) -> None:
    figure, axis = new_panel("Numbers")
    axis.plot([0, 1])
    parts = (
        Drawing("Plot", (Panel("numbers", figure, "From 0 to 1."),), "A line."),
        Listing("Findings", ("One `code`.",)),
    )
    sections = [
        Section(f"s{k}", f"A chapter with a long name {k}", parts if k == 0 else ()) for k in range(14)
    ]
    page = write_sections(tmp_path / "page.html", sections, title="Page", summary={"studies": "1"})
    assert "<li>One <code>code</code>.</li>" in page.read_text(encoding="utf-8")
    wide = "const ul = document.querySelector('.contents ul'); return ul.scrollWidth - ul.clientWidth"
    part = (
        "const box = one => document.querySelector(one).getBoundingClientRect();"
        "return (box('.single figcaption').right - box('.single svg').left) / box('.single').width"
    )
    page_browser.visit(page)
    assert page_browser.run(wide) <= 0 and page_browser.run(part) > 0.9
    page_browser.visit(page, 390)
    assert page_browser.run(wide) > 0  # one line that scrolls: on a phone it would hide the page
    assert page_browser.sideways() == 0


def test_losses_are_the_official_ones(made: tuple[Path, StackingData]) -> None:
    scored = ScoredModel.read(made[0])
    table, wanted = LossTable.of(scored.grades, scored.nested), official_score(scored.grades, scored.nested)
    assert table.total.value == pytest.approx(wanted.total)
    assert table.parts["foraminal"].value == pytest.approx(wanted.foraminal)
    assert scored.opened.outcome.report.nested.total == pytest.approx(wanted.total)
    panels = draw_losses({STACK: table})
    points = panels[1].figure.axes[0].lines[0].get_xdata()
    assert np.asarray(points)[-1] == pytest.approx(wanted.foraminal)


def test_leaving_the_worst_member_out_costs_least(made: tuple[Path, StackingData]) -> None:
    costs = {one.name: one for one in member_costs(ScoredModel.read(made[0]))}
    assert list(costs) == list(MEMBERS)
    values = {name: one.without.value for name, one in costs.items() if one.without is not None}
    assert values["third"] < values["second"] < values["first"]
    assert costs["third"].alone.value > costs["first"].alone.value


@pytest.mark.parametrize("kind", [LightGBMHead, XGBoostHead])
def test_shap_values_sum_to_what_the_trees_predict(kind: type[BoostedHead]) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    X[:, 4] = np.where(rng.uniform(size=300) < 0.5, 0, X[:, 4])
    y = ((np.nan_to_num(X[:, 2]) > 0.3).astype(int) + (np.nan_to_num(X[:, 2]) > 1.2)).astype(np.int64)
    head = kind().fit(X[:200], y[:200], X[200:], y[200:], seed=0)
    found = shap_values(head.booster, X[:200], X[200:])
    assert found.shape == (100, 3, 7)
    assert found.sum(axis=-1) == pytest.approx(head.booster.sums(X[200:]), abs=1e-9)
    assert np.abs(found[:, 2, :-1]).mean(axis=0).argmax() == 2


def test_evaluation_figures_are_saved_twice(tmp_path: Path, made: tuple[Path, StackingData]) -> None:
    data = made[1]
    members: NDArray[np.float64] = data.predictions.cubes[:2, :60]
    graded = [GradedPredictions("model: stack", data.grades[:60], cube, weighted=True) for cube in members]
    figures = evaluation_figures([*graded, replace(graded[0], name="table", weighted=False)])
    assert {"model_stack_roc_clinic_spinal", "model_stack_2_confusion_competition_subarticular"} < set(
        figures
    )
    assert len(figures) == (2 * 6 + 4) * len(Family)
    titles = {name: figure.axes[0].get_title(loc="left") for name, figure in figures.items()}
    assert titles["table_roc_spinal"] == "Spinal canal\nprobabilities as given, rows count once"
    for name, words in (
        ("calibration_competition", "for the competition, rows count 1, 2 or 4 times"),
        ("calibration_clinic", "for the clinic, rows count once"),
        ("confusion_competition", "for the competition, rows count once"),
    ):
        assert titles[f"model_stack_{name}_spinal"].endswith(f"\n{words}")
    last = {}
    for served in ("competition", "clinic"):
        severe = figures[f"model_stack_calibration_{served}_spinal"].axes[0].containers[1]
        assert isinstance(severe, ErrorbarContainer) and severe.lines[0] is not None
        last[served] = np.asarray(severe.lines[0].get_xdata())[-1]
    assert last["competition"] > last["clinic"]  # severe is less probable without the weights
    name = "model_stack_roc_clinic_spinal"
    written = save_plots({name: figures[name]}, tmp_path / "plots")
    assert [path.name for path in written] == [f"{name}.svg", f"{name}.png"]
    again = save_plots({name: evaluation_figures(graded[:1])[name]}, tmp_path / "again")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_a_page_of_500_studies_is_small_and_whole(page: ModelPage) -> None:
    text = page.page.read_text(encoding="utf-8")
    assert page.studies == 500 and len(text.encode()) < LARGEST_BYTES
    for said in (
        "--store STORE",
        "How to read it.",
        "The 24 studies that lost most",
        "Intended use",
        "Wilson",
    ):
        assert said in text
    assert "What the selector chose" in page.not_shown and "Scores beside baselines" not in page.not_shown
    assert text.count('<a href="studies/') == 2
    assert "nan" not in text.replace("nancy", "").lower().split()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_opens_without_a_fault(
    page: ModelPage, page_browser: Browser, width: int, dark: bool
) -> None:
    page_browser.visit(page.page, width, dark=dark)
    page_browser.run("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page_browser.sideways() == 0
    assert page_browser.audit() == []
    assert page_browser.faults() == []


def test_a_blend_has_a_page(tmp_path: Path) -> None:
    make_model(tmp_path / "blend", 40, blend=True)
    page = write_model_page(tmp_path / "blend", tmp_path / "blend.html")
    text = page.page.read_text(encoding="utf-8")
    assert "Scores beside baselines" in page.not_shown and "Members" in page.not_shown
    assert "Plain mean" in text and "only a model made by" in text
    with pytest.raises(ArtifactError, match="a blend of tables, which was fitted on no store"):
        write_model_page(tmp_path / "blend", tmp_path / "two.html", store=fake_store(tmp_path / "store").path)


def test_a_store_tells_which_features_matter(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", n_studies=40)
    fit_model(tmp_path / "model", store.path)
    done = Report(tmp_path / "model", tmp_path / "page.html", store=store.path).run()
    assert "Which features matter" not in done.not_shown and "Would more studies help?" not in done.not_shown
    text = done.page.read_text(encoding="utf-8")
    assert any(
        study in text for study in store.train.index.astype(str)
    )  # the store gives studies their ids back
    assert "The studies&#39; own ids" not in text
    unnamed = costly_section(ScoredModel.read(tmp_path / "model"), tmp_path / "page.html", None, {})
    assert "The studies' own ids" in unnamed.absent
    other = fake_store(tmp_path / "other", n_studies=40, seed=1)
    with pytest.raises(ArtifactError, match=r"holds other rows than the store that .* was fitted on"):
        OwnStore.open(ScoredModel.read(tmp_path / "model").opened, other.path)
