"""Label patches under random acquisitions, the tasks asked about them, and the training of the bundled encoder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.encoder import Encoder
from lsdc.phantom.tissues import Tissue
from lsdc.pretraining.encoder.batches import Batch
from lsdc.pretraining.encoder.label_patches import LabelPatches, draw_label_patches, make_label_patches
from lsdc.pretraining.encoder.losses import pair_loss, task_loss
from lsdc.pretraining.encoder.patch_cutting import KINDS, PATCH_PX, PLANES
from lsdc.pretraining.encoder.patch_table import FINDINGS, MEASURES
from lsdc.pretraining.encoder.probe_scores import probe_scores
from lsdc.pretraining.encoder.random_acquisition import (
    FRAMES,
    Choice,
    Frames,
    RandomImages,
    choose,
    draw_frames,
    draw_images,
)
from lsdc.pretraining.encoder.right_answers import RightAnswers
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.pretraining.encoder.tasks import TaskNetwork
from lsdc.pretraining.encoder.tissue_classes import composition
from lsdc.pretraining.encoder.train import pretrain_encoder
from lsdc.runtime import ConfigError

CPU = torch.device("cpu")
TINY = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> LabelPatches:
    return make_label_patches(3, 11, tmp_path_factory.mktemp("patches"), workers=1)


def rows_of(n_studies: int, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [
            (f"s{k}", t.condition.value, t.level.value, t.condition.family.value)
            for k in range(n_studies)
            for t in TARGETS
        ],
        columns=["study_id", "condition", "level", "family"],
    )
    value = rng.normal(size=len(rows))
    rows["grade"] = np.digitize(value, (0.5, 1.2))
    measured = {"canal_area_mm2": "spinal", "foramen_fat_mm2": "foraminal", "recess_width_mm": "subarticular"}
    for name, family in measured.items():
        rows[name] = np.where(rows.family == family, 100 - 20 * value, np.nan)
    return rows, value


def pick(patches: LabelPatches, frame: str, n: int = 6, right: bool = False) -> Choice:
    kind = min(max(FRAMES.index(frame) - 1, 0), 2)
    rows = patches.rows.index[(patches.rows.kind == kind) & patches.rows.canal_area_mm2.notna()].to_numpy()[
        :n
    ]
    return Choice(rows, np.full(len(rows), FRAMES.index(frame)), np.full(len(rows), right))


def take(patches: LabelPatches, choice: Choice, seed: int = 0, px: int = 48) -> RandomImages:
    rng = np.random.default_rng(seed)
    frames = draw_frames(patches.rows, choice, rng)
    tissues = patches.tissues[patches.rows.patient.to_numpy()[choice.rows]]
    return draw_images(patches.labels[choice.rows], tissues, choice, frames, px, rng)


def test_patches_repeat_themselves_and_resume_where_they_stopped(
    patches: LabelPatches, tmp_path: Path
) -> None:
    labels, tissues, rows = draw_label_patches((11, 1))
    mine = patches.rows.patient == 1
    np.testing.assert_array_equal(patches.labels[mine.to_numpy()], labels)
    np.testing.assert_array_equal(patches.tissues[1], tissues)
    assert labels.shape == (19, PLANES, PATCH_PX, PATCH_PX)
    assert rows.kind.value_counts().to_dict() == {0: 9, 1: 5, 2: 5}
    before = make_label_patches(2, 11, tmp_path, workers=1)
    (work,) = tmp_path.iterdir()
    stamp = (work / "1.npz").stat().st_mtime_ns
    (work / "0.npz").unlink()
    (work / "labels.npy").unlink()
    again = make_label_patches(2, 11, tmp_path, workers=1)
    assert (work / "1.npz").stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(before.labels, again.labels)
    pd.testing.assert_frame_equal(before.rows, again.rows)


def test_the_box_of_a_disc_holds_the_disc(patches: LabelPatches) -> None:
    rows = patches.rows[patches.rows.kind == KINDS.index("disc")]
    for k, (_, row) in zip(rows.index.tolist(), rows.iterrows()):
        plane = patches.labels[k][PLANES // 2]
        disc = np.isin(plane, [Tissue.NUCLEUS + int(row.disc), Tissue.ANNULUS + int(row.disc)])
        box = np.zeros_like(disc)
        box[int(row.y0) : int(row.y1), int(row.x0) : int(row.x1)] = True
        assert disc.sum() > 20 and not (disc & ~box).any()


@pytest.mark.parametrize("frame", FRAMES)
def test_images_repeat_themselves_and_differ_between_acquisitions(patches: LabelPatches, frame: str) -> None:
    choice = pick(patches, frame)
    one, same, other = (take(patches, choice, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == (len(choice.rows), 3, 48, 48) and one.min() >= 0 and one.max() <= 255
    if frame == "box":
        assert torch.equal(one[:, 0], one[:, 1]) and torch.equal(one[:, 1], one[:, 2])


def test_the_right_side_of_an_axial_patch_is_the_left_of_its_mirror_image(patches: LabelPatches) -> None:
    left, right = pick(patches, "axial_recess"), pick(patches, "axial_recess", right=True)
    tissues = patches.tissues[patches.rows.patient.to_numpy()[left.rows]]
    labels, middle = patches.labels[left.rows], torch.full((len(left.rows), 2), (PATCH_PX - 1) / 2)
    aside = torch.tensor([14.0, 0.0])
    half = torch.full_like(middle, 40.0)
    a = draw_images(labels, tissues, left, Frames(middle + aside, half), 48, np.random.default_rng(5))
    mirrored = np.ascontiguousarray(labels[..., ::-1])
    b = draw_images(mirrored, tissues, right, Frames(middle - aside, half), 48, np.random.default_rng(5))
    assert (a[1] == b[1]).float().mean() > 0.99
    assert (a[0] - b[0]).abs().mean() < 12 < a[0].std()  # texture is not mirrored


def test_choices_keep_to_frames_that_the_patch_can_show(patches: LabelPatches) -> None:
    choice = choose(patches.rows, 400, np.random.default_rng(0))
    kind = patches.rows.kind.to_numpy()[choice.rows]
    assert set(choice.frame[kind == 0]) == {0, 1} and set(choice.frame[kind == 1]) == {2}
    assert set(choice.frame[kind == 2]) == {3, 4, 5} and choice.right[kind == 2].any()
    assert not choice.right[kind != 2].any()


def test_measures_are_standardized_and_those_that_a_crop_does_not_show_are_hidden(
    patches: LabelPatches,
) -> None:
    answers = RightAnswers(patches.rows, patches.rows.index.to_numpy())
    known = answers.measures[0][:, MEASURES.index("hydration_share")]
    assert known.mean() == pytest.approx(0, abs=1e-4) and known.std() == pytest.approx(1, abs=0.05)
    left, right = (answers.about(pick(patches, "axial_recess", right=side)) for side in (False, True))
    recess, area = MEASURES.index("recess_width_mm"), MEASURES.index("canal_area_mm2")
    assert not torch.equal(left.measures[:, recess], right.measures[:, recess])
    torch.testing.assert_close(left.measures[:, area], right.measures[:, area])
    box = answers.about(pick(patches, "box"))
    assert box.measures[:, recess].isnan().all() and (box.grade == -1).all()
    assert (answers.about(pick(patches, "canal")).grade >= 0).all()


def test_unknown_answers_do_not_count_and_tasks_can_be_left_out(patches: LabelPatches) -> None:
    torch.manual_seed(0)
    network = TaskNetwork(Encoder.build(TINY, "random", CPU)).eval()
    choice = pick(patches, "canal", 4)
    shown = take(patches, choice, px=96)
    answers = RightAnswers(patches.rows, patches.rows.index.to_numpy()).about(choice)
    with torch.no_grad():
        outputs = network(shown.images)
    fractions = composition(shown.seen, 12)
    assert outputs.tissues.shape == fractions.shape == (4, 11, 12, 12)
    torch.testing.assert_close(fractions.sum(1), torch.ones(4, 12, 12))
    nothing_known = answers._replace(
        measures=torch.full_like(answers.measures, torch.nan), grade=torch.full((4,), -1)
    )
    unknown = task_loss(outputs, Batch(*shown, nothing_known), TaskWeights())
    assert torch.isfinite(unknown)
    wrong = nothing_known._replace(measures=torch.full_like(answers.measures, 5.0))
    assert task_loss(outputs, Batch(*shown, wrong), TaskWeights()) > unknown + 1
    no_task = TaskWeights(0, 0, 0, 0, 0, 0, 0, 0)
    assert float(task_loss(outputs, Batch(*shown, answers), no_task)) == 0
    assert outputs.findings.shape == (4, len(FINDINGS) + 1)


def test_pairs_that_agree_cost_less() -> None:
    vectors = torch.eye(6)
    assert (
        pair_loss(torch.cat([vectors, vectors]))
        < 0.2
        < 1
        < pair_loss(torch.cat([vectors, vectors.roll(1, 0)]))
    )


def test_the_probe_finds_what_is_there_and_nothing_else() -> None:
    rows, value = rows_of(40)
    rng = np.random.default_rng(1)
    telling = np.column_stack([value, *rng.normal(size=(5, len(rows)))]).astype(np.float32)
    silent = rng.normal(size=(len(rows), 6)).astype(np.float32)
    silent[::7] = np.nan
    good, bad = probe_scores(telling, rows), probe_scores(silent, rows)
    assert good["r2"] > 0.95 and abs(bad["r2"]) < 0.2
    assert good["loss"] < bad["loss"]


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(ConfigError, match="patients must be at least 10, not 3"):
        EncoderSettings(patients=3)


def test_pretraining_writes_weights_and_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsdc.pretraining.encoder.settings.LEAST_PATIENTS", 4)  # fewer are quicker
    out = tmp_path / "w.safetensors"
    settings = EncoderSettings(backbone=TINY, patients=4, epochs=2, steps=2, batch=8, crop_px=32)
    result = pretrain_encoder(str(out), settings, workers=1)
    assert set(result.scores) == {"start", "trained"} and result.weights == out
    assert result.card == out.with_suffix(".json")
    card = json.loads(result.card.read_text())
    made = Encoder.build(TINY, str(out), CPU)
    assert card["digest"] == made.digest and len(card["validation_loss"]) == 2
    assert set(card["recipe"]["lessons"]) == {
        "measures",
        "findings",
        "level",
        "grade",
        "tissues",
        "pairs",
        "gradings",
        "moments",
    }
    assert str(tmp_path) not in result.card.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
