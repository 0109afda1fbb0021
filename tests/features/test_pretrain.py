import json

import numpy as np
import pandas as pd
import pytest
import torch

from lsdc.cohort import TARGETS
from lsdc.features import pretrain_localizer
from lsdc.features.annotated import Material
from lsdc.features.augment import Augment, middle
from lsdc.features.cli import Pretrain, PretrainLocalizer
from lsdc.features.encoder import Encoder
from lsdc.features.graders import GROUPS, Goals, Graders, grading_loss, group_of
from lsdc.features.probe import linear_probe
from lsdc.runtime import ConfigError, TableError

CPU = torch.device("cpu")


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
    for name, family in (
        ("canal_area_mm2", "spinal"),
        ("foramen_fat_mm2", "foraminal"),
        ("recess_width_mm", "subarticular"),
    ):
        rows[name] = np.where(rows.family == family, 100 - 20 * value, np.nan)
    return rows, value


def test_augmentation_repeats_itself_and_keeps_the_middle():
    pictures = torch.zeros(6, 3, 40, 40, dtype=torch.uint8)
    pictures[:, :, 18:22, 18:22] = 200
    axial = torch.tensor([True, False] * 3)
    one, two = (Augment()(pictures, axial, 30, torch.Generator().manual_seed(k)) for k in (1, 1))
    assert torch.equal(one, two) and one.shape == (6, 3, 30, 30)
    assert one.min() >= 0 and one.max() <= 255
    bright = one.mean(1).flatten(1).argmax(1)
    assert ((bright // 30 - 14.5).abs() < 6).all() and ((bright % 30 - 14.5).abs() < 6).all()


def test_no_augmentation_is_the_middle():
    pictures = torch.randint(0, 255, (5, 3, 40, 40), dtype=torch.uint8)
    still = Augment(shift=0, zoom=0, turn=0, gamma=1, noise=0, blur=1)
    generator = torch.Generator().manual_seed(0)
    changed = still(pictures, torch.zeros(5, dtype=torch.bool), 30, generator)
    wanted = middle(pictures, 30)
    assert torch.corrcoef(torch.stack([changed[:, 1].flatten(), wanted[:, 1].flatten()]))[0, 1] > 0.9


def test_goals_are_standardized_per_family():
    rows, _ = rows_of(20)
    material = Material(
        np.zeros((len(rows), 3, 3, 8, 8), np.uint8), rows, ("canal_area_mm2", "recess_width_mm")
    )
    goals = Goals(material, np.arange(len(rows)))
    spinal = rows.family.to_numpy() == "spinal"
    assert goals.measures[spinal, 0].mean() == pytest.approx(0, abs=1e-5)
    assert goals.measures[spinal, 0].std() == pytest.approx(1, abs=0.05)
    assert np.isnan(goals.measures[spinal, 1]).all()
    assert len(np.unique(group_of(rows))) == len(GROUPS)


def test_undefined_measurements_do_not_count():
    torch.manual_seed(0)
    network = Graders(Encoder.build("mobilenetv3_small_050", "random", CPU), 2).eval()
    batch = {
        "pictures": torch.rand(4, 3, 32, 32) * 255,
        "group": torch.tensor([0, 4, 8, 1]),
        "measures": torch.full((4, 2), torch.nan),
        "grade": torch.tensor([0, 1, 2, 0]),
    }
    unknown = grading_loss(network, batch)
    assert torch.isfinite(unknown)
    known = grading_loss(network, batch | {"measures": torch.full((4, 2), 3.0)})
    assert known > unknown + 1


def test_the_probe_finds_what_is_there_and_nothing_else():
    rows, value = rows_of(40)
    rng = np.random.default_rng(1)
    telling = np.column_stack([value, *rng.normal(size=(5, len(rows)))]).astype(np.float32)
    silent = rng.normal(size=(len(rows), 6)).astype(np.float32)
    silent[::7] = np.nan
    good, bad = linear_probe(telling, rows), linear_probe(silent, rows)
    assert good["r2"] > 0.95 and abs(bad["r2"]) < 0.2
    assert good["loss"] < bad["loss"]


def test_too_few_studies_and_other_cohorts_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="--studies must be at least 10, not 3"):
        Pretrain(tmp_path / "w.safetensors", studies=3).run()
    assert not list(tmp_path.iterdir())
    (tmp_path / "cohort").mkdir()
    with pytest.raises(
        TableError, match=r"no config\.json of a simulated cohort; make one with `lsdc-phantom make`"
    ):
        Pretrain(tmp_path / "w.safetensors", cohort=tmp_path / "cohort").run()


def test_pretraining_writes_weights_and_a_card(few_studies, tmp_path):
    out = tmp_path / "w.safetensors"
    command = Pretrain(
        out, backbone="mobilenetv3_small_050", cohort=few_studies, epochs=1, batch=16, crop_px=32, workers=1
    )
    result = command.run()
    assert set(result.scores) == {"random", "trained"}
    card = json.loads(out.with_suffix(".json").read_text())
    made = Encoder.build("mobilenetv3_small_050", str(out), CPU)
    assert card["digest"] == made.digest and len(card["validation_loss"]) == 1
    assert str(tmp_path) not in out.with_suffix(".json").read_text()
    assert str(few_studies) not in out.with_suffix(".json").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]


def test_pretraining_a_localizer_learns_from_the_annotated_studies(few_studies, tmp_path, monkeypatch):
    seen = {}

    def remember(examples, out, seed, epochs, device):
        seen.update(examples=examples, out=out, seed=seed, epochs=epochs)
        return {"scores": {}}

    monkeypatch.setattr(pretrain_localizer, "pretrain_localizer", remember)
    PretrainLocalizer(tmp_path / "weights", cohort=few_studies, epochs=7, seed=2, workers=1).run()
    assert len(seen["examples"]) == 4 and (seen["epochs"], seen["seed"]) == (7, 2)
    assert not list(tmp_path.glob("*.unfinished"))
