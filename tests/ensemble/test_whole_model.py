"""A model holds all that grading needs, and nothing of whose studies taught it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.made_model import make_model
from support.member import Linear
from support.store import fake_store

import lsdc
from lsdc.commands.ensemble import main as ensemble
from lsdc.commands.features import main as features
from lsdc.ensemble.fit_card import FitCard
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.packing import pack
from lsdc.ensemble.prediction import predict
from lsdc.ensemble.thresholds import CAUGHT, Thresholds
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.models.registry import MEMBERS
from lsdc.runtime import ArtifactError
from lsdc.runtime.archives import ArchiveError
from lsdc.runtime.artifact import read_json

pytestmark = pytest.mark.usefixtures("brief_learners")


@pytest.fixture(scope="module")
def cohort(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated training studies and one test study, whose folders have names that stand nowhere else."""
    root = tmp_path_factory.mktemp("whole") / "cohort"
    train = sorted((small_cohort / "train_images").iterdir())[:12]
    test = sorted((small_cohort / "test_images").iterdir())[0]
    for study in train:
        shutil.copytree(study, root / "train_images" / study.name)
    shutil.copytree(test, root / "test_images" / test.name)
    for table in small_cohort.glob("*.csv"):
        shutil.copyfile(table, root / table.name)
    (root / "train_label_coordinates.csv").unlink()
    return root


@pytest.fixture(scope="module")
def store(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "store"
    lsdc.extract(cohort, out, Settings(folds=2))
    return out


@pytest.fixture(scope="module")
def model(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MEMBERS, "linear", Linear)
        return fit(store, tmp_path_factory.mktemp("whole") / "model", ["logistic", "mlp"], trials=2).model


@pytest.fixture(autouse=True)
def linear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MEMBERS, "linear", Linear)


def part_of(cohort: Path, split: str, folder: Path) -> Path:
    """Copy two studies of a split, and the table of their series."""
    for study in sorted((cohort / f"{split}_images").iterdir())[:2]:
        shutil.copytree(study, folder / f"{split}_images" / study.name)
    shutil.copyfile(cohort / f"{split}_series_descriptions.csv", folder / f"{split}_series_descriptions.csv")
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_id_and_no_picture_of_a_training_patient_is_in_a_model(store: Path, model: Path) -> None:
    opened = FeatureStore.open(store)
    train = opened.rows[opened.rows["split"] == "train"]
    ids = {study.encode() for study in train["study_id"].unique()}
    ids |= {series.encode() for series in train["series_id"].unique() if series}
    assert len(ids) > 24
    crops = opened.crops[train.index].reshape(-1, opened.crops.shape[-1])
    # A row of pixels of which no two are alike is found nowhere by chance.
    lines = [line.tobytes() for line in crops[::97] if len(np.unique(line)) > 40]
    assert len(lines) > 20
    for name, content in everything(model).items():
        assert not [one for one in (*ids, *lines) if one in content], name
        assert not [one for one in ids if one.decode() in name], name


def test_a_model_extracts_and_grades_when_its_store_is_gone(
    cohort: Path, store: Path, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "given")
    new = part_of(cohort, "test", tmp_path / "new")
    assert (
        features(["extract", str(new), "--out", str(tmp_path / "s"), "--for", str(tmp_path / "given")]) == 0
    )
    done = predict(tmp_path / "given", tmp_path / "s", tmp_path / "g.csv")
    expected = predict(model, store, tmp_path / "e.csv")
    assert done.rows == expected.rows == 25
    columns = ["row_id", "normal_mild", "moderate", "severe"]
    pd.testing.assert_frame_equal(
        pd.read_csv(done.submission)[columns], pd.read_csv(expected.submission)[columns], rtol=1e-5, atol=1e-6
    )


def test_training_studies_extracted_for_a_model_are_known_by_it(
    cohort: Path, model: Path, tmp_path: Path
) -> None:
    found = lsdc.extract(part_of(cohort, "train", tmp_path / "again"), tmp_path / "s", like=model)
    assert predict(model, found.store, tmp_path / "g.csv").out_of_fold == 2


def test_a_packed_model_is_one_file_that_does_the_same(
    store: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ensemble(["pack", str(model), "--out", str(tmp_path / "m.lsdc"), "--json"]) == 0
    one = predict(model, store, tmp_path / "1.csv")
    two = predict(tmp_path / "m.lsdc", store, tmp_path / "2.csv")
    assert one.submission.read_bytes() == two.submission.read_bytes()
    assert pack(model, tmp_path / "again.lsdc").path.read_bytes() == (tmp_path / "m.lsdc").read_bytes()
    broken = bytearray((tmp_path / "m.lsdc").read_bytes())
    broken[len(broken) // 2] ^= 0xFF
    (tmp_path / "broken.lsdc").write_bytes(broken)
    with pytest.raises((ArchiveError, ArtifactError), match=r"broken\.lsdc"):
        predict(tmp_path / "broken.lsdc", store, tmp_path / "3.csv")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("report.json", "m.lsdc: damaged model, the content of report.json"),
        ("manifest.json", "m.lsdc/manifest.json: cannot be read as JSON"),
        ("", "m.lsdc: not a finished model directory"),
    ],
)
def test_a_damaged_packed_model_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, said: str
) -> None:
    make_model(tmp_path / "made", 10)
    if changed:
        path = tmp_path / "made" / changed
        path.write_bytes(b"x" * path.stat().st_size)
    else:
        (tmp_path / "made" / "manifest.json").unlink()
    shutil.make_archive(str(tmp_path / "m"), "zip", tmp_path / "made")
    (tmp_path / "m.zip").rename(tmp_path / "m.lsdc")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match=f"^{said}"):
        Model.open("m.lsdc").outcome  # noqa: B018 - it reads the report


def test_a_store_that_another_selector_located_is_refused(cohort: Path, model: Path, tmp_path: Path) -> None:
    lsdc.extract(cohort / "test_images", tmp_path / "s")
    selector = tmp_path / "s" / "selector" / "bundled" / "sagittal.safetensors"
    assert (
        predict(model, tmp_path / "s", tmp_path / "g.csv").rows == 25
    )  # located by the same bundled selector
    manifest = read_json(tmp_path / "s" / "manifest.json")
    listed = manifest["files"]["selector/bundled/sagittal.safetensors"]
    assert listed["bytes"] == selector.stat().st_size
    listed["sha256"] = "0" * 64
    (tmp_path / "s" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"was located by another selector .* --for .*model"):
        predict(model, tmp_path / "s", tmp_path / "h.csv")


def test_a_model_of_features_made_elsewhere_cannot_be_packed(tmp_path: Path) -> None:
    made = fake_store(tmp_path / "store", 20, folds=2)
    fitted = fit(made.path, tmp_path / "model", ["linear"], trials=1)
    assert not Model.open(fitted.model).is_whole
    with pytest.raises(ArtifactError, match="holds no extractor"):
        pack(fitted.model, tmp_path / "m.lsdc")


def test_out_of_fold_tables_are_written_by_id_where_asked(tmp_path: Path) -> None:
    made = fake_store(tmp_path / "store", 20, folds=2)
    fitted = fit(made.path, tmp_path / "model", ["linear"], trials=1, oof=tmp_path / "oof")
    table = pd.read_csv(tmp_path / "oof" / "linear.csv", dtype={"row_id": str})
    mine = Model.open(fitted.model).out_of_fold_of(made.train.index.tolist())
    assert sorted(table["row_id"]) == sorted(mine["row_id"]) and len(table) == 500


def test_thresholds_catch_what_they_promise(model: Path) -> None:
    generator = np.random.default_rng(0)
    grades = generator.integers(0, 3, 600)
    p = np.eye(3)[grades] * 0.5 + generator.dirichlet(np.ones(3), 600) * 0.5
    rows = pd.DataFrame(p, columns=["normal_mild", "moderate", "severe"]).assign(grade=grades)
    rows["row_id"] = [f"s{k}_spinal_canal_stenosis_l1_l2" for k in range(600)]
    found = Thresholds.of(rows)
    one = next(iter(found.severe.values()))
    assert one.sensitivity >= CAUGHT and one.cases == (grades == 2).sum() and one.cases + one.others == 600
    assert Thresholds.from_dict(found.to_dict()) == found
    assert list(found.severe) == ["spinal"]


def test_the_card_of_a_fit_says_what_it_never_saw(model: Path) -> None:
    card = Model.open(model).fit_card
    assert card is not None and card.studies == 12
    assert sum(card.grades["spinal_canal_stenosis"].values()) == 60
    assert any("medical device" in sentence for sentence in card.statement())
    assert "numpy" in card.versions
    assert card.simulated == 12 and card.never_saw[0] == "a real patient"
    assert card.statement()[0].endswith("fitted on 12 studies, all of simulated patients")


def test_a_card_of_an_earlier_version_says_nothing_of_simulated_patients(model: Path) -> None:
    content = read_json(model / "fit_card.json")
    earlier = {name: value for name, value in content.items() if name != "simulated"}
    assert FitCard.from_dict(earlier).learned_from == "12 studies"
    assert (
        FitCard.from_dict(content | {"simulated": 5}).learned_from
        == "12 studies, 5 of them of simulated patients"
    )
