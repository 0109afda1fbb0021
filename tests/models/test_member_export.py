"""Networks of deep members as ONNX files: compared with torch, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsdc.models.deep.member_export import export_member
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.member import NotFittedError
from lsdc.models.options import Options
from lsdc.models.registry import MEMBERS
from lsdc.runtime.errors import ConfigError
from lsdc.testing.planted_examples import make_examples

pytest.importorskip("onnxscript", reason="the extra lsdc-toolkit[onnx] is not installed")
TINY = Options(preset="tiny", backbone="test_resnet", weights="random", device="cpu")


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return make_examples(6, folder=tmp_path_factory.mktemp("studies") / "arrays")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crop_cnn", "multilabel", "sequence", "multitask", "detect_classify"])
def test_a_members_network_gives_what_torch_gives(
    name: str, studies: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    monkeypatch.setattr(
        MEMBERS[name], "sizes", {"tiny": Sizes(px=48, batch=3, epochs=1, rate=1e-3, width=16)}
    )
    member: Any = MEMBERS[name](0, TINY).fit(studies, studies.where(studies.grades < -1))
    shapes = export_member(member, studies, tmp_path / "member.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "member.onnx"), providers=["CPUExecutionProvider"])
    assert {item.name for item in session.get_inputs()} <= shapes.keys()
    one = studies.where(np.arange(len(studies)) // 25 == 4)
    inputs = member.inputs_of(one)
    taken = {item.name: inputs[item.name].numpy() for item in session.get_inputs()}
    [found] = session.run(["probabilities"], taken)
    with torch.inference_mode():
        expected = member.graded(inputs).numpy()
    assert found.shape == (1, 25, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_network_that_a_graph_cannot_follow_is_refused(
    studies: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = MEMBERS["crop_cnn"]
    with pytest.raises(NotFittedError, match="crop_cnn: not fitted"):
        export_member(kind(0, TINY), studies, tmp_path / "member.onnx")
    monkeypatch.setattr(kind, "sizes", {"tiny": Sizes(px=48, batch=3, epochs=1, rate=1e-3, width=16)})
    member = kind(0, TINY).fit(studies, studies.where(studies.grades < -1))
    graded = kind.graded

    def brightness_decides(self: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        found = graded(self, inputs)
        return found if float(inputs["crops"].mean()) > shown else found.flip(2)

    shown = float(member.inputs_of(studies.where(np.arange(len(studies)) < 25))["crops"].mean()) - 1e-6
    monkeypatch.setattr(kind, "graded", brightness_decides)
    with pytest.raises(ConfigError, match=r"crop_cnn: its network cannot be written.*are off by"):
        export_member(member, studies, tmp_path / "member.onnx")
    assert not list(tmp_path.iterdir())
