"""The pipeline with a selector that knows the answers, and once with the real one."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
from support.knowing import know

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features import extract_worker, study_failures, study_selectors
from lsdc.features.appending import append
from lsdc.features.extract_worker import StudyTask
from lsdc.features.extraction import Extraction, extract
from lsdc.features.extractor import EXTRACTOR, Extractor, write_extractor
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.runtime.errors import ArtifactError, ConfigError, LsdcError
from lsdc.slice_selector.selector import SliceSelector

SMALL = Settings("mobilenetv3_small_050", "random", folds=2, crop_px=32, volume_slices=4, volume_px=32)


@pytest.fixture(scope="module")
def data(few_studies: Path) -> Path:
    return few_studies


@pytest.fixture
def knowing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know(data, monkeypatch)


def run(data: Path, out: Path, settings: Settings = SMALL, *, like: Path | None = None) -> Extraction:
    return extract(data, out, settings if like is None else Settings(), like=like, workers=1)


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """A finished store; do not change it."""
    out = tmp_path_factory.mktemp("made") / "store"
    with pytest.MonkeyPatch.context() as monkeypatch:
        know(data, monkeypatch)
        run(data, out)
    return FeatureStore.open(out)


def test_every_study_has_its_25_rows(made: FeatureStore, data: Path) -> None:
    rows = made.rows
    studies = sorted(source.study_id for source in discover(data).studies)
    assert rows.row_id.tolist() == [t.row_id(study) for study in studies for t in TARGETS]
    assert rows.groupby("split").size().to_dict() == {"test": 25, "train": 100}
    assert (rows[rows.split == "test"].grade == -1).all() and (rows[rows.split == "test"].fold == -1).all()
    assert set(rows[rows.split == "train"].fold) == {0, 1}
    labels = discover(data).labels
    assert labels is not None
    assert (rows[rows.row_id.str.startswith(labels.index[0])].grade.to_numpy() == labels.iloc[0]).all()


def test_what_was_located_has_crops_and_embedding(made: FeatureStore) -> None:
    rows = made.rows
    located = rows.located_by == "network"
    assert located.sum() > 80
    np.testing.assert_allclose(rows.level_doubt, np.tile(np.arange(25) / 25, 5), rtol=1e-6)
    graded = [list(t.condition.view.__class__).index(t.condition.view) for t in TARGETS] * 5
    present = made.crops[np.arange(len(rows)), graded].any(axis=(1, 2, 3))
    assert (present == located.to_numpy()).all()
    parts = made.embedding.reshape(len(rows), 3, -1)
    assert (np.isfinite(parts).all(axis=2) == made.crops[:].any(axis=(2, 3, 4))).all()
    assert rows.volume_slice[located].ge(0).all() and rows.preview[located].ge(0).all()
    assert (rows.instance_number[~located] == -1).all()


def test_a_finished_store_is_not_made_again(
    made: FeatureStore, data: Path, messages: pytest.LogCaptureFixture
) -> None:
    again = extract(str(data), str(made.path), SMALL)
    assert "already finished" in messages.text
    assert again.store == made.path and again.seconds == {} and again.rows == len(made.rows)
    assert not (made.path / "work").exists()


def test_a_killed_run_resumes(
    data: Path, knowing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    real = extract_worker.extract_study

    def counts(task: StudyTask) -> None:
        done.append(task.index)
        real(task)

    def stops(task: StudyTask) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        counts(task)

    monkeypatch.setattr(study_failures, "extract_study", stops)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "killed")
    with pytest.raises(ArtifactError, match="not a finished store"):
        FeatureStore.open(tmp_path / "killed")
    monkeypatch.setattr(study_failures, "extract_study", counts)
    run(data, tmp_path / "killed")
    assert sorted(done) == list(range(5))
    monkeypatch.setattr(study_failures, "extract_study", real)
    run(data, tmp_path / "whole")
    one, two = FeatureStore.open(tmp_path / "killed"), FeatureStore.open(tmp_path / "whole")
    pd.testing.assert_frame_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.crops, two.crops)
    np.testing.assert_array_equal(one.embedding, two.embedding)


def test_other_settings_are_refused(made: FeatureStore, data: Path) -> None:
    with pytest.raises(ArtifactError, match=r"another configuration \(crop_px differ\); .*choose another"):
        run(data, made.path, replace(SMALL, crop_px=48))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("crop_px", 4, "crop_px must be at least 16, not 4"),
        ("folds", 1, "folds must be at least 2, not 1"),
        ("volume_slices", 0, "volume_slices must be at least 1, not 0"),
        ("volume_px", 8, "volume_px must be at least 16, not 8"),
        ("preview_px", 8, "preview_px must be at least 16, not 8"),
        ("seed", -1, "seed must be at least 0, not -1"),
        ("weights", "", "weights must not be empty"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(SMALL, **{name: value})


def test_like_uses_the_other_stores_selector_and_sizes(
    made: FeatureStore, data: Path, knowing: None, tmp_path: Path
) -> None:
    like = run(data, tmp_path / "new", like=made.path)
    new = FeatureStore.open(tmp_path / "new")
    assert like.selector == str(made.path)
    assert new.feature_fingerprint == made.feature_fingerprint
    np.testing.assert_array_equal(new.embedding, made.embedding)


def test_each_family_draws_the_studies_that_its_ranker_learns_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Marks of one family that few studies have are not lost among those of another that all have."""
    studies = [str(k) for k in range(40)]
    common, rare = "left_neural_foraminal_narrowing", "spinal_canal_stenosis"
    coordinates = {
        study: pd.DataFrame({"condition": [common] * 2 + [rare] * (int(study) < 5)}) for study in studies
    }
    monkeypatch.setattr(study_selectors, "_DESCRIBED", 8)
    drawn = study_selectors._described(coordinates, studies, seed=0)
    assert set(studies[:5]) <= drawn and 8 <= len(drawn) <= 13
    assert drawn == study_selectors._described(coordinates, studies, seed=0)


def located_by(store: Path) -> dict[str, str]:
    """The selector of each study of a store."""
    studies = FeatureStore.open(store).studies
    return dict(zip(studies["study_id"], studies["selector"]))


def test_copies_of_selectors_know_whom_they_saw(
    made: FeatureStore, data: Path, knowing: None, tmp_path: Path
) -> None:
    """A leak is planted: stores that do not hold, or deal over other folds, what taught the selectors they hand on."""
    first, second, third, *_ = taught = sorted(path.name for path in (data / "train_images").iterdir())
    truth = located_by(made.path)
    assert {truth[study] for study in taught} == {"fold_0", "fold_1"}
    for study in (first, second, third):
        shutil.copytree(data / "train_images" / study, tmp_path / study / "test_images" / study)
    run(tmp_path / first, tmp_path / "copy", like=made.path)  # without labels: no study of it has a fold
    assert located_by(tmp_path / "copy") == {first: truth[first]}
    run(tmp_path / first, tmp_path / "again", like=tmp_path / "copy")
    assert located_by(tmp_path / "again") == {first: truth[first]}
    run(tmp_path / second, tmp_path / "other", like=tmp_path / "copy")
    assert located_by(tmp_path / "other") == {second: truth[second]}
    append(tmp_path / third, tmp_path / "copy", workers=1)
    assert located_by(tmp_path / "copy") == {first: truth[first], third: truth[third]}
    # A model hands on what it was given, and names nobody.
    for store in (made, FeatureStore.open(tmp_path / "other")):
        model = tmp_path / f"model_{store.path.name}"
        assert write_extractor(store, model / EXTRACTOR, Pseudonyms("salt"))
        extractor = Extractor.of(model)
        assert all(f"fold_{extractor.fold_of(study)}" == truth[study] for study in taught)
        assert extractor.fold_of("a stranger") is None
        written = b"".join(path.read_bytes() for path in model.rglob("*.json"))
        assert not any(study.encode() in written for study in taught)


def test_like_refuses_what_contradicts_it(made: FeatureStore, data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"crop_px=64 contradicts '.*', .* made with 32; leave it out"):
        extract(data, tmp_path / "new", Settings(crop_px=64), like=made.path)


def test_a_store_of_integers_has_another_fingerprint_and_hands_on_its_precision(
    data: Path, tmp_path: Path
) -> None:
    only = tmp_path / "only"
    only.mkdir()
    shutil.copytree(next((data / "train_images").iterdir()), only / "someone")
    usual = Settings(crop_px=32, volume_slices=4, volume_px=32)
    for name, settings in (("usual", usual), ("reduced", replace(usual, precision="int8"))):
        run(only, tmp_path / name, settings)
    one, two = (FeatureStore.open(tmp_path / name) for name in ("usual", "reduced"))
    assert one.feature_fingerprint != two.feature_fingerprint
    assert "precision" not in one.manifest["configuration"]
    run(only, tmp_path / "like", like=two.path)
    again = FeatureStore.open(tmp_path / "like")
    assert again.feature_fingerprint == two.feature_fingerprint
    np.testing.assert_array_equal(again.embedding, two.embedding)
    with pytest.raises(ConfigError, match=r"precision='int8' contradicts '.*', .* made with 'float32'"):
        extract(only, tmp_path / "other", Settings(precision="int8"), like=one.path)


def test_without_labels_the_bundled_selector_is_announced_and_kept(
    data: Path,
    knowing: None,
    tmp_path: Path,
    messages: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only = tmp_path / "only"
    only.mkdir()
    shutil.copytree(next((data / "train_images").iterdir()), only / "someone")
    result = run(only, tmp_path / "store")
    assert result.selector == "bundled" and "bundled localizer" in messages.text
    store = FeatureStore.open(tmp_path / "store")
    assert set(store.rows.split) == {"new"} and set(store.studies.selector) == {"bundled"}
    # The store keeps the localizer: that of another version is not asked.
    monkeypatch.setattr(SliceSelector, "bundled", lambda: pytest.fail("the store's selector is to be used"))
    run(only, tmp_path / "like", like=store.path)
    again = FeatureStore.open(tmp_path / "like")
    np.testing.assert_array_equal(again.rows[["x", "y"]], store.rows[["x", "y"]])
    assert set(again.studies.selector) == {"bundled"}
    shutil.rmtree(store.path / "selector")
    with pytest.raises(ArtifactError, match=r"damaged store, selector/bundled/.* is missing"):
        run(only, tmp_path / "third", like=store.path)


def test_an_unreadable_study_is_a_problem_not_a_crash(
    data: Path,
    knowing: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    messages: pytest.LogCaptureFixture,
) -> None:
    bad = discover(data).studies[1].study_id
    real = read_study

    def fails(source: StudySource) -> Study:
        if source.study_id == bad:
            raise OSError(5, "disk on fire", "/home/someone/secret")
        return real(source)

    monkeypatch.setattr(extract_worker, "read_study", fails)
    result = run(data, tmp_path / "store")
    store = FeatureStore.open(tmp_path / "store")
    assert result.problems >= 1 and "problems.csv" in messages.text
    reasons = pd.read_csv(store.path / "problems.csv").reason
    assert reasons.str.contains("study failed: OSError: disk on fire in .*, line").any()
    assert not reasons.str.contains("someone").any()
    assert store.rows[store.rows.study_id == bad].flag_own_view_absent.all()


def test_a_bug_is_not_swallowed(
    data: Path, knowing: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> NoReturn:
        raise ZeroDivisionError

    monkeypatch.setattr(extract_worker, "metadata_of", breaks)
    with pytest.raises(ZeroDivisionError):
        run(data, tmp_path / "store")


def test_no_header_text_enters_the_store(made: FeatureStore) -> None:
    text = b"".join(p.read_bytes() for p in made.path.rglob("*") if p.suffix in (".parquet", ".json", ".csv"))
    assert b"PatientName" not in text and b"StudyDate" not in text
    assert set(made.rows.select_dtypes("str").columns) == {
        "row_id", "study_id", "split", "condition", "level", "view", "series_id", "located_by", "status", "reason",
    }  # fmt: skip


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(LsdcError, match="no such data folder or archive"):
        run(tmp_path / "none", tmp_path / "store")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LsdcError, match="empty"):
        run(tmp_path / "empty", tmp_path / "store")
    with pytest.raises(ArtifactError, match="no such store directory"):
        run(tmp_path / "empty", tmp_path / "store", like=tmp_path / "none")


@pytest.mark.processes
def test_work_is_shared_by_processes(data: Path, tmp_path: Path) -> None:
    """Without the knowing selector: this one is pickled and fitted as users have it."""
    result = extract(data, tmp_path / "store", SMALL, workers=2)
    store = FeatureStore.open(tmp_path / "store")
    assert result.selector == "fitted" and len(store.rows) == 125
    assert list(result.seconds) == ["read examples", "fit selector", "extract", "embed", "write"]
    assert set(store.studies.selector) == {"fold_0", "fold_1", "all"}
    assert (store.rows.instance_number >= 0).mean() > 0.6
