"""Everything practitioners ask of predictions, per condition and level, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.metrics.bootstrap import study_counts
from lsdc.metrics.comparison import compare_predictions
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.group_rows import MEASURES, GroupRows
from lsdc.metrics.target_groups import ALL, target_groups
from lsdc.runtime import ConfigError, TableError
from lsdc.runtime.artifact import atomic
from lsdc.runtime.console import track
from lsdc.runtime.paths import PathLike
from lsdc.runtime.seeds import check_seed


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Measures and confusion matrices of predictions; a notebook shows the pooled measures.

    Parameters
    ----------
    measures : DataFrame
        Columns predictions, condition, level (`all` where pooled), measure (one of `MEASURES`), value, and low and
        high, the limits of the 95 % interval: over resamples of the studies; of single targets Wilson's, for what is a
        proportion of rows, and else NaN.
    confusion : DataFrame
        Columns predictions, condition, level, and nine counts: `severe_called_moderate` is how many targets that
        readers graded severe have moderate as the most probable grade.
    comparisons : DataFrame
        Each two of the predictions, as `compare_predictions` gives them; empty where there is one.
    lacking : dict of str to int
        By predictions: labeled rows of its studies that it does not have, where there are such. It is measured on the
        rows that it has.
    coverage : dict of str to (int, int)
        By predictions: labeled studies that it does not have, and studies of it that have no label, where there are
        such. It is measured on the studies that both have.
    readers : tuple of str
        Which of the predictions are grades of readers, without probabilities.
    """

    measures: pd.DataFrame
    confusion: pd.DataFrame
    comparisons: pd.DataFrame
    lacking: dict[str, int]
    coverage: dict[str, tuple[int, int]]
    readers: tuple[str, ...]

    def pooled(self) -> pd.DataFrame:
        """Put the measures over all targets side by side.

        Returns
        -------
        DataFrame
            Index: the predictions; columns: the measures.
        """
        rows = self.measures[(self.measures["condition"] == ALL) & (self.measures["level"] == ALL)]
        wide = rows.pivot(index="predictions", columns="measure", values="value")
        return wide.loc[rows["predictions"].unique(), list(MEASURES)]

    def write(self, path: PathLike) -> Path:
        """Write the tables as CSV, each whole or not at all.

        Parameters
        ----------
        path : path
            File of the measures; the confusion matrices go beside it as `<name>_confusion.csv`, and what two
            predictions differ by as `<name>_comparisons.csv`.

        Returns
        -------
        Path
            File of the confusion matrices.
        """
        path = Path(path)
        with atomic(path) as temporary:
            self.measures.to_csv(temporary, index=False, float_format="%.6g")
        counts = path.with_name(f"{path.stem}_confusion{path.suffix}")
        with atomic(counts) as temporary:
            self.confusion.to_csv(temporary, index=False)
        compared = path.with_name(f"{path.stem}_comparisons{path.suffix}")
        if len(self.comparisons):
            with atomic(compared) as temporary:
                self.comparisons.to_csv(temporary, index=False, float_format="%.6g")
        else:  # those of an earlier run would be of other predictions
            compared.unlink(missing_ok=True)
        return counts

    def __repr__(self) -> str:
        """Name the predictions and their official scores."""
        scores = ", ".join(f"{name}: {score:.4f}" for name, score in self.pooled()["official"].items())
        return f"Evaluation({scores})"

    def _repr_html_(self) -> str:
        """Show the measures over all targets in notebooks."""
        return f"<p><b>Evaluation</b>, all targets</p>{self.pooled().to_html(float_format='{:.3f}'.format)}"


def evaluate_predictions(
    predictions: Sequence[GradedPredictions], *, resamples: int = 200, seed: int = 0
) -> Evaluation:
    """Measure predictions per group of targets, with bootstrap intervals over studies, and compare each two.

    Parameters
    ----------
    predictions : sequence of GradedPredictions
        At least one; names must differ.
    resamples : int
        Number of bootstrap resamples; 0 leaves the intervals out.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    Evaluation
        For each of the predictions and each group that has a label.

    Raises
    ------
    ConfigError
        When there are no predictions, or `resamples` or `seed` is negative.
    TableError
        When two of the predictions have the same name.
    """
    if not predictions:
        raise ConfigError("nothing to evaluate; give a prediction table or a model directory")
    if resamples < 0:
        raise ConfigError(f"resamples must not be negative, as {resamples} is")
    check_seed(seed)
    names = [one.name for one in predictions]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise TableError(f"{twice[0]}: two of the predictions have this name; rename one")
    measures: list[dict[str, Any]] = []
    matrices: list[dict[str, Any]] = []
    samples: list[dict[tuple[str, str], NDArray[np.float64]]] = []
    for one in track(predictions, "evaluating"):
        samples.append({})
        counts = study_counts(len(one.grades), resamples, seed)
        for group in target_groups():
            rows = GroupRows.of(one, group)
            if len(rows.truth) == 0:
                continue
            place: dict[str, Any] = {
                "predictions": one.name,
                "condition": group.condition,
                "level": group.level,
            }
            drawn = rows.resampled(counts if group.pooled else counts[:0])
            samples[-1][group.condition, group.level] = drawn
            measures += [
                place | {"measure": name, "value": it.value, "low": it.low, "high": it.high}
                for name, it in rows.intervals(drawn).items()
            ]
            matrices.append(place | rows.confusion_counts())
    return Evaluation(
        pd.DataFrame(measures),
        pd.DataFrame(matrices),
        compare_predictions(predictions, samples, resamples=resamples, seed=seed),
        {one.name: one.lacking for one in predictions if one.lacking},
        {one.name: (one.absent, one.unknown) for one in predictions if one.absent or one.unknown},
        tuple(one.name for one in predictions if one.reader),
    )
