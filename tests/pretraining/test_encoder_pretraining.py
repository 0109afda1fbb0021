import json

import numpy as np
import pandas as pd
import pytest
import torch

from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.features import Pretrain
from lsdc.features.encoder import Encoder
from lsdc.phantom.tissues import Tissue
from lsdc.pretraining.encoder.label_patches import (
    FINDINGS,
    KINDS,
    MEASURES,
    PATCH_PX,
    PLANES,
    make_label_patches,
    patches_of,
)
from lsdc.pretraining.encoder.linear_probe import linear_probe
from lsdc.pretraining.encoder.random_acquisition import FRAMES, Choice, Frames, choose, frames_of, shoot
from lsdc.pretraining.encoder.tasks import Goals, Graders, Lessons, composition, lesson_loss, pair_loss
from lsdc.runtime import ConfigError

CPU = torch.device("cpu")
TINY = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    return make_label_patches(3, 11, tmp_path_factory.mktemp("patches"), workers=1)


def rows_of(n_studies, seed=0):
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


def pick(patches, frame, n=6, right=False):
    kind = min(max(FRAMES.index(frame) - 1, 0), 2)
    rows = patches.rows.index[(patches.rows.kind == kind) & patches.rows.canal_area_mm2.notna()].to_numpy()[
        :n
    ]
    return Choice(rows, np.full(len(rows), FRAMES.index(frame)), np.full(len(rows), right))


def take(patches, choice, seed=0, px=48):
    rng = np.random.default_rng(seed)
    frames = frames_of(patches.rows, choice, rng)
    tissues = patches.tissues[patches.rows.patient.to_numpy()[choice.rows]]
    return shoot(patches.labels[choice.rows], tissues, choice, frames, px, rng)


def test_patches_repeat_themselves_and_go_on_where_they_stopped(patches, tmp_path):
    labels, tissues, rows = patches_of((11, 1))
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


def test_the_box_of_a_disc_holds_the_disc(patches):
    rows = patches.rows[patches.rows.kind == KINDS.index("disc")]
    for k, row in rows.iterrows():
        sheet = patches.labels[k][PLANES // 2]
        disc = np.isin(sheet, [Tissue.NUCLEUS + int(row.disc), Tissue.ANNULUS + int(row.disc)])
        box = np.zeros_like(disc)
        box[int(row.y0) : int(row.y1), int(row.x0) : int(row.x1)] = True
        assert disc.sum() > 20 and not (disc & ~box).any()


@pytest.mark.parametrize("frame", FRAMES)
def test_images_repeat_themselves_and_differ_between_acquisitions(patches, frame):
    choice = pick(patches, frame)
    one, same, other = (take(patches, choice, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert one.shape == (len(choice.rows), 3, 48, 48) and one.min() >= 0 and one.max() <= 255
    if frame == "box":
        assert torch.equal(one[:, 0], one[:, 1]) and torch.equal(one[:, 1], one[:, 2])


def test_the_right_side_of_an_axial_patch_is_the_left_of_its_mirror_image(patches):
    left, right = pick(patches, "axial_recess"), pick(patches, "axial_recess", right=True)
    tissues = patches.tissues[patches.rows.patient.to_numpy()[left.rows]]
    labels, middle = patches.labels[left.rows], torch.full((len(left.rows), 2), (PATCH_PX - 1) / 2)
    aside = torch.tensor([14.0, 0.0])
    half = torch.full_like(middle, 40.0)
    a = shoot(labels, tissues, left, Frames(middle + aside, half), 48, np.random.default_rng(5))
    mirrored = np.ascontiguousarray(labels[..., ::-1])
    b = shoot(mirrored, tissues, right, Frames(middle - aside, half), 48, np.random.default_rng(5))
    assert (a[1] == b[1]).float().mean() > 0.99
    assert (a[0] - b[0]).abs().mean() < 12 < a[0].std()  # texture is not mirrored


def test_choices_keep_to_frames_that_the_patch_can_show(patches):
    choice = choose(patches.rows, 400, np.random.default_rng(0))
    kind = patches.rows.kind.to_numpy()[choice.rows]
    assert set(choice.frame[kind == 0]) == {0, 1} and set(choice.frame[kind == 1]) == {2}
    assert set(choice.frame[kind == 2]) == {3, 4, 5} and choice.right[kind == 2].any()
    assert not choice.right[kind != 2].any()


def test_goals_are_standardized_and_hide_what_a_crop_does_not_show(patches):
    goals = Goals(patches.rows, patches.rows.index.to_numpy())
    known = goals.measures[0][:, MEASURES.index("hydration_share")]
    assert known.mean() == pytest.approx(0, abs=1e-4) and known.std() == pytest.approx(1, abs=0.05)
    left, right = (goals.tensors(pick(patches, "axial_recess", right=side)) for side in (False, True))
    recess, area = MEASURES.index("recess_width_mm"), MEASURES.index("canal_area_mm2")
    assert not torch.equal(left["measures"][:, recess], right["measures"][:, recess])
    torch.testing.assert_close(left["measures"][:, area], right["measures"][:, area])
    box = goals.tensors(pick(patches, "box"))
    assert box["measures"][:, recess].isnan().all() and (box["grade"] == -1).all()
    assert (goals.tensors(pick(patches, "canal"))["grade"] >= 0).all()


def test_undefined_answers_do_not_count_and_lessons_can_be_left_out(patches):
    torch.manual_seed(0)
    network = Graders(Encoder.build(TINY, "random", CPU)).eval()
    choice = pick(patches, "canal", 4)
    images, seen, t2 = take(patches, choice, px=96)
    goals = Goals(patches.rows, patches.rows.index.to_numpy()).tensors(choice)
    batch = {**goals, "images": images, "t2": t2, "seen": seen}
    with torch.no_grad():
        answers = network(images)
    shares = composition(seen, 12)
    assert answers["tissues"].shape == shares.shape == (4, 11, 12, 12)
    torch.testing.assert_close(shares.sum(1), torch.ones(4, 12, 12))
    silent = batch | {
        "measures": torch.full_like(batch["measures"], torch.nan),
        "grade": torch.full((4,), -1),
    }
    unknown = lesson_loss(answers, silent, Lessons())
    assert torch.isfinite(unknown)
    assert (
        lesson_loss(answers, silent | {"measures": torch.full_like(batch["measures"], 5.0)}, Lessons())
        > unknown + 1
    )
    nothing = Lessons(0, 0, 0, 0, 0, 0)
    assert float(lesson_loss(answers, batch, nothing)) == 0
    assert answers["findings"].shape == (4, len(FINDINGS) + 1)


def test_pairs_that_agree_cost_less():
    vectors = torch.eye(6)
    assert (
        pair_loss(torch.cat([vectors, vectors]))
        < 0.2
        < 1
        < pair_loss(torch.cat([vectors, vectors.roll(1, 0)]))
    )


def test_the_probe_finds_what_is_there_and_nothing_else():
    rows, value = rows_of(40)
    rng = np.random.default_rng(1)
    telling = np.column_stack([value, *rng.normal(size=(5, len(rows)))]).astype(np.float32)
    silent = rng.normal(size=(len(rows), 6)).astype(np.float32)
    silent[::7] = np.nan
    good, bad = linear_probe(telling, rows), linear_probe(silent, rows)
    assert good["r2"] > 0.95 and abs(bad["r2"]) < 0.2
    assert good["loss"] < bad["loss"]


def test_too_few_patients_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--patients must be at least 10, not 3"):
        Pretrain(tmp_path / "w.safetensors", patients=3).run()
    assert not list(tmp_path.iterdir())


def test_pretraining_writes_weights_and_a_card(tmp_path):
    out = tmp_path / "w.safetensors"
    result = Pretrain(
        out, backbone=TINY, patients=10, epochs=2, steps=2, batch=8, crop_px=32, workers=1
    ).run()
    assert set(result.scores) == {"random", "trained"}
    card = json.loads(out.with_suffix(".json").read_text())
    made = Encoder.build(TINY, str(out), CPU)
    assert card["digest"] == made.digest and len(card["validation_loss"]) == 2
    assert str(tmp_path) not in out.with_suffix(".json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]
