"""What is known of a family of conditions that was not seen, from the others: official loss beside the prior.

    python benchmarks/unseen.py train.csv folds.csv members/*.csv

takes labels, folds and out-of-fold prediction tables (their mean is taken), hides one family after the other in every
study, and predicts it from the other targets and from the labels of the other folds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lsdc.cohort.folds import read_folds
from lsdc.cohort.tables import read_labels
from lsdc.cohort.vocabulary import Condition, Family
from lsdc.ensemble.unseen import graded_unseen
from lsdc.metrics.official import GRADE_WEIGHTS, Grades, Probabilities
from lsdc.metrics.prediction_tables import grades_of, read_predictions, to_cube
from lsdc.runtime.console import configure_logging, table


def loss(predicted: Probabilities, grades: Grades) -> float:
    """Weigh the log loss of labeled rows by their grades, as the official metric does."""
    known = grades >= 0
    y = grades[known]
    chosen = np.clip(predicted[known][np.arange(len(y)), y], 1e-15, 1)
    return float(-(GRADE_WEIGHTS[y] * np.log(chosen)).sum() / GRADE_WEIGHTS[y].sum())


def prior_of(grades: Grades) -> Probabilities:
    """Share the official weights out over the grades, for each target: (5, 5, 3)."""
    weights = np.stack([(grades == k).sum(axis=0) * GRADE_WEIGHTS[k] for k in range(3)], axis=-1)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def main() -> None:
    """Print the losses by family."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path)
    parser.add_argument("folds", type=Path)
    parser.add_argument("members", type=Path, nargs="+")
    given = parser.parse_args()
    configure_logging()
    labels = read_labels(given.labels)
    fold = np.asarray(read_folds(given.folds, labels.index.tolist()))
    grades, studies = grades_of(labels), labels.index.tolist()
    cubes = np.stack([to_cube(read_predictions(path), studies) for path in given.members])
    present = np.isfinite(cubes).sum(axis=0)
    predicted = np.where(present > 0, np.nansum(cubes, axis=0) / np.maximum(present, 1), np.nan)
    rows = []
    for family in Family:
        hidden = [k for k, condition in enumerate(Condition) if condition.family is family]
        seen = np.asarray(np.isfinite(predicted).all(axis=-1))
        seen[:, hidden] = False
        known, usual = np.empty_like(predicted), np.empty_like(predicted)
        for k in np.unique(fold):
            train, test = fold != k, fold == k
            usual[test] = prior_of(grades[train])
            known[test] = graded_unseen(
                np.nan_to_num(predicted[test], nan=1 / 3), seen[test], usual[test], grades[train],
                [studies[i] for i in np.flatnonzero(test)], [studies[i] for i in np.flatnonzero(train)],
            )  # fmt: skip
        rows.append([family.value, *(loss(cube[:, hidden], grades[:, hidden]) for cube in (usual, known))])
        shown = np.nan_to_num(predicted[:, hidden], nan=1 / 3)
        rows[-1].append(loss(shown, grades[:, hidden]))
    table(f"{len(studies)} studies, official loss", ["hidden", "prior", "from the others", "seen"], rows)


if __name__ == "__main__":
    main()
