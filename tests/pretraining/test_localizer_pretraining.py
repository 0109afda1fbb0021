"""Images of simulated label maps, and the training of the bundled localizers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Series, Slice, Study
from lsdc.cohort.vocabulary import Condition, View
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, VERTEBRAE
from lsdc.pretraining.localizer.label_maps import LabelMaps, make_label_maps
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.pretraining.localizer.simulated_images import draw_images
from lsdc.pretraining.localizer.train import PretrainedLocalizer, pretrain_localizer
from lsdc.runtime import ConfigError
from lsdc.runtime.recipe import Recipe
from lsdc.slice_selector.heatmap_decoding import STRIDE, probabilities
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.network import normalize
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.square_images import ABSENT, PRESENT, SAGITTAL_PX, UNKNOWN
from lsdc.slice_selector.vertebra_classes import N_CLASSES, class_of_disc, weigh_by_disc


@pytest.fixture(scope="module")
def label_maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LabelMaps]:
    return make_label_maps(2, 5, tmp_path_factory.mktemp("label_maps"), workers=1)


def test_label_maps_know_what_they_show(label_maps: dict[str, LabelMaps]) -> None:
    sagittal = label_maps["sagittal"]
    assert sagittal.labels.shape[:2] == (10, 2) and sagittal.tissues.shape[0] == 2
    canal, foramen = sagittal.state[:, :5], sagittal.state[:, 5:]
    assert (canal == PRESENT).any() and (foramen == PRESENT).any()
    assert not ((canal == PRESENT) & (foramen == PRESENT)).any()
    assert (sagittal.state == ABSENT).all(axis=1).any(), "a map beside the spine shows neither"
    rows = sagittal.points[..., 1][:, :5]
    assert (np.diff(rows, axis=1) > 10).all(), "levels descend"
    assert set(label_maps["axial"].state.ravel()) == {PRESENT}
    left, right = label_maps["axial"].points[:, 0, 0], label_maps["axial"].points[:, 1, 0]
    assert (left > right).all(), "the patient's left is at the right"


@pytest.mark.parametrize("kind", ["sagittal", "axial"])
def test_points_move_with_the_image(label_maps: dict[str, LabelMaps], kind: str) -> None:
    """A map that is black but for spots of fat at its points shows the spots where the points have moved."""
    whole = label_maps[kind]
    labels = np.zeros_like(whole.labels)
    for one_map, points, state in zip(labels, whole.points, whole.state):
        for (x, y), known in zip(points, state):
            if known == PRESENT:
                one_map[:, round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5] = 1
    spots = replace(whole, labels=labels)
    rows = np.flatnonzero((whole.state == PRESENT).any(axis=1))
    seen = 0
    for seed in range(4):
        images, moved, state, _ = draw_images(spots, rows, kind, np.random.default_rng(seed), negatives=0.0)
        for image, points, known in zip(images, moved, state):
            for x, y in points[known == PRESENT].round().int().tolist():
                around = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
                seen += float(around.mean()) > float(image.median()) + 5
                seen -= float(around.mean()) < float(image.median())
    assert seen > 20


def test_regions_move_with_the_image(label_maps: dict[str, LabelMaps]) -> None:
    """The cells that are said to show a lumbar disc lie in front of the disc's canal point."""
    whole = label_maps["sagittal"]
    rows = np.flatnonzero((whole.state[:, :5] == PRESENT).all(axis=1))
    seen = 0
    for seed in range(4):
        found = draw_images(whole, rows, "sagittal", np.random.default_rng(seed), negatives=0.0)
        assert found.classes.shape[1:] == (SAGITTAL_PX // STRIDE, SAGITTAL_PX // STRIDE)
        for regions, points, known in zip(found.classes, found.points, found.state):
            for level in np.flatnonzero(known[:5] == PRESENT):
                cells = (regions == class_of_disc(FIRST_LUMBAR_DISC + int(level))).nonzero().float().mean(0)
                y, x = STRIDE * cells + 1.5
                if torch.isfinite(x):
                    ahead, above = points[level, 0] - x, points[level, 1] - y
                    assert 2 < ahead < 36 and abs(above) < 20
                    seen += 1
    assert seen > 20
    assert (draw_images(whole, rows, "sagittal", np.random.default_rng(0), negatives=1.0).classes == -1).all()


def test_regions_are_learned_beside_points(label_maps: dict[str, LabelMaps]) -> None:
    localizer, rows = Localizer("sagittal"), np.arange(4)
    shown = draw_images(label_maps["sagittal"], rows, "sagittal", np.random.default_rng(0), negatives=0.0)

    def right() -> float:
        _, regions = localizer.network.eval()(normalize(shown.images))
        return float((regions.argmax(1) == shown.classes)[shown.classes > 0].float().mean())

    before = right()
    localizer.learn(lambda epoch: [shown], 1, Recipe(40, 3e-3))
    assert right() > before + 0.15


@pytest.mark.parametrize(("level", "fall"), [(2, 0.0), (4, 0.6)])
def test_points_behind_their_disc_are_supported(level: int, fall: float) -> None:
    """A disc between its vertebrae, whose front lies lower by `fall` cells per column."""
    assert len(VERTEBRAE) * 2 == N_CLASSES
    disc, columns = class_of_disc(FIRST_LUMBAR_DISC + level), range(20, 25)
    regions = torch.zeros((1, N_CLASSES, 48, 48))
    for column in columns:
        top = 16 + round(fall * (25 - column))
        for part, region in enumerate((disc - 1, disc, disc + 1)):
            regions[:, region, top + 3 * part : top + 3 * part + 3, column] = 1
    regions[:, 0] = 1 - regions.sum(1)
    maps = torch.rand((1, 5, 48, 48), generator=torch.Generator().manual_seed(0)) / 48**2
    found = torch.from_numpy(weigh_by_disc(maps.numpy(), regions.numpy()))
    assert_allclose(found.sum((2, 3)), maps.sum((2, 3)), rtol=1e-4)
    gain = (found / maps)[0, level]
    assert divmod(int(gain.argmax()), 48) == (20, 25), "level with the disc's back, one cell behind it"
    assert gain.max() > 20 * gain.median()
    others = torch.tensor([k for k in range(5) if abs(k - level) > 1])
    assert_allclose(found[0, others], maps[0, others], rtol=1e-4)


def test_predictions_are_supported(label_maps: dict[str, LabelMaps]) -> None:
    localizer = Localizer("sagittal")
    shown = draw_images(
        label_maps["sagittal"], np.arange(2), "sagittal", np.random.default_rng(0)
    ).images.byte()
    logits, regions = localizer.network.eval()(normalize(shown))
    raw = torch.from_numpy(probabilities(logits.detach().numpy())[0])
    found, _ = localizer.predict(shown.numpy())
    assert_allclose(
        found[:, :5], weigh_by_disc(raw[:, :5].numpy(), regions.detach().softmax(1).numpy()), rtol=1e-4
    )
    assert_allclose(found[:, 5:], raw[:, 5:], rtol=1e-4)
    assert not np.allclose(found[:, :5], raw[:, :5], rtol=1e-3)


def test_images_repeat_themselves_and_negatives_have_no_points(label_maps: dict[str, LabelMaps]) -> None:
    rows = np.arange(8)
    one, two = (
        draw_images(label_maps["sagittal"], rows, "sagittal", np.random.default_rng(3), 0.5) for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert one[0].shape == (8, SAGITTAL_PX, SAGITTAL_PX) and one[0].min() >= 0 and one[0].max() <= 255
    _, _, state, _ = draw_images(label_maps["sagittal"], rows, "sagittal", np.random.default_rng(3), 1.0)
    assert (state == ABSENT).all()
    points, state = one[1], one[2]
    assert not ((state == PRESENT) & ~((points > 0) & (points < SAGITTAL_PX - 1)).all(-1)).any()
    assert (state == UNKNOWN).any() or (state == ABSENT).any()


def strange_images(label_maps: dict[str, LabelMaps]) -> Iterator[NDArray[Any]]:
    rng = np.random.default_rng(8)
    ramp = np.linspace(0, 1, 256)
    axial, *_ = draw_images(label_maps["axial"], np.arange(10), "axial", rng, negatives=0.0)
    sagittal, *_ = draw_images(label_maps["sagittal"], np.arange(10), "sagittal", rng, negatives=1.0)
    yield from (image.numpy() for image in [*axial, *sagittal])
    yield rng.random((256, 256))
    yield np.full((200, 200), 7.0)
    yield ramp[:, None] * ramp
    yield np.indices((256, 256)).sum(axis=0) // 32 % 2 * 100.0
    yield 100.0 * (np.hypot(*(np.indices((256, 256)) - 128)) < 90)


def test_no_five_confident_points_without_a_lumbar_spine(label_maps: dict[str, LabelMaps]) -> None:
    """Whatever the image, the shipped localizer does not claim five levels where there is no spine."""
    selector = SliceSelector.bundled()
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.2, 1.2))
    for number, image in enumerate(strange_images(label_maps)):
        slice_ = Slice(np.asarray(image, np.float32), plane, 1, "strange")
        study = Study("strange", (Series("1", View.SAGITTAL_T2, (slice_,)),))
        sure = [
            item.confidence
            for item in selector.locate(study)
            if item.target.condition is Condition.SPINAL_CANAL_STENOSIS
        ]
        assert len(sure) == 5 and min(sure) < 0.5, number


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ConfigError, match="patients must be at least 10, not 3"):
        LocalizerSettings(patients=3)


def test_pretraining_writes_weights_and_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsdc.pretraining.localizer.settings.LEAST_PATIENTS", 4)  # fewer are quicker
    out = tmp_path / "weights"
    settings = LocalizerSettings(patients=4, epochs=1, steps=2, batch=4)
    result = pretrain_localizer(str(out), settings, workers=1)
    assert isinstance(result, PretrainedLocalizer) and result.path == out
    card = json.loads(result.card.read_text())
    assert card["scores"] == result.scores and set(card["scores"]) == {"sagittal", "axial"}
    assert {"median_mm", "within_8mm", "false_alarms"} <= set(card["scores"]["sagittal"])
    assert card["recipe"] == {
        "start": "random",
        "patients": 4,
        "epochs": 1,
        "steps": 2,
        "batch": 4,
        "seed": 0,
    }
    assert len(result.histories["sagittal"].loss) == 1
    assert str(tmp_path) not in result.card.read_text()
    for kind in ("sagittal", "axial"):
        Localizer.load(out / f"{kind}.safetensors", kind)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
