"""What was predicted of the studies that a model was fitted on, by parts that never saw them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lsdc.cohort.vocabulary import parse_row_id
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_artifact import StackArtifact
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.metrics.official import Probabilities
from lsdc.metrics.prediction_tables import to_cube


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
    data = model.fitted_data
    apart = cross_fit_stacker(type(baseline), data)
    place = {study: k for k, study in enumerate(data.predictions.studies)}
    for k, study in enumerate(predictions.studies):
        if study in known:
            predicted[k] = apart[place[model.pseudonyms.of(study)]]
    return predicted


def unlearned(
    model: StackArtifact, studies: Sequence[str], known: Collection[str], cube: Probabilities
) -> Probabilities:
    """Replace what a stack says of studies from whose grades it has learned: by what it said without their fold.

    Parameters
    ----------
    model : StackArtifact
        An opened model or blend.
    studies : sequence of str
        Ids of the n studies.
    known : collection of str
        Those of them that it was fitted on.
    cube : (n, 5, 5, 3) float
        What its stack says of all of them.

    Returns
    -------
    (n, 5, 5, 3) float
        The same for the other studies.

    Raises
    ------
    ArtifactError
        When its table of nested predictions is missing or damaged.
    """
    nested = model.nested_of(sorted(known))
    held_out = list(dict.fromkeys(parse_row_id(row_id)[0] for row_id in nested["row_id"]))
    place = {study: k for k, study in enumerate(studies)}
    result = np.array(cube)
    result[[place[study] for study in held_out]] = to_cube(nested, held_out)
    return result
