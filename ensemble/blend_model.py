"""The directory that blending leaves behind, and how it is opened again.

manifest.json            its members; written last
config.json              what was asked for; the same again resumes
stack.json               the stacker; baselines/NAME.json: those it is compared with
nested.parquet           the stack's predictions that were scored, with the grades
studies.json             the studies it was fitted on, each with a hash of what the members predicted for it
optuna.journal           all trials, unless they are in a database
report.json              scores, intervals, weights
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.model_check import BLEND_FIELDS, STUDIES
from lsdc.ensemble.stack_artifact import NESTED, StackArtifact
from lsdc.runtime.artifact import read_json
from lsdc.runtime.schema import Check, check_schema

FITTED_ON = "studies.json"
"""File of a blend's directory with the studies that it was fitted on."""


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

    @cached_property
    def fitted_on(self) -> dict[str, str]:
        """The studies it was fitted on, with `Predictions.fingerprints`; with nothing in earlier blends."""
        if self.listed.has(FITTED_ON):
            path = self.file(FITTED_ON)
            found = read_json(path)
            check_schema(found, STUDIES, path, f"make the blend again with `{self.made_by}`")
            return dict(found)
        rows = self.nested["row_id"] if self.listed.has(NESTED) else ()
        return dict.fromkeys((parse_row_id(row_id)[0] for row_id in rows), "")
