"""The pipeline with a selector that knows the answers, and once with the real one."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.annotated import annotated_locations

from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.location import Location
from lsdc.cohort.tables import read_coordinates
from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.features import Extract, Preview, main
from lsdc.features import extract_worker as per_study
from lsdc.features import extraction as module
from lsdc.features.store import FeatureStore
from lsdc.runtime import ArtefactError, ConfigError, LsdcError
from lsdc.slice_selector.selector import SliceSelector

NAN = float("nan")


class Knowing:
    """Locates annotated targets where they are, and no other."""

    def __init__(self, coordinates):
        self.coordinates = coordinates

    def locate(self, study):
        rows = self.coordinates[self.coordinates.study_id == study.study_id]
        found = {item.target: item for item in annotated_locations(study, rows, np.random.default_rng(0))}
        absent = Location(
            TARGETS[0], TARGETS[0].condition.view, None, None, (NAN,) * 2, (NAN,) * 3, 0.0, "absent"
        )
        return [found.get(t) or replace(absent, target=t, view=t.condition.view) for t in TARGETS]


@pytest.fixture(scope="module")
def data(few_studies):
    return few_studies


def know(data, monkeypatch):
    selector = Knowing(read_coordinates(data / "train_label_coordinates.csv"))
    monkeypatch.setattr(per_study, "_selector", lambda folder: selector)
    monkeypatch.setattr(module, "cross_fit_selector", lambda *given: given[3].mkdir(exist_ok=True))


@pytest.fixture
def knowing(data, monkeypatch):
    know(data, monkeypatch)


def extraction(data, out, **options):
    defaults = {
        "weights": "random",
        "workers": 1,
        "folds": 2,
        "crop_px": 32,
        "volume_px": 32,
        "volume_slices": 4,
    }
    return Extract(data, out, **(defaults | {"backbone": "mobilenetv3_small_050"} | options))


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """A finished store; do not change it."""
    out = tmp_path_factory.mktemp("made") / "store"
    with pytest.MonkeyPatch.context() as monkeypatch:
        know(data, monkeypatch)
        extraction(data, out).run()
    return FeatureStore.open(out)


def test_every_study_has_its_25_rows(made, data):
    rows = made.rows
    studies = sorted(source.study_id for source in discover(data).studies)
    assert rows.row_id.tolist() == [t.row_id(study) for study in studies for t in TARGETS]
    assert rows.groupby("split").size().to_dict() == {"test": 25, "train": 100}
    assert (rows[rows.split == "test"].grade == -1).all() and (rows[rows.split == "test"].fold == -1).all()
    assert set(rows[rows.split == "train"].fold) == {0, 1}
    labels = discover(data).labels
    assert (rows[rows.row_id.str.startswith(labels.index[0])].grade.to_numpy() == labels.iloc[0]).all()


def test_what_was_located_has_crops_and_embedding(made):
    rows = made.rows
    located = rows.located_by == "network"
    assert located.sum() > 80
    own = [list(t.condition.view.__class__).index(t.condition.view) for t in TARGETS] * 5
    shown = made.crops[np.arange(len(rows)), own].any(axis=(1, 2, 3))
    assert (shown == located.to_numpy()).all()
    parts = made.embedding.reshape(len(rows), 3, -1)
    assert (np.isfinite(parts).all(axis=2) == made.crops[:].any(axis=(2, 3, 4))).all()
    assert rows.volume_slice[located].ge(0).all() and rows.preview[located].ge(0).all()
    assert (rows.instance_number[~located] == -1).all()


def test_a_finished_store_is_not_made_again(made, data, capsys):
    again = extraction(data, made.path).run()
    assert "already finished" in capsys.readouterr().err
    assert again.seconds == {} and again.rows == len(made.rows)
    assert not (made.path / "work").exists()


def test_a_killed_run_goes_on(data, knowing, tmp_path, monkeypatch):
    done = []
    real = per_study.extract_study

    def stops(task):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(task.index)
        real(task)

    monkeypatch.setattr(module, "extract_study", stops)
    with pytest.raises(KeyboardInterrupt):
        extraction(data, tmp_path / "killed").run()
    with pytest.raises(ArtefactError, match="not a finished store"):
        FeatureStore.open(tmp_path / "killed")
    monkeypatch.setattr(module, "extract_study", lambda task: (done.append(task.index), real(task)))
    extraction(data, tmp_path / "killed").run()
    assert sorted(done) == list(range(5))
    monkeypatch.setattr(module, "extract_study", real)
    extraction(data, tmp_path / "whole").run()
    one, two = FeatureStore.open(tmp_path / "killed"), FeatureStore.open(tmp_path / "whole")
    pd.testing.assert_frame_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.crops, two.crops)
    np.testing.assert_array_equal(one.embedding, two.embedding)


def test_another_configuration_is_refused(made, data):
    with pytest.raises(ArtefactError, match=r"another configuration \(crop_px differ\); give another --out"):
        extraction(data, made.path, crop_px=48).run()


def test_like_uses_the_other_stores_selector_and_sizes(made, data, knowing, tmp_path):
    like = Extract(data, tmp_path / "new", like=made.path, workers=1).run()
    new = FeatureStore.open(tmp_path / "new")
    assert like.selector == str(made.path)
    assert new.feature_fingerprint == made.feature_fingerprint
    np.testing.assert_array_equal(new.embedding, made.embedding)


def test_like_refuses_what_contradicts_it(made, data, tmp_path):
    with pytest.raises(ConfigError, match=r"--crop-px 64 contradicts --like .* made with 32; leave it out"):
        Extract(data, tmp_path / "new", like=made.path, crop_px=64).run()


def test_without_labels_the_bundled_selector_is_announced_and_kept(
    data, knowing, tmp_path, capsys, monkeypatch
):
    only = tmp_path / "only"
    only.mkdir()
    shutil.copytree(next((data / "train_images").iterdir()), only / "someone")
    result = extraction(only, tmp_path / "store").run()
    assert result.selector == "bundled" and "bundled localizer" in capsys.readouterr().err
    store = FeatureStore.open(tmp_path / "store")
    assert set(store.rows.split) == {"new"} and set(store.studies.selector) == {"bundled"}
    # The store keeps the localizer: that of another version is not asked.
    monkeypatch.setattr(SliceSelector, "bundled", lambda: pytest.fail("the store's own is to be used"))
    Extract(only, tmp_path / "like", like=store.path, workers=1).run()
    again = FeatureStore.open(tmp_path / "like")
    np.testing.assert_array_equal(again.rows[["x", "y"]], store.rows[["x", "y"]])
    assert set(again.studies.selector) == {"bundled"}
    shutil.rmtree(store.path / "selector")
    with pytest.raises(ArtefactError, match="selector: no such folder; a store of an older version"):
        Extract(only, tmp_path / "third", like=store.path, workers=1).run()


def test_an_unreadable_study_is_a_problem_not_a_crash(data, knowing, tmp_path, monkeypatch, capsys):
    bad = discover(data).studies[1].study_id
    real = per_study.read_study

    def fails(source):
        if source.study_id == bad:
            raise OSError("disk on fire")
        return real(source)

    monkeypatch.setattr(per_study, "read_study", fails)
    result = extraction(data, tmp_path / "store").run()
    store = FeatureStore.open(tmp_path / "store")
    assert result.problems >= 1 and "problems.csv" in capsys.readouterr().err
    assert pd.read_csv(store.path / "problems.csv").reason.str.contains("disk on fire").any()
    assert store.rows[store.rows.study_id == bad].flag_own_view_absent.all()


def test_a_bug_is_not_swallowed(data, knowing, tmp_path, monkeypatch):
    monkeypatch.setattr(per_study, "metadata_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extraction(data, tmp_path / "store").run()


def test_no_header_text_enters_the_store(made):
    text = b"".join(p.read_bytes() for p in made.path.rglob("*") if p.suffix in (".parquet", ".json", ".csv"))
    assert b"PatientName" not in text and b"StudyDate" not in text
    strings = made.rows.select_dtypes("str").columns
    assert set(strings) == {
        "row_id", "study_id", "split", "condition", "level", "view", "series_id", "located_by",
    }  # fmt: skip


def test_wrong_folders_say_so(tmp_path):
    with pytest.raises(LsdcError, match="no such data folder"):
        extraction(tmp_path / "none", tmp_path / "store").run()
    (tmp_path / "empty").mkdir()
    with pytest.raises(LsdcError):
        extraction(tmp_path / "empty", tmp_path / "store").run()
    assert main(["extract", str(tmp_path / "none"), "--out", str(tmp_path / "store")]) == 2


def test_preview_draws_a_sheet(made, tmp_path, capsys):
    study = made.rows.study_id[0]
    code = main(["preview", str(made.path), study, "--out", str(tmp_path / "x.png"), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert code == 0 and result["study"] == study and result["located"] > 15
    from PIL import Image

    assert np.asarray(Image.open(tmp_path / "x.png")).std() > 20


def test_preview_of_an_unknown_study_names_some(made, tmp_path):
    with pytest.raises(LsdcError, match=r"no study 'nobody'; it holds 5, such as"):
        Preview(made.path, "nobody", tmp_path / "x.png").run()


def test_work_is_shared_by_processes(data, tmp_path):
    """Without the knowing selector: this one is pickled and fitted as users have it."""
    result = extraction(data, tmp_path / "store", workers=2).run()
    store = FeatureStore.open(tmp_path / "store")
    assert result.selector == "fitted" and len(store.rows) == 125
    assert set(store.studies.selector) == {"fold_0", "fold_1", "all"}
    assert (store.rows.instance_number >= 0).mean() > 0.6
