"""Real pictures to train on: how they are read, divided, and shown to encoder and localizer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from support.pictures import BACK, DISCS, FIRST_ROW, HEIGHT, PITCH, drawn_mask, write_pictures

from lsdc.features.encoder import Encoder
from lsdc.pretraining.encoder.batches import Batch
from lsdc.pretraining.encoder.real_crops import SIDE_PX, RealCrops
from lsdc.pretraining.encoder.real_losses import moment_loss, real_loss
from lsdc.pretraining.encoder.right_answers import Answers
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.pretraining.encoder.tasks import TaskNetwork
from lsdc.pretraining.encoder.train import pretrain_encoder
from lsdc.pretraining.localizer.real_maps import RealMaps
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.pretraining.localizer.train import pretrain_localizer
from lsdc.pretraining.mask_reading import NO_CLASS, canal_behind_discs, pixel_classes
from lsdc.pretraining.picture_reading import divide_pictures, held_out_patients, read_pictures
from lsdc.pretraining.real_pictures import GRADINGS, PictureParts
from lsdc.runtime import ArtifactError
from lsdc.slice_selector.heatmap_decoding import STRIDE
from lsdc.slice_selector.square_images import ABSENT, PRESENT, SAGITTAL_PX
from lsdc.slice_selector.vertebra_classes import class_of_disc

CPU = torch.device("cpu")
TINY = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def parts(folder: Path) -> PictureParts:
    return divide_pictures(folder)


def test_pictures_are_divided_by_patient_and_always_the_same(folder: Path, parts: PictureParts) -> None:
    assert not set(parts.train.patients) & set(parts.held_out.patients)
    assert set(parts.held_out.patients) == held_out_patients(folder) and len(parts.held_out.patients) == 2
    assert len(parts.train.patients) == 6 and parts.digest == parts.held_out.digest
    about = parts.about()
    assert json.loads(json.dumps(about)) == about and str(folder) not in json.dumps(about)


def test_crops_have_the_gradings_of_their_disc_from_the_head(parts: PictureParts) -> None:
    assert len(parts.train.discs) == 6 * DISCS
    narrowed = GRADINGS.index("narrowing")
    for disc in parts.train.discs:
        assert (disc.pixels.mean() < 100) == bool(disc.gradings[narrowed]) and disc.t2
        assert disc.gradings[GRADINGS.index("pfirrmann_4")] == disc.gradings[narrowed]
        assert disc.gradings[GRADINGS.index("pfirrmann_5")] == 0


def test_points_that_the_localizer_is_not_sure_of_are_not_believed(parts: PictureParts) -> None:
    assert all(item.mask is not None for item in parts.train.slices), "slices of noise are left out"
    # ivd_label 5 is the second disc from the head of six.
    assert_allclose(parts.train.slices[0].gradings[0, GRADINGS.index("narrowing")], 1)


def test_an_incomplete_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"gradings\.csv: absent; pictures must hold gradings\.csv, series"
    ):
        read_pictures(tmp_path)


def test_masks_give_points_behind_the_five_lowest_discs() -> None:
    canal = canal_behind_discs(drawn_mask(), (1.0, 1.0))
    assert canal is not None
    rows = [FIRST_ROW + k * PITCH + (HEIGHT - 1) / 2 for k in range(1, DISCS)]
    assert_allclose(canal[:, 1], rows)
    # The rear tenth of 40 columns is 4, whose middle is 2 before the last; the canal is marked 5 mm behind.
    assert_allclose(canal[:, 0], BACK - 2.5 + 5, atol=0.6)
    few = drawn_mask()
    few[: FIRST_ROW + 2 * PITCH] = 0
    assert canal_behind_discs(few, (1.0, 1.0)) is None


def test_masks_tell_which_vertebra_and_disc_a_pixel_shows() -> None:
    classes = pixel_classes(drawn_mask(), (1.0, 1.0))
    middle = (BACK + 60) // 2
    for k in range(DISCS):
        disc, row = 8 - DISCS + k, FIRST_ROW + k * PITCH + HEIGHT // 2
        assert classes[row, middle] == class_of_disc(disc)
        if k:
            assert classes[row - PITCH // 2, middle] == class_of_disc(disc) - 1
    row = FIRST_ROW + 2 * PITCH
    assert classes[row, 20] == classes[row, BACK + 5] == 0
    assert (classes[drawn_mask() == 76][:0] == 0).all() and classes[row - 14, 130] == 0, "a spinous process"
    assert (classes[-20:] == NO_CLASS).all() and (classes[:5] == NO_CLASS).all()


def test_real_crops_come_twice_with_what_readers_noted(parts: PictureParts) -> None:
    crops = RealCrops.of(parts.train)
    assert crops.patches.shape == (6 * DISCS + 5 * 6, SIDE_PX, SIDE_PX) and crops.tight.sum() == 6 * DISCS
    weights = crops.frequencies()
    assert weights[crops.tight].sum() == pytest.approx(0.5)
    one, same = (crops.batch(6, 48, np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(one.images, same.images) and one.images.dtype == torch.uint8
    assert one.images.shape == (12, 3, 48, 48) and torch.equal(one.gradings[:6], one.gradings[6:])
    assert not torch.equal(one.images[:6], one.images[6:])


def test_crops_of_whole_slices_are_centered_on_disc_or_canal(parts: PictureParts) -> None:
    crops = RealCrops.of(parts.train)
    around = np.flatnonzero(~crops.tight)
    (x, y), (u, v) = crops.canal[around[2]], crops.disc[around[2]]
    assert x > u and abs(y - v) < 1
    scale = SIDE_PX / 84
    assert x - u == pytest.approx(22 * scale, abs=0.1)
    patch = crops.patches[around[2]]
    # The disc is darker than the bodies above and below it.
    assert patch[round(v), round(u)] < patch[round(v - 15 * scale), round(u)] - 10


def test_what_nobody_noted_does_not_count(parts: PictureParts) -> None:
    torch.manual_seed(0)
    network = TaskNetwork(Encoder.build(TINY, "random", CPU)).eval()
    batch = RealCrops.of(parts.train).batch(4, 64, np.random.default_rng(0))
    with torch.no_grad():
        outputs = network(batch.images)
    nothing = torch.zeros((0, outputs.embedding.shape[1]))
    graded = TaskWeights(findings=0, pairs=0, moments=0)
    known = real_loss(nothing, outputs, batch, graded)
    unknown = type(batch)(batch.images, torch.full_like(batch.gradings, torch.nan), batch.t2)
    assert float(known) > 0 == float(real_loss(nothing, outputs, unknown, graded))
    assert torch.isfinite(real_loss(outputs.embedding + 1, outputs, batch, TaskWeights()))


def test_features_of_both_kinds_are_brought_together() -> None:
    one = torch.randn((400, 3), generator=torch.Generator().manual_seed(0))
    near, far, wide = one.flip(0), one + 3, 4 * one
    assert moment_loss(one, near) < 1e-6
    assert moment_loss(one, far) > 0.5 and moment_loss(one, wide) > 0.5


def test_a_batch_is_put_together_again(parts: PictureParts) -> None:
    real = RealCrops.of(parts.train).batch(2, 32, np.random.default_rng(0))
    answers = Answers(*(torch.full((3,), float(k)) for k in range(len(Answers._fields))))
    for kind in (None, real):
        batch = Batch(torch.ones(1), torch.ones(2), torch.ones(3), answers, kind)
        again = Batch.of(batch.tensors())
        assert (again.real is None) == (kind is None) and again.answers.sagittal[0] == len(
            Answers._fields
        ) - 1


def test_real_maps_move_points_and_classes_with_the_image(parts: PictureParts) -> None:
    maps = RealMaps.of(parts.train)
    assert maps.drawn.all() and (maps.state[:, 5:] == ABSENT).all()
    seen = 0
    for seed in range(4):
        images, points, state, classes = maps.draw(6, np.random.default_rng(seed))
        assert images.shape == (6, SAGITTAL_PX, SAGITTAL_PX) and images.min() >= 0
        assert (classes == -1).any() and (classes == 0).any()
        for shown, place, known in zip(classes, points, state):
            for level in np.flatnonzero(known[:5] == PRESENT):
                cells = (shown == class_of_disc(3 + int(level))).nonzero().float()
                if len(cells) > 4:
                    y, x = STRIDE * cells.mean(0) + 1.5
                    assert 4 < place[level, 0] - x < 40 and abs(place[level, 1] - y) < 20
                    seen += 1
    assert seen > 20


def test_pretraining_with_pictures_names_them_in_the_card(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in ("encoder", "localizer"):  # fewer are quicker
        monkeypatch.setattr(f"lsdc.pretraining.{part}.settings.LEAST_PATIENTS", 4)
    out = tmp_path / "w.safetensors"
    settings = EncoderSettings(backbone=TINY, patients=4, epochs=1, steps=1, batch=4, crop_px=32)
    result = pretrain_encoder(out, settings, pictures=folder, workers=1)
    card = json.loads(result.card.read_text())
    assert card["what"].endswith("trained on simulated patients and real pictures")
    assert "CC BY 4.0" in card["pictures"]["credit"] and card["command"].endswith("--pictures PICTURES")
    assert card["pictures"]["trained_on"] == {"discs": 36, "slices": 6}
    assert set(card["pictures"]["patients_held_out"]) == held_out_patients(folder)
    assert set(result.scores) == {"start", "trained", "start_on_pictures", "trained_on_pictures"}
    assert set(result.scores["trained_on_pictures"]) >= {"herniation", "mean"}
    assert str(tmp_path) not in result.card.read_text() and str(folder) not in result.card.read_text()

    few = LocalizerSettings(patients=4, epochs=1, steps=1, batch=4)
    located = pretrain_localizer(tmp_path / "weights", few, pictures=folder, workers=1)
    card = json.loads(located.card.read_text())
    assert card["pictures"]["slices_trained_on"] == {"drawn": 6, "found": 0}
    assert card["scores"]["pictures"]["slices"] == 2 and "real mid-sagittal pictures" in card["what"]
