"""Writes what a model predicts, in one order of rows and one weighting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lsdc.ensemble.held_out import predict_held_out
from lsdc.ensemble.model import Model
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.weighting import Weighting, reweighted
from lsdc.features.sight import Sight
from lsdc.metrics.official import Probabilities
from lsdc.metrics.prediction_tables import row_ids, write_submission


@dataclass(frozen=True)
class PredictionWriter:
    """Writes tables of the same studies.

    Parameters
    ----------
    studies : tuple of str
        Ids of the n studies.
    order : sequence of str or None
        The row ids that a sample submission asks for; the table then has its columns and no other. None writes all.
    weighting : `competition` or `none`
        What the probabilities are for.
    """

    studies: tuple[str, ...]
    order: Sequence[str] | None
    weighting: Weighting

    def write(
        self,
        path: Path,
        predicted: Probabilities,
        sight: Sight | None = None,
        left_out: NDArray[np.bool_] | None = None,
    ) -> int:
        """Write a table.

        Parameters
        ----------
        path : Path
            CSV to write.
        predicted : (n, 5, 5, 3) float
            For the official score.
        sight : Sight, optional
            What the columns `status` and `reason` say; without it there are none.
        left_out : (n, 5, 5) bool, optional
            Rows that are not written.

        Returns
        -------
        int
            Number of rows written.
        """
        notes: dict[str, str | list[str]] = {}
        if sight is not None and self.order is None:
            notes = {"status": sight.status.ravel().tolist(), "reason": sight.reason.ravel().tolist()}
        if self.weighting != "competition":
            notes["weighting"] = self.weighting
        order = self.order
        if left_out is not None:
            order = [name for name, out in zip(row_ids(self.studies), left_out.ravel()) if not out]
        return write_submission(path, reweighted(predicted, self.weighting), self.studies, order, notes)


def write_baselines(
    model: Model, predictions: Predictions, known: Collection[str], writer: PredictionWriter, folder: Path
) -> tuple[Path, ...]:
    """Write a table for each baseline and for each member alone, as they predict all rows.

    Parameters
    ----------
    model : Model
        The opened model.
    predictions : Predictions
        Of its members.
    known : collection of str
        Studies that the model was fitted on; baselines fitted without their folds predict them.
    writer : PredictionWriter
        Decides on rows and weighting.
    folder : Path
        Where the tables go.

    Returns
    -------
    tuple of Path
        The CSV files.
    """
    alone = model.baselines["plain_mean"]
    tables = {
        name: predict_held_out(model, baseline, predictions, known)
        for name, baseline in model.baselines.items()
    }
    tables |= {name: alone.predict(predictions.of([name])) for name in model.members}
    for name, predicted in tables.items():
        writer.write(folder / f"{name}.csv", predicted)
    return tuple(folder / f"{name}.csv" for name in tables)
