"""The outcome of stacking: which stacker was chosen, its weights, and what it is worth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lsdc.ensemble.exhaustion_report import EXHAUSTION_FIELDS, Exhaustion
from lsdc.ensemble.model_check import REPORT_FIELDS
from lsdc.ensemble.nested_report import NestedReport
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import read_json
from lsdc.runtime.paths import PathLike
from lsdc.runtime.schema import check_schema

REPORT = "report.json"
"""File of a model directory that holds the outcome."""


@dataclass(frozen=True, repr=False)
class Stacked:
    """A stack that was fitted, saved and scored.

    Parameters
    ----------
    model : Path
        The directory that holds it.
    studies : int
        Number of studies it was fitted on.
    chosen : str
        Name of the stacker that predicts: `tuned`, or `plain_mean` where nothing surely beats it.
    weights : dict of str to dict of str to float
        By family: the positive weights of members and stackers in the tuned mix; they sum to 1.
    report : NestedReport
        Scores on studies held out, beside the baselines.
    exhaustion : Exhaustion, optional
        What would and would not make the stack better; None for one that an earlier version made.
    """

    model: Path
    studies: int
    chosen: str
    weights: dict[str, dict[str, float]]
    report: NestedReport
    exhaustion: Exhaustion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give what report.json holds, and the directory.

        Returns
        -------
        dict
            `model`, `studies`, `chosen`, `weights`, `exhaustion`, and the fields of the report beside them.
        """
        return {
            "model": str(self.model),
            "studies": self.studies,
            "chosen": self.chosen,
            "weights": self.weights,
            "exhaustion": None if self.exhaustion is None else asdict(self.exhaustion),
            **asdict(self.report),
        }

    @classmethod
    def read(cls, model: PathLike) -> Self:
        """Read the outcome from the report.json of a model or blend directory.

        Parameters
        ----------
        model : path
            The directory.

        Returns
        -------
        Stacked
            Of the class that was asked; `model` is the directory given, also when it was moved.

        Raises
        ------
        ArtifactError
            When report.json is absent or damaged.
        """
        path = Path(model) / REPORT
        record = read_json(path)
        check_schema(record, REPORT_FIELDS, path, "fit again")
        found = record.get("exhaustion")
        if found is not None:
            check_schema(found, EXHAUSTION_FIELDS, path, "fit again")
        try:
            report = NestedReport.from_dict(record)
            exhaustion = None if found is None else Exhaustion.from_dict(found)
            return cls(
                Path(model), record["studies"], record["chosen"], record["weights"], report, exhaustion
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path}: damaged ({error!r}); fit again") from error

    def weights_table(self) -> pd.DataFrame:
        """Put the weights of the families side by side.

        Returns
        -------
        DataFrame
            Index: members and stackers with a weight in some family; columns: the families.
        """
        names = list(dict.fromkeys(name for weights in self.weights.values() for name in weights))
        columns = {family: [own.get(name, 0.0) for name in names] for family, own in self.weights.items()}
        return pd.DataFrame(columns, index=pd.Index(names, name="member or stacker", dtype=str))

    def __repr__(self) -> str:
        """Name the directory, the chosen stacker, and the nested score with its interval."""
        return (
            f"{type(self).__name__}({str(self.model)!r}, {self.studies} studies, chosen={self.chosen!r}, "
            f"nested score {self._score()})"
        )

    def _score(self) -> str:
        interval = self.report.interval
        return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"

    def _repr_html_(self) -> str:
        """Show scores and weights as tables in notebooks."""
        return (
            f"<p><b>{type(self).__name__}</b>: {self.studies} studies, stacker {self.chosen}, nested score "
            f"{self._score()}</p>"
            f"{self.report.table().to_html(float_format='{:.4f}'.format)}"
            f"{self.weights_table().to_html(float_format='{:.3f}'.format)}"
        )
