"""How much a linear model can read from embeddings: measurements and grades of studies it has not seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family

OWN = {
    Family.SPINAL: "canal_area_mm2",
    Family.FORAMINAL: "foramen_fat_mm2",
    Family.SUBARTICULAR: "recess_width_mm",
}
"""What each family is graded by."""


FOLDS = 5


def linear_probe(embedding: NDArray[np.float32], rows: pd.DataFrame) -> dict[str, float]:
    """Score embeddings by ridge regression of the measurement and logistic regression of the grade.

    Cross-validated by study, on studies that the encoder has not seen: a probe fitted on an encoder's own
    training studies would mistake memory for knowledge.

    Parameters
    ----------
    embedding : (n, D) float32
        NaN where absent.
    rows : DataFrame
        `study_id`, `family`, `grade` and the measurements, (n,).

    Returns
    -------
    dict of str to float
        Per family: `FAMILY_r2` of the measurement, `FAMILY_loss` (weighted log loss) of the grade;
        and the means `r2`, `loss`.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import log_loss, r2_score
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores: dict[str, float] = {}
    for name, measure in OWN.items():
        chosen = (rows["family"] == name).to_numpy()
        features, part = np.nan_to_num(embedding[chosen]), rows[chosen]
        value, grade = part[measure].to_numpy(float), part["grade"].to_numpy(int)
        weight = 2.0**grade
        measured, graded = np.zeros(len(part)), np.full((len(part), 3), 1e-3)
        folds = GroupKFold(min(FOLDS, part["study_id"].nunique()))
        for a, b in folds.split(features, groups=part["study_id"]):
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(1, 6, 11)))
            measured[b] = ridge.fit(features[a], value[a]).predict(features[b])
            if len(set(grade[a])) < 2:
                graded[b, grade[a][0]] = 1.0
                continue
            logistic = make_pipeline(StandardScaler(), LogisticRegression(C=1e-4, max_iter=500))
            logistic.fit(features[a], grade[a], logisticregression__sample_weight=weight[a])
            graded[np.ix_(b, logistic.classes_)] = logistic.predict_proba(features[b])
        graded /= graded.sum(axis=1, keepdims=True)
        scores[f"{name}_r2"] = float(r2_score(value, measured))
        scores[f"{name}_loss"] = float(log_loss(grade, graded, sample_weight=weight, labels=[0, 1, 2]))
    for kind in ("r2", "loss"):
        scores[kind] = float(np.mean([scores[f"{name}_{kind}"] for name in OWN]))
    return scores
