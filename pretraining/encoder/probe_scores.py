"""How much linear probes read from embeddings: measurements and grades, and gradings of real discs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family, Grade
from lsdc.features.encoder import Encoder
from lsdc.features.linear_probe import linear_probe, ridge_probe
from lsdc.features.reference_encoders import resize_crops
from lsdc.pretraining.real_pictures import GRADINGS, DiscPicture

GRADED_BY = {
    Family.SPINAL: "canal_area_mm2",
    Family.FORAMINAL: "foramen_fat_mm2",
    Family.SUBARTICULAR: "recess_width_mm",
}
"""The measure that each family is graded by."""
PROBED = ("narrowing", "bulging", "herniation", "pfirrmann_4", "modic_any")
"""Gradings of real discs that are probed."""
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


def probe_pictures(encoder: Encoder, discs: Sequence[DiscPicture], px: int) -> dict[str, float]:
    """Score an encoder by logistic regression of what readers noted of real discs, cross-fitted by patient.

    Parameters
    ----------
    encoder : Encoder
        Asked for embeddings of the crops, stretched to squares.
    discs : sequence of DiscPicture
        Of patients that the encoder has not seen.
    px : int
        Side of the crops, px.

    Returns
    -------
    dict of str to float
        Area under the ROC curve of each of `PROBED`, and their `mean`; NaN for what all or none of the discs have.
    """
    crops = resize_crops([disc.pixels for disc in discs], px, px)
    features = encoder.features(np.repeat(crops[:, None], 3, axis=1))
    patients = [disc.patient for disc in discs]
    scores = {}
    for name in PROBED:
        noted = np.array([disc.gradings[GRADINGS.index(name)] for disc in discs]) > 0
        both = noted.any() and not noted.all()
        scores[name] = linear_probe(features, noted, patients, balanced=True).auc if both else float("nan")
    return scores | {"mean": float(np.mean(list(scores.values())))}
