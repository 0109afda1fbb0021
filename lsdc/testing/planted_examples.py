"""Examples with a planted signal: the embedding knows the severity, as far as noise lets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Condition, Level
from lsdc.models.examples import Examples
from lsdc.testing.planted_arrays import mirrored_locations, write_arrays, write_mirrored

WIDTH = 12
"""Length of the embedding of one view."""


def make_examples(
    n_studies: int = 40,
    seed: int = 0,
    folds: int = 5,
    signal: float = 1.5,
    first: int = 0,
    folder: Path | None = None,
) -> Examples:
    """Make whole studies whose severity is correlated within a study, and which the embedding shows in noise.

    Parameters
    ----------
    n_studies : int
        Number of studies, 25 rows each.
    seed : int
        Decides severity and noise, together with `first`.
    folds : int
        Studies are dealt to folds 0 to `folds` - 1 in turn.
    signal : float
        How strongly the embedding shows the severity; at 0 it is noise alone.
    first : int
        Id of the first study; other values give other studies with the same relation of embedding and severity.
    folder : Path, optional
        Where crops, volumes and previews that show the severity too are written; must not exist. By default the
        examples have no arrays.

    Returns
    -------
    Examples object
        All rows labeled; the embedding is (n, 36), the numeric columns (n, 3) are noise.

    Examples
    --------
    >>> examples = make_examples(2)
    >>> len(examples), examples.embedding.shape
    (50, (50, 36))
    """
    rng = np.random.default_rng([seed, first])
    n = len(TARGETS)
    severity = 0.8 * rng.normal(size=(n_studies, 1)) + rng.normal(size=(n_studies, n))
    grades = np.digitize(severity, [0.8, 1.7])
    direction = np.random.default_rng(99).normal(size=3 * WIDTH)
    embedding = rng.normal(size=(n_studies * n, 3 * WIDTH)) + signal * severity.reshape(-1, 1) * direction / 3
    rows = pd.DataFrame(
        [
            (target.row_id(first + k), str(first + k), target.condition.value, target.level.value)
            for k in range(n_studies)
            for target in TARGETS
        ],
        columns=["row_id", "study_id", "condition", "level"],
    )
    rows["grade"] = grades.ravel().astype(np.int8)
    rows["fold"] = np.repeat(np.arange(n_studies) % folds, n).astype(np.int16)
    rows["split"] = "train"
    numeric = rng.normal(size=(len(rows), 3)).astype(np.float32)
    made = Examples(rows, embedding.astype(np.float32), numeric, ["meta_a", "meta_b", "confidence"])
    if folder is None:
        return made
    arrays, locations = write_arrays(folder, severity, first)
    return replace(made, rows=rows.assign(**locations), arrays=arrays)


def mirrored_examples(examples: Examples, folder: Path | None = None) -> tuple[Examples, NDArray[np.intp]]:
    """Make the same studies as seen in a mirror: what a store would hold, as it keeps right sides mirrored.

    Parameters
    ----------
    examples : Examples
        Whole studies, n rows.
    folder : Path, optional
        Where the mirrored arrays are written; by default the result has no arrays.

    Returns
    -------
    mirrored : Examples object
        Left and right traded places.
    order : (n,) int
        The row of `examples` that stands in each row of `mirrored`.
    """
    conditions = [list(Condition).index(condition.mirrored) for condition in Condition]
    cube = np.arange(len(examples)).reshape(-1, len(Condition), len(Level))
    order = cube[:, conditions].ravel()
    rows = examples.rows.assign(grade=examples.rows["grade"].to_numpy()[order])
    arrays = None
    if folder is not None and examples.arrays is not None:
        rows = mirrored_locations(rows, order)
        arrays = write_mirrored(examples.arrays, folder)
    made = Examples(rows, examples.embedding[order], examples.numeric[order], examples.numeric_names, arrays)
    return made, order
