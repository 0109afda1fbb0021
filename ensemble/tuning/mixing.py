"""The mix of one family: a weighted mean of members and of stackers that learn from them, with a temperature."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.evidence import members_of
from lsdc.ensemble.stackers.row_stacker import RowStacker
from lsdc.ensemble.stackers.rows import Boosted, Neural
from lsdc.ensemble.tuning.objective import weighted_mean
from lsdc.metrics.official import CONDITIONS_OF, EPS, Probabilities

POOLS: dict[str, bool] = {"log_pool": False, "context_pool": True}
"""The log-linear pools that a mix may hold, and whether each sees neighboring targets."""
LEARNERS: dict[str, type[RowStacker]] = {learner.name: learner for learner in (Boosted, Neural)}
"""The classifiers on rows that a mix may hold."""
STACKED: tuple[str, ...] = (*POOLS, *LEARNERS)
"""Names of all stackers that a mix may hold beside the members."""


def mix_family(
    predictions: Predictions,
    family: Family,
    stacked: Mapping[str, NDArray[np.float64]],
    weights: Mapping[str, float],
    temperature: float,
    prior: Probabilities,
) -> NDArray[np.float64]:
    """Average the members present and the stackers, then change how sure the mean is by a temperature.

    Parameters
    ----------
    predictions : Predictions
        Of the members, for n studies.
    family : Family
        The family, with c conditions, whose rows are mixed.
    stacked : mapping of str to (n, c, 5, 3) float
        What the stackers of the mix predict for the family, by name.
    weights : mapping of str to float
        Of members and stackers; a name that is not here has weight zero.
    temperature : float
        Probabilities are raised to the power 1 / temperature and divided by their sum: above 1 they become less
        sure, below 1 surer; 1 leaves them.
    prior : (5, 5, 3) float
        Probabilities for rows that no member has, whatever the stackers predict there.

    Returns
    -------
    (n, c, 5, 3) float
        Probabilities; rows sum to 1.
    """
    conditions = CONDITIONS_OF[family]
    members = members_of(predictions, family)
    cubes = [*predictions.of(members).cubes[:, :, conditions]] if members else []
    cubes += stacked.values()
    if not cubes:
        return np.broadcast_to(prior[conditions], (len(predictions.studies), *prior[conditions].shape)).copy()
    by_name = np.array([weights.get(name, 0.0) for name in (*members, *stacked)])
    mixed = weighted_mean(np.stack(cubes), by_name, prior[conditions])
    if temperature != 1:
        cooled = np.maximum(mixed, EPS) ** (1 / temperature)
        mixed = cooled / cooled.sum(axis=-1, keepdims=True)
    nobody = ~np.any(predictions.present[:, :, conditions], axis=0)[..., None]
    return np.asarray(np.where(nobody, prior[conditions], mixed))
