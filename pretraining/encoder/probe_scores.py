"""How much linear probes read from embeddings of simulated patients: measurements and grades."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.features.linear_probe import linear_probe, ridge_probe

GRADED_BY = {
    Family.SPINAL: "canal_area_mm2",
    Family.FORAMINAL: "foramen_fat_mm2",
    Family.SUBARTICULAR: "recess_width_mm",
}
"""The measure that each family is graded by."""
_STRENGTH, _FLOOR, _MAX_ITER = 1e-4, 1e-3, 500


def probe_scores(embedding: NDArray[np.float32], rows: pd.DataFrame) -> dict[str, float]:
    """Score embeddings by ridge regression of the measurement and logistic regression of the grade.

    Cross-fitted by study, on studies that the encoder has not seen: a probe fitted on an encoder's training studies
    would mistake memory for knowledge.

    Parameters
    ----------
    embedding : (n, d) float32
        NaN where absent.
    rows : DataFrame
        n rows with `study_id`, `family`, `grade` (0 to 2) and the measurements of `GRADED_BY`.

    Returns
    -------
    dict of str to float
        Per family `FAMILY_r2` of the measurement and `FAMILY_loss`, the weighted log loss of the grade; and their
        means `r2` and `loss`.
    """
    from sklearn.metrics import log_loss

    scores: dict[str, float] = {}
    grades = list(range(len(Grade)))
    for family, measure in GRADED_BY.items():
        chosen = (rows["family"] == family).to_numpy()
        features, part = embedding[chosen], rows[chosen]
        grade, studies = part["grade"].to_numpy(int), part["study_id"].to_numpy()
        # The weights of the official metric: 1, 2 and 4.
        weight = 2.0**grade
        measured = ridge_probe(features, part[measure].to_numpy(float), studies)
        graded = linear_probe(
            features, grade, studies,
            classes=grades, weights=weight, strength=_STRENGTH, floor=_FLOOR, max_iter=_MAX_ITER,
        )  # fmt: skip
        scores[f"{family}_r2"] = measured.r2
        scores[f"{family}_loss"] = float(
            log_loss(grade, graded.probabilities, sample_weight=weight, labels=grades)
        )
    for kind in ("r2", "loss"):
        scores[kind] = float(np.mean([scores[f"{family}_{kind}"] for family in GRADED_BY]))
    return scores
