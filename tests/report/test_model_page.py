"""The page of a model: its figures hold the right numbers, and the page opens whole, offline and for everybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from support.browser import Browser
from support.made_model import MEMBERS, fit_model, make_model
from support.store import fake_store

from lsdc.cohort.vocabulary import Family
from lsdc.commands.ensemble_report import Report
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.official import official_score
from lsdc.models.heads.boosted import BoostedHead, LightGBMHead, XGBoostHead
from lsdc.report.model_page.calibration import calibration_bins
from lsdc.report.model_page.confusions import confusion_counts, draw_confusion
from lsdc.report.model_page.costly_studies import costly_section, costly_studies
from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.model_page.loss_table import LossTable
from lsdc.report.model_page.member_costs import member_costs
from lsdc.report.model_page.own_store import OwnStore
from lsdc.report.model_page.proportions import Proportion, decide
from lsdc.report.model_page.scored_model import STACK, ScoredModel
from lsdc.report.model_page.scores import draw_losses
from lsdc.report.model_page.tree_shap import shap_values
from lsdc.report.model_page.writing import ModelPage, write_model_page
from lsdc.report.plots import evaluation_figures, save_plots
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
    assert "3 of 5 rows agree" in panel.alternative


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
    assert first.worst[0].words == "Left foramen L4/L5: read Severe (given 1 %), most probable Normal/Mild"


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
    graded = [GradedPredictions("model: stack", data.grades[:60], cube) for cube in members]
    figures = evaluation_figures(graded)
    assert {"model_stack_roc_spinal", "model_stack_2_confusion_subarticular"} < set(figures)
    assert len(figures) == 2 * 4 * len(Family)
    name = "model_stack_roc_spinal"
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
    unnamed = costly_section(ScoredModel.read(tmp_path / "model"), tmp_path / "page.html", None)
    assert "The studies' own ids" in unnamed.absent
    other = fake_store(tmp_path / "other", n_studies=40, seed=1)
    with pytest.raises(ArtifactError, match=r"holds other rows than the store that .* was fitted on"):
        OwnStore.open(ScoredModel.read(tmp_path / "model").opened, other.path)
