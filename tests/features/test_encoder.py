"""The encoder: NaN where a view is absent, weights that come from where they should, errors that help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray

from lsdc.features.encoder import Encoder
from lsdc.runtime.errors import ArtifactError, ConfigError, LsdcError

CPU = torch.device("cpu")
SMALL = "mobilenetv3_small_050"


def encoder(backbone: str = SMALL, weights: str | Path = "random", seed: int = 0) -> Encoder:
    return Encoder.build(backbone, weights, CPU, seed)


def some_crops(n: int = 4, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (n, 3, 3, 32, 32), dtype=np.uint8)


def test_absent_views_are_nan_and_only_they() -> None:
    crops = some_crops()
    crops[1, 2] = 0
    crops[2] = 0
    made = encoder()
    embedding = made.embed(crops).reshape(4, 3, made.width)
    absent = np.isnan(embedding).all(axis=2)
    assert absent.tolist() == [[False] * 3, [False, False, True], [True] * 3, [False] * 3]
    assert np.isfinite(embedding[~absent]).all()


def test_a_study_is_embedded_alike_in_any_batch() -> None:
    made = encoder()
    crops = some_crops(6)
    np.testing.assert_allclose(made.embed(crops)[2:3], made.embed(crops[2:3]), atol=0.05)


def test_no_crop_at_all() -> None:
    made = encoder()
    assert np.isnan(made.embed(np.zeros((2, 3, 3, 16, 16), np.uint8))).all()
    assert made.embed(np.zeros((0, 3, 3, 16, 16), np.uint8)).shape == (0, 3 * made.width)


def test_random_weights_follow_the_seed_and_leave_torch_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one = encoder(seed=1)
    assert torch.rand(1) == expected
    assert one.digest == encoder(seed=1).digest != encoder(seed=2).digest


def test_saved_weights_are_the_same_encoder(tmp_path: Path) -> None:
    made = encoder(seed=3)
    made.save(tmp_path / "w.safetensors")
    again = encoder(weights=tmp_path / "w.safetensors")
    assert again.digest == made.digest
    np.testing.assert_array_equal(again.embed(some_crops()), made.embed(some_crops()))


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    encoder().save(tmp_path / "w.safetensors")
    words = f"weights of '{SMALL}', not of 'resnet10t'; choose the backbone '{SMALL}'"
    with pytest.raises(ArtifactError, match=words):
        encoder(backbone="resnet10t", weights=tmp_path / "w.safetensors")


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArtifactError, match=r"w\.safetensors: cannot be read as safetensors"):
        encoder(weights=tmp_path / "w.safetensors")
    with pytest.raises(ArtifactError, match="no such weights file; weights may be 'bundled', 'imagenet'"):
        encoder(weights=tmp_path / "none.safetensors")


def test_unknown_backbone_names_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"backbone: timm has no model 'resnet_odd'.*resnet"):
        encoder(backbone="resnet_odd")


def test_offline_hub_names_the_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> torch.nn.Module:
        if pretrained:
            raise FileNotFoundError("cannot find the requested files in the local cache")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        LsdcError, match=r"weights='imagenet'.*local cache.*'bundled'.*safetensors file.*'random'"
    ):
        encoder(weights="imagenet")


@pytest.mark.parametrize("backbone", ["resnet10t", "vit_tiny_patch16_224", "efficientnet_b0"])
def test_width_is_what_comes_out(backbone: str) -> None:
    made = encoder(backbone=backbone)
    assert made.features(np.zeros((1, 3, 32, 32), np.uint8)).shape == (1, made.width)
