"""The directory that blending leaves behind, and how it is opened again.

manifest.json            its members; written last
config.json              what was asked for; the same again resumes
stack.json               the stacker; baselines/NAME.json: those it is compared with
nested.parquet           the stack's predictions that were scored, with the grades
optuna.journal           all trials, unless they are in a database
report.json              scores, intervals, weights
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lsdc.ensemble.model_check import BLEND_FIELDS
from lsdc.ensemble.stack_artifact import StackArtifact
from lsdc.runtime.schema import Check


@dataclass(frozen=True, repr=False)
class BlendModel(StackArtifact):
    """A finished blend of prediction tables; use `BlendModel.open`.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.
    remote : RemoteFolder, optional
        Where it lies behind a URL.
    """

    kind: ClassVar[str] = "blend"
    made_by: ClassVar[str] = "lsdc-ensemble blend --labels LABELS --members DIR --out MODEL"
    files: ClassVar[tuple[str, ...]] = ("stack.json",)
    _fields: ClassVar[Check] = BLEND_FIELDS
