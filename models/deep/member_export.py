"""Networks of deep members as ONNX files, for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.examples import Examples
from lsdc.models.member import NotFittedError
from lsdc.runtime.errors import ConfigError
from lsdc.runtime.onnx_export import check_installed, write_traced
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_file

_MOST_OFF = 1e-4
"""A larger difference of a probability says that the graph is another network."""


class _Graded(nn.Module):
    """Probabilities of the grades from the network's inputs in order."""

    def __init__(self, member: DeepMember[Any], names: list[str]) -> None:
        super().__init__()
        self.network, self.member, self.names = member.network, member, names

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.member.graded(dict(zip(self.names, inputs)))


def export_member(member: DeepMember[Any], examples: Examples, path: PathLike) -> dict[str, tuple[int, ...]]:
    """Write the network of a fitted deep member as an ONNX file, after comparing it with torch.

    The graph takes what `DeepMember.prepare` makes of one study, and gives the probabilities of its 25 targets. What
    `predict_proba` does besides is not part of it: to look at the mirror image too, and to mix in the frequencies of
    the grades.

    Parameters
    ----------
    member : DeepMember
        Fitted; its network is moved to the CPU.
    examples : Examples
        Whole studies with arrays, of any content: the graph is made on the first, and compared on all.
    path : path
        The file; what is there is replaced.

    Returns
    -------
    dict of str to tuple of int
        The inputs by name, with their shapes.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ConfigError
        When the packages onnx and onnxscript are not installed, or when the network cannot be written as a graph.
    """
    check_installed()
    if member.network is None:
        raise NotFittedError(f"{member.name}: not fitted; call fit before export_member")
    out, seen = check_output_file(path), []
    for study in range(len(examples) // len(TARGETS)):
        one = examples.where(np.arange(len(examples)) // len(TARGETS) == study)
        seen += [member.inputs_of(one, mirrored) for mirrored in (False, True)]
    inputs = seen[0]
    graded = _Graded(member, list(inputs)).cpu().eval()
    with atomic(out) as temporary:
        try:
            write_traced(graded, inputs, "probabilities", temporary, member=member.name)
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise ConfigError(f"{member.name}: its network cannot be written as ONNX ({reason})") from error
        off = _largest_difference(graded, temporary, seen)
        if not off <= _MOST_OFF:
            raise ConfigError(
                f"{member.name}: its network cannot be written as ONNX: what it computes depends on what it finds "
                f"(probabilities are off by {off:.1e})"
            )
    return {name: tuple(value.shape) for name, value in inputs.items()}


def _largest_difference(network: nn.Module, path: Path, seen: list[Inputs]) -> float:
    """Find by how much a graph's probabilities differ from those of torch; infinity where it cannot compute them."""
    import onnxruntime

    found = 0.0
    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        taken = {item.name for item in session.get_inputs()}
        for inputs in seen:
            given = {name: value.numpy() for name, value in inputs.items() if name in taken}
            with torch.inference_mode():
                expected = network(*inputs.values()).numpy()
            found = max(found, float(np.abs(session.run(None, given)[0] - expected).max()))
    except RuntimeError:
        return float("inf")
    return found
