"""The encoder: NaN where a view is absent, weights that come from where they should, errors that help."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray

from lsdc.features import torch_encoder
from lsdc.features.encoder import Encoder
from lsdc.features.onnx_encoder import graph_of
from lsdc.features.store_settings import Settings
from lsdc.runtime.artifact import write_tensors
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


GRAPHED = "regnetx_002"


def in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the CPU computes in bfloat16, torch would be the one that is wrong."""
    monkeypatch.setattr(torch_encoder, "autocast_on", lambda device: nullcontext())


@pytest.mark.parametrize("n", [1, 7])
@pytest.mark.parametrize("weights", ["bundled", "random"])
def test_the_shipped_graph_gives_what_torch_gives(
    weights: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_single_precision(monkeypatch)
    made = encoder(GRAPHED, weights, seed=n)
    images = np.random.default_rng(n).integers(0, 255, (n, 3, 96, 96), dtype=np.uint8)
    digest, found, width = made.digest, made.features(images), made.width
    assert made.network.training is False  # from here on torch computes
    expected = made.features(images)
    assert found.shape == expected.shape == (n, width) and made.width == width
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()
    assert made.digest == digest


def test_a_changed_network_is_what_embeds_and_is_saved(tmp_path: Path) -> None:
    made = encoder(GRAPHED, "bundled")
    before, digest = made.embed(some_crops()), made.digest
    with torch.no_grad():
        for value in made.network.parameters():
            value.mul_(1.1)
    assert np.abs(made.embed(some_crops()) - before).max() > 0.01
    assert made.digest != digest
    made.save(tmp_path / "w.safetensors")
    assert encoder(GRAPHED, tmp_path / "w.safetensors").digest == made.digest


def test_weights_for_the_graph_are_checked_as_others_are(tmp_path: Path) -> None:
    encoder().save(tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError, match=f"weights of '{SMALL}', not of '{GRAPHED}'"):
        encoder(GRAPHED, tmp_path / "other.safetensors")
    write_tensors(tmp_path / "part.safetensors", {"stem.conv.weight": np.zeros((32, 3, 3, 3), np.float32)})
    with pytest.raises(ArtifactError, match=r"does not fit backbone 'regnetx_002': \d+ of 264 tensors"):
        encoder(GRAPHED, tmp_path / "part.safetensors")


def test_no_path_is_taken_for_a_graph() -> None:
    assert graph_of("../graphs/regnetx_002") is None and graph_of("resnet18") is None
    assert graph_of(GRAPHED) is not None


def test_integers_are_near_and_say_so_in_the_digest(tmp_path: Path) -> None:
    usual, reduced = (Encoder.build(GRAPHED, "bundled", precision=name) for name in ("float32", "int8"))
    coarse = np.kron(np.random.default_rng(0).integers(0, 200, (9, 3, 6, 6)), np.ones((16, 16)))
    images = (coarse + np.random.default_rng(1).integers(0, 55, coarse.shape)).astype(np.uint8)
    one, two = usual.features(images), reduced.features(images)
    cosine = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    assert cosine.min() > 0.99 and np.abs(one - two).max() > 1e-3
    assert reduced.digest != usual.digest
    reduced.save(tmp_path / "w.safetensors")
    assert Encoder.build(GRAPHED, tmp_path / "w.safetensors", precision="int8").digest == reduced.digest


def test_integers_are_for_what_they_were_measured_with() -> None:
    with pytest.raises(ConfigError, match="'int8' is for the bundled weights of the backbone 'regnetx_002'"):
        Encoder.build(GRAPHED, "random", precision="int8")
    with pytest.raises(ConfigError, match="'int8' is for the backbone 'regnetx_002', not 'mobilenet"):
        Encoder.build(SMALL, "random", precision="int8")
    with pytest.raises(ConfigError, match="'int8' is computed on a CPU, not on 'cuda'"):
        Encoder.build(GRAPHED, "bundled", "cuda", precision="int8")


def test_settings_name_the_precision_where_it_is_not_the_usual_one() -> None:
    assert "precision" not in Settings().content()
    assert Settings(precision="int8").content()["precision"] == "int8"
    with pytest.raises(ConfigError, match="precision must be 'float32' or 'int8', not 'int4'"):
        Settings(precision="int4")  # type: ignore[arg-type]
