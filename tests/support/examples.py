"""Examples with a planted signal: the embedding knows the severity, as far as it goes."""

from dataclasses import replace

import numpy as np
import pandas as pd
from support.pictures import mirrored_places, write_mirrored, write_pictures

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.examples import Examples

WIDTH = 12


def make_examples(n_studies=40, seed=0, folds=5, signal=1.5, first=0, folder=None):
    """Whole studies; severity is correlated within a study, and the embedding shows it in noise.

    With a folder, pictures that show it too are written there.
    """
    rng = np.random.default_rng([seed, first])
    severity = 0.8 * rng.normal(size=(n_studies, 1)) + rng.normal(size=(n_studies, 25))
    grades = np.digitize(severity, [0.8, 1.7])
    direction = np.random.default_rng(99).normal(size=3 * WIDTH)
    embedding = (
        rng.normal(size=(n_studies * 25, 3 * WIDTH)) + signal * severity.reshape(-1, 1) * direction / 3
    )
    rows = pd.DataFrame(
        [
            (target.row_id(first + k), str(first + k), target.condition.value, target.level.value)
            for k in range(n_studies)
            for target in TARGETS
        ],
        columns=["row_id", "study_id", "condition", "level"],
    )
    rows["grade"] = grades.ravel().astype(np.int8)
    rows["fold"] = np.repeat(np.arange(n_studies) % folds, 25).astype(np.int16)
    rows["split"] = "train"
    numeric = rng.normal(size=(len(rows), 3)).astype(np.float32)
    made = Examples(rows, embedding.astype(np.float32), numeric, ["meta_a", "meta_b", "confidence"])
    if folder is None:
        return made
    pictures, places = write_pictures(folder, severity, first)
    return replace(made, rows=rows.assign(**places), pictures=pictures)


def mirrored(examples, folder=None):
    """The same studies seen in a mirror: what the store would hold, as it keeps right sides mirrored."""
    order = np.arange(len(examples)).reshape(-1, 5, 5)[:, [0, 2, 1, 4, 3]].ravel()
    rows = examples.rows.assign(grade=examples.rows["grade"].to_numpy()[order])
    pictures = None
    if folder is not None:
        rows = mirrored_places(rows, order)
        pictures = write_mirrored(examples.pictures, folder)
    made = Examples(
        rows, examples.embedding[order], examples.numeric[order], examples.numeric_names, pictures
    )
    return made, order
