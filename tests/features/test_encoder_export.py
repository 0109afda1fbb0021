"""Encoders as ONNX files give what torch gives, also where no graph is shipped."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from lsdc.commands.features_onnx import ExportOnnx
from lsdc.features import torch_encoder
from lsdc.features.encoder import Encoder
from lsdc.features.encoder_export import export_encoder
from lsdc.runtime.errors import ArtifactError, ConfigError

pytest.importorskip("onnxscript", reason="the extra lsdc-toolkit[onnx] is not installed")


def features_of(path: Path, images: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [found] = session.run(["features"], {"images": images})
    return np.asarray(found)


@pytest.mark.slow
def test_an_exported_encoder_gives_what_torch_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_encoder, "autocast_on", lambda device: nullcontext())
    encoder = Encoder.build("test_vit", "random", seed=4)
    path = export_encoder(encoder, tmp_path / "encoder.onnx", px=48)
    images = np.random.default_rng(0).integers(0, 255, (5, 3, 48, 48), dtype=np.uint8)
    expected = encoder.features(images)
    assert np.abs(features_of(path, images) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.slow
def test_the_command_writes_the_bundled_encoder(tmp_path: Path) -> None:
    written = ExportOnnx(Path("bundled"), tmp_path / "encoder.onnx").run()
    assert written.what == "regnetx_002" and written.inputs == {"images": "(n, 3, P, P) uint8"}
    images = np.random.default_rng(0).integers(0, 255, (3, 3, 64, 64), dtype=np.uint8)
    expected = Encoder.build("regnetx_002", "bundled").features(images)
    assert np.abs(features_of(written.path, images) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_what_cannot_be_exported_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--member severity_axis: is no network that looks at images"):
        ExportOnnx(Path("bundled"), tmp_path / "x.onnx", member="severity_axis").run()
    with pytest.raises(ConfigError, match="--member crop_cnn: bundled has severity_axis"):
        ExportOnnx(Path("bundled"), tmp_path / "x.onnx", member="crop_cnn").run()
    with pytest.raises(ArtifactError, match="no such store"):
        ExportOnnx(tmp_path / "none", tmp_path / "x.onnx").run()
    assert not (tmp_path / "x.onnx").exists()
