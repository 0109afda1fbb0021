"""What the dashboard shows of a finished model: reliability, confusion, weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.metrics.prediction_tables import COLUMNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 10


def _panels(title: str) -> tuple[Figure, Any]:
    """Make a figure with one panel per family, side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(1, len(Family))


def reliability(labeled: pd.DataFrame) -> Figure:
    """Plot how often a grade was true where it was predicted with some probability, in bins of equal counts.

    Rows weigh 1, 2, 4 by grade, as in the metric: probabilities that minimize it are calibrated to the fractions
    among rows weighted so.

    Parameters
    ----------
    labeled : DataFrame
        One row per labeled target: `family`, `grade` (0 to 2), and the three probabilities.

    Returns
    -------
    Figure
        One panel per family, one line per grade.
    """
    figure, axes = _panels("Reliability on studies the stack was not fitted on (rows weigh 1, 2, 4 by grade)")
    for axis, family in zip(axes, Family):
        rows = labeled[labeled["family"] == family.value]
        grades = rows["grade"].to_numpy()
        axis.plot([0, 1], [0, 1], color="0.8", zorder=0)
        for grade, name in enumerate(COLUMNS):
            order = rows[name].to_numpy().argsort()
            true = (grades == grade)[order]
            probability = rows[name].to_numpy()[order]
            weight = GRADE_WEIGHTS[grades][order]
            parts = [part for part in np.array_split(np.arange(len(rows)), _BINS) if len(part)]
            axis.plot(
                [np.average(probability[part], weights=weight[part]) for part in parts],
                [np.average(true[part], weights=weight[part]) for part in parts],
                marker="o",
                label=name,
            )
        axis.set(title=family.value, xlabel="predicted probability", ylabel="observed fraction")
        axis.legend()
    return figure


def confusion(labeled: pd.DataFrame) -> Figure:
    """Plot which fraction of each true grade was predicted as each grade.

    Parameters
    ----------
    labeled : DataFrame
        One row per labeled target: `family`, `grade` (0 to 2), and the three probabilities, the largest of which
        counts as predicted.

    Returns
    -------
    Figure
        One panel per family; counts and fractions.
    """
    figure, axes = _panels("Confusion: rows are true grades, columns the most probable ones")
    names = [grade.value for grade in Grade]
    for axis, family in zip(axes, Family):
        rows = labeled[labeled["family"] == family.value]
        counts = np.zeros((len(Grade), len(Grade)), int)
        np.add.at(counts, (rows["grade"].to_numpy(), rows[COLUMNS].to_numpy().argmax(axis=1)), 1)
        fraction = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(fraction, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            axis.text(
                column,
                row,
                f"{counts[row, column]}\n{fraction[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if fraction[row, column] > 0.6 else "black",
            )
        axis.set(title=family.value, xticks=range(3), xticklabels=names, yticks=range(3), yticklabels=names)
    return figure


def weights_per_family(weights: Mapping[str, Mapping[str, float]]) -> Figure:
    """Plot what each family's mix is made of.

    Parameters
    ----------
    weights : mapping of str to mapping of str to float
        By family, the weight of each member and stacker, 0 to 1.

    Returns
    -------
    Figure
        One panel per family; one bar per member or stacker, the heaviest at the top.
    """
    figure, axes = _panels("Weights of members and stackers")
    for axis, (family, mix) in zip(axes, weights.items()):
        items = sorted(mix.items(), key=lambda item: item[1])
        axis.barh([name for name, _ in items], [weight for _, weight in items], color="tab:blue")
        axis.set(title=family, xlim=(0, 1))
    return figure
