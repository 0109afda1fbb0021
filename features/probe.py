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


def linear_probe(
    embedding: NDArray[np.float32], rows: pd.DataFrame, train: NDArray[np.int64], test: NDArray[np.int64]
) -> dict[str, float]:
    """Score embeddings by ridge regression of the measurement and logistic regression of the grade.

    Parameters
    ----------
    embedding : (n, D) float32
        NaN where absent.
    rows : DataFrame
        `family`, `grade` and the measurements, (n,).
    train, test : (m,) int
        Rows of different studies.

    Returns
    -------
    dict of str to float
        Per family: `FAMILY_r2` of the measurement, `FAMILY_loss` (log loss with weights 1, 2, 4)
        of the grade; and the means `r2`, `loss`.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.metrics import log_loss, r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.nan_to_num(embedding)
    family, grade = rows["family"].to_numpy(), rows["grade"].to_numpy(int)
    weight = 2.0**grade
    scores: dict[str, float] = {}
    for name, measure in OWN.items():
        a, b = train[family[train] == name], test[family[test] == name]
        value = rows[measure].to_numpy(float)
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11))).fit(features[a], value[a])
        scores[f"{name}_r2"] = float(r2_score(value[b], ridge.predict(features[b])))
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=500))
        model.fit(features[a], grade[a], logisticregression__sample_weight=weight[a])
        predicted = np.full((len(b), 3), 1e-6)
        predicted[:, model.classes_] = model.predict_proba(features[b])
        predicted /= predicted.sum(axis=1, keepdims=True)
        scores[f"{name}_loss"] = float(
            log_loss(grade[b], predicted, sample_weight=weight[b], labels=[0, 1, 2])
        )
    for kind in ("r2", "loss"):
        scores[kind] = float(np.mean([scores[f"{name}_{kind}"] for name in OWN]))
    return scores
