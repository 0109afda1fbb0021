"""Pictures of a stack for the dashboard: reliability, confusion, weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import Family, Grade, parse_row_id
from lsdc.ensemble.nested import NESTED
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.runtime.artefact import read_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = 10


def draw(model: Path, out: Path) -> list[Path]:
    """Draw the pictures of a finished model; PNG files in `out`, by name of what they show."""
    import matplotlib as mpl

    mpl.use("Agg")
    nested = pd.read_parquet(model / NESTED)
    nested["family"] = [parse_row_id(row_id)[1].condition.family.value for row_id in nested["row_id"]]
    labeled = nested[nested["grade"] >= 0]
    weights = read_json(model / "report.json")["weights"]
    out.mkdir(parents=True, exist_ok=True)
    figures = {
        "reliability": reliability(labeled),
        "confusion": confusion(labeled),
        "weights": weights_per_family(weights),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _panels(title: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    figure.suptitle(title)
    return figure, figure.subplots(1, len(Family))


def reliability(labeled: pd.DataFrame) -> Figure:
    """How often a grade was true where it was predicted with some probability, in bins of equal counts.

    Rows weigh 1, 2, 4 by grade, as in the metric; shares are calibrated to these weights.
    """
    figure, axes = _panels("Reliability on studies the stack was not fitted on (rows weigh 1, 2, 4 by grade)")
    for axis, family in zip(axes, Family):
        own = labeled[labeled["family"] == family.value]
        axis.plot([0, 1], [0, 1], color="0.8", zorder=0)
        for grade, name in enumerate(COLUMNS):
            order = own[name].to_numpy().argsort()
            true = (own["grade"].to_numpy() == grade)[order]
            chance = own[name].to_numpy()[order]
            weight = GRADE_WEIGHTS[own["grade"].to_numpy()][order]
            parts = [part for part in np.array_split(np.arange(len(own)), _BINS) if len(part)]
            axis.plot(
                [np.average(chance[part], weights=weight[part]) for part in parts],
                [np.average(true[part], weights=weight[part]) for part in parts],
                marker="o",
                label=name,
            )
        axis.set(title=family.value, xlabel="predicted probability", ylabel="observed share")
        axis.legend()
    return figure


def confusion(labeled: pd.DataFrame) -> Figure:
    """Share of each true grade that was predicted as each grade."""
    figure, axes = _panels("Confusion: rows are true grades, columns the most probable ones")
    names = [grade.value for grade in Grade]
    for axis, family in zip(axes, Family):
        own = labeled[labeled["family"] == family.value]
        counts = np.zeros((len(Grade), len(Grade)), int)
        np.add.at(counts, (own["grade"].to_numpy(), own[COLUMNS].to_numpy().argmax(axis=1)), 1)
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(*counts.shape):
            axis.text(
                column,
                row,
                f"{counts[row, column]}\n{share[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if share[row, column] > 0.6 else "black",
            )
        axis.set(title=family.value, xticks=range(3), xticklabels=names, yticks=range(3), yticklabels=names)
    return figure


def weights_per_family(weights: dict[str, dict[str, float]]) -> Figure:
    """What each family's mix is made of."""
    figure, axes = _panels("Weights of members and stackers")
    for axis, (family, own) in zip(axes, weights.items()):
        items = sorted(own.items(), key=lambda item: item[1])
        axis.barh([name for name, _ in items], [weight for _, weight in items], color="tab:blue")
        axis.set(title=family, xlim=(0, 1))
    return figure
