"""The model that is shipped: what its card says, how it is made and judged, and what goes onto every output."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.store import FakeStore, fake_store

import lsdc
from lsdc.cohort.vocabulary import Family
from lsdc.commands.ensemble import main
from lsdc.commands.pretrain import main as pretrain
from lsdc.ensemble.bundled import making
from lsdc.ensemble.bundled.card import ModelCard, RealFigures
from lsdc.ensemble.bundled.judging import Judges
from lsdc.ensemble.bundled.making import MadeGrader, make_grader
from lsdc.ensemble.bundled.place import BUNDLED
from lsdc.ensemble.bundled.settings import GraderSettings
from lsdc.ensemble.model import Model
from lsdc.ensemble.prediction import predict
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.transferred import Transfer, TransferredMean
from lsdc.ensemble.weighting import reweighted
from lsdc.features.extraction import Extraction
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import read_predictions
from lsdc.runtime import ArtifactError, ConfigError, TableError
from lsdc.runtime.artifact import read_json, write_json
from lsdc.testing.planted_predictions import make_predictions

FIGURES = RealFigures(688, 6880, 0.7, 0.66, 0.74, 0.83, 0.88, 0.8)
CARD = ModelCard(
    what="a model",
    command="make it",
    recipe={"patients": 10},
    simulated={"total": 0.5, "prior": 0.75},
    real={Family.FORAMINAL: FIGURES},
    measured_on="studies",
    never_saw=("a child",),
)
MIB = 2**20


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStore, FakeStore]:
    """Simulated patients, and others that look more severe than they are and are harder to read."""
    folder = tmp_path_factory.mktemp("stores")
    simulated = fake_store(folder / "simulated", 40, embedding=views(1.5, 0.0))
    return simulated, fake_store(folder / "real", 60, seed=3, prefix="9", embedding=views(0.8, 2.0))


def views(signal: float, shift: float) -> Any:
    """An embedding of three views of four numbers, the first of which follows the grade."""

    def made(grades: Any, studies: Any) -> Any:
        rng = np.random.default_rng([len(studies), int(10 * shift)])
        vectors = rng.normal(size=(grades.size, 12))
        vectors[:, ::4] += signal * grades.reshape(-1, 1) + shift
        return vectors

    return made


@pytest.fixture(scope="module")
def made(stores: tuple[FakeStore, FakeStore], tmp_path_factory: pytest.TempPathFactory) -> MadeGrader:
    """A grader of the simulated store, judged by the real one; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "real").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        pretend(patch, *stores)
        return make_grader(folder / "grader", GraderSettings(40, choosing=30), judge=folder / "real")


def pretend(patch: pytest.MonkeyPatch, simulated: FakeStore, real: FakeStore) -> None:
    """Let nothing be simulated and located: the stores are there."""

    def simulate(out: Path, *args: object, **options: object) -> None:
        out.mkdir(exist_ok=True)
        (out / "train_label_coordinates.csv").touch()

    def extract(data: Path, out: Path, **options: object) -> Extraction:
        assert not (data / "train_label_coordinates.csv").exists()
        path = (simulated if data.name == "cohort" else real).path
        return Extraction(path, 0, 0, 0, "bundled", "", {}, (), {})

    patch.setattr(making, "simulate", simulate)
    patch.setattr(making, "extract", extract)


def test_a_card_offers_a_grader_only_where_the_loss_is_clearly_below_the_prior() -> None:
    assert CARD.offered_as == "grader"
    words = " ".join(CARD.statement())
    assert "a grader of foramina, a DEMONSTRATION for canals and recesses: a model" in words
    assert (
        "foramina: loss .700 (95 % interval .660 to .740), clearly below the weighted prior's .830" in words
    )
    assert "canals: never measured on real patients" in words and "it never saw a child" in words
    poor = replace(CARD, real={Family.FORAMINAL: replace(FIGURES, high=0.8)})
    assert poor.offered_as == "demonstration"
    assert poor.statement()[0] == "a DEMONSTRATION, not a grader: a model"
    assert "NOT clearly below the weighted prior's .830" in " ".join(poor.statement())


def test_a_card_is_read_as_it_was_written_and_cannot_promise_what_its_figures_do_not(tmp_path: Path) -> None:
    CARD.write(tmp_path)
    assert ModelCard.read(tmp_path) == CARD
    record = read_json(tmp_path / "card.json")
    assert record["offered_as"] == record["real"]["foraminal"]["offered_as"] == "grader"
    record["real"]["foraminal"]["high"] = 0.9
    write_json(tmp_path / "card.json", record)
    assert ModelCard.read(tmp_path).offered_as == "demonstration"
    del record["simulated"]
    write_json(tmp_path / "card.json", record)
    with pytest.raises(ArtifactError, match=r"card\.json: damaged"):
        ModelCard.read(tmp_path)


def test_a_transfer_finds_a_shift_and_how_far_members_are_to_be_believed() -> None:
    predictions, grades = make_predictions(200)
    stack = TransferredMean().fit(predictions, grades)
    prior = stack.prior_.fractions_
    honest = stack.predict(predictions)
    bold = Transfer.fit(Family.FORAMINAL, Transfer(3.0, 1.5).apply(honest, prior), prior, grades)
    bolder = Transfer.fit(Family.FORAMINAL, Transfer(6.0, 3.0).apply(honest, prior), prior, grades)
    # Both are rounded to one digit.
    assert 0 < bolder.trust == pytest.approx(bold.trust / 2, abs=0.051) and bold.trust < 1.5
    assert bolder.shift == pytest.approx(bold.shift, abs=0.11) and bold.shift < -0.3
    noise = np.random.default_rng(0).dirichlet([1, 1, 1], grades.shape)
    assert Transfer.fit(Family.FORAMINAL, noise, prior, grades) == Transfer(0.0, 0.0)


def test_a_grader_is_made_judged_and_says_so(made: MadeGrader, stores: tuple[FakeStore, FakeStore]) -> None:
    model = Model.open(made.model)
    assert model.card == made.card and model.members == ["severity_axis"]
    figures = made.card.real[Family.FORAMINAL]
    assert figures.studies == 30 and figures.loss < 0.95 * figures.prior and figures.auc_severe > 0.8
    assert made.card.measured_on.endswith("after trust and shift were chosen on 30 others")
    assert made.card.recipe["transfers"]["foraminal"]["trust"] > 0
    assert model.outcome.chosen == "transferred_mean"
    assert made.card.simulated["total"] == pytest.approx(model.outcome.report.nested.total, abs=1e-4)
    # The judges' grades are what was left of the real patients: those that chose nothing are scored the same here.
    real = FeatureStore.open(stores[1].path)
    last = Judges.of(model, real).where(np.arange(60) >= 30)
    assert last.figures(model.stacker)[Family.FORAMINAL] == figures
    untransferred = TransferredMean.restore(model.stacker.state() | {"transfers": {}})
    assert last.figures(untransferred)[Family.FORAMINAL].loss > 1.2 * figures.loss


def test_a_grader_holds_no_trace_of_where_it_was_made(made: MadeGrader) -> None:
    names = {path.name for path in made.model.rglob("*")}
    assert not names & {"optuna.journal", "config.json", "logs"}
    for path in made.model.rglob("*.json"):
        assert str(made.model.parent) not in path.read_text()
    assert not made.model.with_name("grader.unfinished").exists()


def test_making_refuses_what_cannot_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="patients must be at least 10, not 3"):
        GraderSettings(3)
    with pytest.raises(ConfigError, match=r"trust must be from 0 to 1, not 2"):
        GraderSettings(trust=2)
    with pytest.raises(ConfigError, match=r"choosing must be at least 0, not -1"):
        GraderSettings(choosing=-1)
    (tmp_path / "mine").mkdir()
    assert pretrain(["grader", "--out", str(tmp_path / "mine")]) == 2
    assert "exists and is no model" in capsys.readouterr().err


def test_grades_are_judged_only_where_their_view_was_seen(
    made: MadeGrader, stores: tuple[FakeStore, FakeStore]
) -> None:
    store = FeatureStore.open(stores[1].path)
    canal = (store.rows["condition"] == "spinal_canal_stenosis").to_numpy()
    embedding = store.embedding.copy()
    embedding[canal] = np.nan
    vars(store)["embedding"] = embedding
    found = Judges.of(Model.open(made.model), store)
    assert (found.data.grades[:, 0] == -1).all()
    assert set(found.figures(TransferredMean().fit(found.data.predictions, found.data.grades))) == {
        Family.FORAMINAL,
        Family.SUBARTICULAR,
    }


@pytest.mark.parametrize("weighting", ["competition", "none"])
def test_every_output_says_what_it_is(
    made: MadeGrader,
    stores: tuple[FakeStore, FakeStore],
    tmp_path: Path,
    weighting: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "grades.csv"
    caplog.set_level("INFO", "lsdc")
    flags = ["--weighting", weighting, "--json"]
    assert main(["predict", str(made.model), str(stores[1].path), "--out", str(out), *flags]) == 0
    said = json.loads(capsys.readouterr().out)
    beside = read_json(tmp_path / "grades.about.json")
    assert said["statement"] == beside["statement"] and said["weighting"] == beside["weighting"] == weighting
    assert beside["card"] == made.card.to_dict() and beside["offered_as"] == made.card.offered_as
    assert beside["prevalence_where_fitted"]["spinal_canal_stenosis"].keys() == {
        "normal_mild",
        "moderate",
        "severe",
    }
    assert all(sentence in caplog.text for sentence in made.card.statement())
    table = pd.read_csv(out)
    columns = ["row_id", "normal_mild", "moderate", "severe", "status", "reason"]
    assert list(table) == columns + ([] if weighting == "competition" else ["weighting"])
    if weighting == "competition":
        assert len(read_predictions(out)) == 25 * 60
    else:
        with pytest.raises(TableError, match="the competition's weights were taken out"):
            read_predictions(out)


def test_without_weights_the_weighted_prior_is_how_frequent_grades_are() -> None:
    predictions, grades = make_predictions(n=200)
    prior = WeightedPrior(strength=0.0).fit(predictions, grades).fractions_
    canal = grades[:, 0]
    frequent = [
        [(canal[:, k] == grade).sum() / (canal[:, k] >= 0).sum() for grade in range(3)] for k in range(5)
    ]
    np.testing.assert_allclose(reweighted(prior, "none")[0], frequent, atol=1e-12)
    assert reweighted(prior, "competition") is prior


def test_a_weighting_that_does_not_exist_is_refused(made: MadeGrader, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="weighting must be competition or none, not 'clinic'"):
        predict(made.model, tmp_path, tmp_path / "s.csv", weighting="clinic")  # type: ignore[arg-type]


def test_a_store_with_other_features_is_told_how_to_be_made(made: MadeGrader, tmp_path: Path) -> None:
    other = fake_store(tmp_path / "other", 4, configuration={"backbone": "another"})
    with pytest.raises(ArtifactError, match="extract it again like that store"):
        predict(made.model, other.path, tmp_path / "s.csv")


def test_the_bundled_model_reads_what_the_bundled_encoder_makes(small_cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    study = next(path for path in sorted((small_cohort / "test_images").iterdir()))
    (tmp_path / "new" / study.name).symlink_to(study)
    lsdc.extract(tmp_path / "new", tmp_path / "store", workers=1)
    done = lsdc.predict("bundled", tmp_path / "store", tmp_path / "grades.csv")
    assert done.rows == 25 and read_json(done.about)["model"] == "bundled"
    assert done.statement[0].startswith(("a DEMONSTRATION", "a grader of"))


def test_the_bundled_model_is_small_and_of_the_bundled_encoder() -> None:
    model = Model.open("bundled")
    assert model.path == BUNDLED and model.card is not None
    assert (BUNDLED / "statement.txt").read_text().splitlines() == list(model.card.statement())
    bundle = (path for path in BUNDLED.rglob("*") if path.is_file())
    assert sum(path.stat().st_size for path in bundle) < 2 * MIB
    root = Path(making.__file__).parents[2]
    whole = [
        root / "ensemble" / "bundled",
        root / "features" / "weights",
        root / "slice_selector" / "weights",
    ]
    assert sum(path.stat().st_size for folder in whole for path in folder.rglob("*")) < 15 * MIB
