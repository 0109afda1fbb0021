"""What is known of targets that were not seen: the grades that patients have there whose other targets are alike.

Every patient with labels counts as much as its grades fit what was predicted for the targets that were seen. The
official weights 1, 2, 4 then apply as in every prediction. Where nothing was seen, all patients count alike, which is
the weighted prior.

On 988 real studies, cross-fitted by study, this lowers the official loss of one family of conditions that is hidden
from that of the prior, .96 (recesses), .81 (foramina) and .69 (canal), to .75, .71 and .46 (benchmarks/unseen.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, parse_row_id
from lsdc.metrics.official import GRADE_WEIGHTS, Grades, Probabilities
from lsdc.metrics.prediction_tables import SHAPE, row_ids

_TEMPER = 0.3
"""Power of each target's evidence: the targets of a patient are alike, so they do not count as if they were not."""
_PRIOR_PATIENTS = 5.0
"""So many patients of the prior stand beside those that are alike."""
_LEAST = 1e-3
"""Probabilities below this count as this: one sure mistake must not rule a patient out."""
_CHUNK = 256


def graded_unseen(
    predicted: Probabilities,
    seen: NDArray[np.bool_],
    prior: Probabilities,
    labels: Grades,
    studies: Sequence[str],
    labeled: Sequence[str],
) -> Probabilities:
    """Replace what was predicted for targets that were not seen.

    Parameters
    ----------
    predicted : (n, 5, 5, 3) float
        What a stack predicts, for the official score.
    seen : (n, 5, 5) bool
        Which targets were seen; the others are replaced.
    prior : (n, 5, 5, 3) float
        The weighted prior; all that is known of a study of which nothing was seen.
    labels : (m, 5, 5) int8
        Grades of the patients that the stack was fitted on; -1 where unlabeled.
    studies, labeled : sequence of str
        Ids of the n and of the m studies: no study is judged by its own labels.

    Returns
    -------
    (n, 5, 5, 3) float64
        The same where seen; rows sum to 1.

    Examples
    --------
    >>> labels = np.zeros((4, 5, 5), np.int8)
    >>> labels[:2] = 2
    >>> predicted = np.full((1, 5, 5, 3), [0.05, 0.05, 0.9])
    >>> seen = np.ones((1, 5, 5), bool)
    >>> seen[0, 3:] = False
    >>> prior = np.full((1, 5, 5, 3), 1 / 3)
    >>> graded_unseen(predicted, seen, prior, labels, ["new"], list("abcd"))[0, 4, 0].round(2)
    array([0.13, 0.13, 0.74])
    """
    n, m = len(predicted), len(labels)
    result, known = np.array(predicted, float), seen.reshape(n, -1)
    flat, usual, grades = result.reshape(n, -1, 3), prior.reshape(n, -1, 3), labels.reshape(m, len(TARGETS))
    where = {study: k for k, study in enumerate(labeled)}
    concerned = np.flatnonzero(~known.all(axis=1))
    for start in range(0, len(concerned), _CHUNK):
        rows = concerned[start : start + _CHUNK]
        likeness = _likeness(flat[rows], known[rows], usual[rows], grades)
        for k, row in enumerate(rows):
            if studies[row] in where:
                likeness[k, where[studies[row]]] = -np.inf
        expected = _expected(likeness, grades, usual[rows])
        expected[~known[rows].any(axis=1)] = usual[rows][~known[rows].any(axis=1)]
        flat[rows] = np.where(known[rows][..., None], flat[rows], expected)
    return flat.reshape(result.shape)


def _likeness(
    predicted: NDArray[np.float64],
    known: NDArray[np.bool_],
    prior: NDArray[np.float64],
    grades: NDArray[np.int8],
) -> NDArray[np.float64]:
    """Sum the tempered evidence (n, m) that n studies have the grades of m patients."""
    total = np.zeros((len(predicted), len(grades)))
    evidence = _TEMPER * (np.log(np.clip(predicted, _LEAST, 1)) - np.log(np.clip(prior, _LEAST, 1)))
    evidence[~known] = 0
    for target in range(grades.shape[1]):
        labeled = grades[:, target] >= 0
        total[:, labeled] += evidence[:, target][:, grades[labeled, target]]
    return total


def _expected(
    likeness: NDArray[np.float64], grades: NDArray[np.int8], prior: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Average the grades of patients by their likeness, beside some patients of the prior; (n, targets, 3)."""
    highest = likeness.max(axis=1, keepdims=True, initial=-np.inf)
    weights = np.exp(likeness - np.where(np.isfinite(highest), highest, 0))
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    # So many patients do the weights stand for: what few say counts less beside the prior.
    patients = 1 / np.maximum((weights**2).sum(axis=1), 1e-12)
    shares = np.stack([weights @ (grades == grade) for grade in range(3)], axis=2) * GRADE_WEIGHTS[:3]
    together = shares * patients[:, None, None] + _PRIOR_PATIENTS * prior
    return np.asarray(together / together.sum(axis=2, keepdims=True))


def known_grades(rows: pd.DataFrame) -> tuple[Grades, list[str]]:
    """Arrange the grades of the patients that a model was fitted on.

    Parameters
    ----------
    rows : DataFrame
        row_id and grade, -1 where unlabeled; one row per target, in any order.

    Returns
    -------
    labels : (m, 5, 5) int8
        By study, condition and level; -1 where unlabeled.
    studies : list of str
        Ids of the m studies.
    """
    studies = list(dict.fromkeys(parse_row_id(row_id)[0] for row_id in rows["row_id"]))
    grades = rows.set_index("row_id")["grade"].reindex(row_ids(studies)).fillna(-1)
    return grades.to_numpy(np.int8).reshape(len(studies), *SHAPE), studies
