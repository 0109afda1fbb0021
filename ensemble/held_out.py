"""What was predicted of the studies that a model was fitted on, by parts that never saw them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.unseen import known_grades
from lsdc.metrics.official import Probabilities


def fitted_data(model: Model) -> StackingData:
    """Collect what a model's stack was fitted on.

    Parameters
    ----------
    model : Model
        An opened model.

    Returns
    -------
    StackingData
        The members' out-of-fold predictions, grades and folds, by the pseudonyms of the studies.

    Raises
    ------
    ArtifactError
        When a table of the model is missing or damaged.
    """
    grades, studies = known_grades(model.nested)
    rows = model.out_of_fold
    tables = {name: rows[rows["member"] == name] for name in model.members}
    fold_of = dict(zip((parse_row_id(row_id)[0] for row_id in rows["row_id"]), rows["fold"].tolist()))
    folds = np.array([fold_of[study] for study in studies], int)
    return StackingData(Predictions.from_tables(tables, studies), grades, folds)


def predict_held_out(
    model: Model, baseline: Stacker, predictions: Predictions, known: Collection[str]
) -> Probabilities:
    """Predict with a baseline: as fitted without their folds for studies that the model was fitted on.

    Parameters
    ----------
    model : Model
        An opened model.
    baseline : Stacker
        One of its baselines, fitted on all of its studies with the default settings.
    predictions : Predictions
        What its members predict for n studies.
    known : collection of str
        Those of the studies that the model was fitted on.

    Returns
    -------
    (n, 5, 5, 3) float
        Probabilities, none of them from a baseline that had counted the study's own grades.

    Raises
    ------
    ArtifactError
        When a table of the model is missing or damaged.
    """
    predicted = np.array(baseline.predict(predictions))
    if not known:
        return predicted
    data = fitted_data(model)
    apart = cross_fit_stacker(type(baseline), data)
    place = {study: k for k, study in enumerate(data.predictions.studies)}
    for k, study in enumerate(predictions.studies):
        if study in known:
            predicted[k] = apart[place[model.pseudonyms.of(study)]]
    return predicted
