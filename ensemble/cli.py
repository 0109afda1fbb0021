"""`lsdc-ensemble`: fit, predict, score."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.console import run_command, table

if TYPE_CHECKING:
    from lsdc.ensemble.metric import Scores


@dataclass(frozen=True)
class Score:
    """Score a submission with the official metric.

    Examples:
        lsdc-ensemble score train.csv submission.csv
    """

    labels: Positional[Path]
    """train.csv, or a solution table with one-hot grades"""
    submission: Positional[Path]
    """row_id, normal_mild, moderate, severe; CSV or Parquet"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Scores:
        """Score."""
        from lsdc.ensemble.score import score_files

        scores = score_files(self.labels, self.submission)
        names = [field.name for field in fields(scores)]
        table("official score (lower is better)", names, [[getattr(scores, name) for name in names]])
        return scores


COMMANDS: dict[str, type] = {"score": Score}


def main(args: Sequence[str] | None = None) -> int:
    """Run `lsdc-ensemble`."""
    return run_command(COMMANDS, "lsdc-ensemble", "Ensembles of lumbar spine grading models.", args)


if __name__ == "__main__":
    sys.exit(main())
