"""Pictures of simulated sheets, and the training of the shipped localizers."""

import json

import numpy as np
import pytest
import torch

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import Condition, View
from lsdc.features.cli import PretrainLocalizer
from lsdc.runtime import ConfigError
from lsdc.slice_selector import SliceSelector
from lsdc.slice_selector.example import ABSENT, PRESENT, SAGITTAL_PX, UNKNOWN
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.simulated import Sheets, look, make_sheets


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    return make_sheets(2, 5, tmp_path_factory.mktemp("sheets"), workers=1)


def test_sheets_know_what_they_show(sheets):
    sagittal = sheets["sagittal"]
    assert sagittal.labels.shape[:2] == (10, 2) and sagittal.tissues.shape[0] == 2
    canal, foramen = sagittal.state[:, :5], sagittal.state[:, 5:]
    assert (canal == PRESENT).any() and (foramen == PRESENT).any()
    assert not ((canal == PRESENT) & (foramen == PRESENT)).any()
    assert (sagittal.state == ABSENT).all(axis=1).any(), "a sheet beside the spine shows neither"
    rows = sagittal.points[..., 1][:, :5]
    assert (np.diff(rows, axis=1) > 10).all(), "levels descend"
    assert set(sheets["axial"].state.ravel()) == {PRESENT}
    left, right = sheets["axial"].points[:, 0, 0], sheets["axial"].points[:, 1, 0]
    assert (left > right).all(), "the patient's left is at the right"


@pytest.mark.parametrize("kind", ["sagittal", "axial"])
def test_points_move_with_the_picture(sheets, kind):
    """A sheet that is black but for spots of fat at its points shows the spots where the points have moved."""
    whole = sheets[kind]
    labels = np.zeros_like(whole.labels)
    for sheet, points, state in zip(labels, whole.points, whole.state):
        for (x, y), known in zip(points, state):
            if known == PRESENT:
                sheet[:, round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5] = 1
    spots = Sheets(labels, whole.points, whole.state, whole.patient, whole.tissues)
    rows = np.flatnonzero((whole.state == PRESENT).any(axis=1))
    seen = 0
    for seed in range(4):
        pictures, moved, state = look(spots, rows, kind, np.random.default_rng(seed), negatives=0.0)
        for picture, points, known in zip(pictures, moved, state):
            for x, y in points[known == PRESENT].round().int().tolist():
                around = picture[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                seen += float(around.mean()) > float(picture.median()) + 5
                seen -= float(around.mean()) < float(picture.median())
    assert seen > 20


def test_pictures_repeat_themselves_and_negatives_have_no_points(sheets):
    rows = np.arange(8)
    one, two = (look(sheets["sagittal"], rows, "sagittal", np.random.default_rng(3), 0.5) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert one[0].shape == (8, SAGITTAL_PX, SAGITTAL_PX) and one[0].min() >= 0 and one[0].max() <= 255
    _, _, state = look(sheets["sagittal"], rows, "sagittal", np.random.default_rng(3), 1.0)
    assert (state == ABSENT).all()
    points, state = one[1], one[2]
    assert not ((state == PRESENT) & ~((points > 0) & (points < SAGITTAL_PX - 1)).all(-1)).any()
    assert (state == UNKNOWN).any() or (state == ABSENT).any()


def strange_pictures(sheets):
    rng = np.random.default_rng(8)
    ramp = np.linspace(0, 1, 256)
    axial, _, _ = look(sheets["axial"], np.arange(10), "axial", rng, negatives=0.0)
    sagittal, _, _ = look(sheets["sagittal"], np.arange(10), "sagittal", rng, negatives=1.0)
    yield from (picture.numpy() for picture in [*axial, *sagittal])
    yield rng.random((256, 256))
    yield np.full((200, 200), 7.0)
    yield ramp[:, None] * ramp
    yield np.indices((256, 256)).sum(axis=0) // 32 % 2 * 100.0
    yield 100.0 * (np.hypot(*(np.indices((256, 256)) - 128)) < 90)


def test_no_five_confident_points_without_a_lumbar_spine(sheets):
    """Whatever the picture, the shipped localizer does not claim five levels where there is no spine."""
    selector = SliceSelector.bundled()
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.2, 1.2))
    for number, picture in enumerate(strange_pictures(sheets)):
        slice_ = Slice(np.asarray(picture, np.float32), plane, 1, "strange")
        study = Study("strange", (Series("1", View.SAGITTAL_T2, (slice_,)),))
        sure = [
            item.confidence
            for item in selector.locate(study)
            if item.target.condition is Condition.SPINAL_CANAL_STENOSIS
        ]
        assert len(sure) == 5 and min(sure) < 0.5, number


def test_too_few_patients_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--patients must be at least 10, not 3"):
        PretrainLocalizer(tmp_path / "weights", patients=3).run()
    assert not list(tmp_path.iterdir())


def test_pretraining_writes_weights_and_a_card(tmp_path):
    out = tmp_path / "weights"
    PretrainLocalizer(out, patients=10, epochs=1, steps=2, batch=4, workers=1).run()
    card = json.loads((out / "model_card.json").read_text())
    assert set(card["scores"]) == {"sagittal", "axial"}
    assert {"median_mm", "within_8mm", "false_alarms"} <= set(card["scores"]["sagittal"])
    assert str(tmp_path) not in (out / "model_card.json").read_text()
    for kind in ("sagittal", "axial"):
        Localizer.load(out / f"{kind}.safetensors", kind)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
