"""What each feature adds to the predictions of boosted trees: SHAP values of rows that the trees never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.models.heads.boosted import BoostedHead
from lsdc.models.heads.prepare import families
from lsdc.report.model_page.feature_groups import prepared_names
from lsdc.report.model_page.lightgbm_writing import lightgbm_text, node_covers
from lsdc.report.model_page.own_store import OwnStore
from lsdc.runtime.trees import Trees

_MOST_ROWS, _SEED = 400, 0


@dataclass(frozen=True)
class FeatureShares:
    """How much features move the predictions of boosted members, for one family.

    Parameters
    ----------
    family : Family
        The family.
    rows : int
        Number of rows that were explained.
    shares : dict of str to float
        By feature, the largest first: mean absolute SHAP value of "severe", in log-odds. The columns of one image are
        added up before, so that they count as one feature.
    """

    family: Family
    rows: int
    shares: dict[str, float]


def shap_values(trees: Trees, background: NDArray[np.float32], X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Explain what trees predict, by LightGBM's TreeSHAP.

    Parameters
    ----------
    trees : Trees
        Grown by LightGBM or XGBoost.
    background : (m, d) float32
        Training rows, which say how often each branch is taken.
    X : (n, d) float32
        Rows to explain.

    Returns
    -------
    (n, outputs, d + 1) float
        What each feature adds to each output; the last is what is expected without any. Their sum is `trees.sums(X)`.

    References
    ----------
    Lundberg et al.: From local explanations to global understanding with explainable AI for trees, Nature Machine
    Intelligence 2, 2020.
    """
    import lightgbm

    booster = lightgbm.Booster(model_str=lightgbm_text(trees, node_covers(trees, background)))
    found = np.asarray(booster.predict(X, pred_contrib=True, num_threads=1))
    result = found.reshape(len(X), len(trees.base), X.shape[1] + 1)
    result[:, :, -1] += trees.base
    return result


def feature_shares(own: OwnStore) -> tuple[FeatureShares, ...]:
    """Explain the boosted members of a model on each fold that they never saw.

    Parameters
    ----------
    own : OwnStore
        A model with its store.

    Returns
    -------
    tuple of FeatureShares
        One per family; empty where no member is boosted.
    """
    sums: dict[Family, dict[str, float]] = {family: {} for family in Family}
    rows = dict.fromkeys(Family, 0)
    for one in own.head_models():
        preparation = one.member.preparation
        fold = own.training.rows["fold"].to_numpy()
        boosted = {
            family: head for family, (head, _) in one.member.heads.items() if isinstance(head, BoostedHead)
        }
        if preparation is None or not boosted:
            continue
        X, family_of = preparation.transform(own.training), families(own.training.rows)
        names = np.array(prepared_names(preparation), object)
        for number, family in enumerate(Family):
            if family not in boosted:
                continue
            labeled = (family_of == number) & (own.training.grades >= 0)
            held_out = np.flatnonzero(labeled & (fold == one.fold))
            # By chance: rows of a study follow each other by level, and equal steps would meet one level alone.
            draw = np.random.default_rng(_SEED)
            held_out = np.sort(draw.choice(held_out, min(len(held_out), _MOST_ROWS), replace=False))
            if not len(held_out):
                continue
            found = shap_values(boosted[family].booster, X[labeled & (fold != one.fold)], X[held_out])
            severe = found[:, -1, :-1] - found[:, :, :-1].mean(axis=1)
            rows[family] += len(held_out)
            for name in dict.fromkeys(names.tolist()):
                effect = np.abs(severe[:, names == name].sum(axis=1)).sum()
                sums[family][name] = sums[family].get(name, 0.0) + float(effect)
    return tuple(
        FeatureShares(
            family,
            rows[family],
            {k: v / rows[family] for k, v in sorted(total.items(), key=lambda item: -item[1])},
        )
        for family, total in sums.items()
        if rows[family]
    )
