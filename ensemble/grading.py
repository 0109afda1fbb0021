"""The grades that a model gives to the studies of a store, before they are written anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.held_out import predict_held_out, unlearned
from lsdc.ensemble.model import Model
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.studies_asked import fitted_on
from lsdc.ensemble.unseen import graded_unseen, known_grades
from lsdc.features.sight import Refusal, Sight
from lsdc.features.store import FeatureStore
from lsdc.metrics.official import Probabilities
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.models.crossfit import predict_folds
from lsdc.models.examples import Examples
from lsdc.runtime.console import say


@dataclass(frozen=True, eq=False)
class Graded:
    """What a model says of n studies.

    Parameters
    ----------
    predictions : Predictions
        Of its members; holds the ids of the studies.
    cube : (n, 5, 5, 3) float
        Probabilities for the official score, by study, condition and level.
    sight : Sight
        What was seen.
    refused : (n, 5, 5) bool
        The targets that the caller refused; their probabilities are the weighted prior's.
    known : frozenset of str
        Studies that the model was fitted on; members, stacks and priors that had not seen them predicted them.
    """

    predictions: Predictions
    cube: Probabilities
    sight: Sight
    refused: NDArray[np.bool_]
    known: frozenset[str]


def grade_store(
    model: Model,
    store: FeatureStore,
    mask: NDArray[np.bool_],
    *,
    extra: Sequence[str] = (),
    refuse: Refusal = "none",
    device: str = "auto",
) -> Graded:
    """Grade studies of a store.

    Parameters
    ----------
    model : Model
        An opened model.
    store : FeatureStore
        A store with r rows that the model reads.
    mask : (r,) bool
        The rows to grade, those of whole studies.
    extra : sequence of str
        Studies that the store does not have; they get the weighted prior.
    refuse : `none`, `not-seen` or `unsure`
        Rows that get the weighted prior, whatever was predicted.
    device : str
        Where deep members run.

    Returns
    -------
    Graded
        Of the studies of the store, then of the extra ones.

    Raises
    ------
    ArtifactError
        When a member's class cannot be imported here, or its files are damaged.
    """
    studies = store.rows["study_id"][mask].iloc[:: len(TARGETS)].tolist()
    known = fitted_on(model, store, studies)
    if known:
        say(
            f"{len(known)} studies are those the model was fitted on; they get the predictions of members and of a "
            "stack that had not seen them"
        )
    tables = member_tables(model, store, mask, known, device)
    predictions = Predictions.from_tables(tables, [*studies, *extra])
    sight = Sight.of(store.rows[mask], predictions.studies)
    refused = sight.refused(refuse)
    labels, labeled = known_grades(model.nested)
    unseen = {study for study in extra if model.pseudonyms.of(study) in model.studies}
    prior = predict_held_out(model, model.baselines["weighted_prior"], predictions, known | unseen)
    cube = unlearned(model, predictions.studies, known, model.stacker.predict(predictions))
    names = [model.pseudonyms.of(study) for study in predictions.studies]
    cube = graded_unseen(cube, sight.seen(), prior, labels, names, labeled)
    cube[refused] = prior[refused]
    return Graded(predictions, cube, sight, refused, frozenset(known))


def member_tables(
    model: Model, store: FeatureStore, mask: NDArray[np.bool_], known: set[str], device: str = "auto"
) -> dict[str, pd.DataFrame]:
    """Predict with each member: out of fold for studies it was fitted on, the mean over its folds for others.

    Parameters
    ----------
    model : Model
        An opened model.
    store : FeatureStore
        A store with r rows.
    mask : (r,) bool
        The rows to predict.
    known : set of str
        Ids of the studies that the model was fitted on.
    device : str
        Where deep members run.

    Returns
    -------
    dict of str to DataFrame
        By member: row_id, normal_mild, moderate, severe.

    Raises
    ------
    ArtifactError
        When a member's class cannot be imported here, or its files are damaged.
    """
    classes = {name: model.member_class(name) for name in model.members}
    is_known = store.rows["study_id"].isin(known).to_numpy(bool)
    examples = Examples.from_store(store).where(mask & ~is_known)
    old = model.out_of_fold_of(store.rows["study_id"][mask & is_known].unique().tolist())
    names = ["row_id", *COLUMNS]
    tables = {}
    for name, member in classes.items():
        parts = [old.loc[old["member"] == name, names]]
        if len(examples):
            folder = model.member_folder(name)
            parts.append(predict_folds(folder, member, examples, device=device)[names])
        tables[name] = pd.concat(parts, ignore_index=True)
    return tables
