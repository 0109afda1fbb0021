"""What a model is worth on a labeled cohort that it never saw, and how far it is to be trusted there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family, View
from lsdc.ensemble.bundled.card import RealFigures
from lsdc.ensemble.grading import member_tables
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.contract import Stacker
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.transferred import Transfer, TransferredMean
from lsdc.ensemble.stacking_data import StackingData
from lsdc.features.store import FeatureStore
from lsdc.metrics.bootstrap import bootstrap_interval
from lsdc.metrics.measures import auc
from lsdc.metrics.official import CONDITIONS_OF, FAMILIES, Grades, Probabilities, study_losses
from lsdc.metrics.prediction_tables import SHAPE
from lsdc.models.targets import GRADED_VIEW
from lsdc.runtime import ArtifactError


@dataclass(frozen=True)
class Judges:
    """What the members of a model predict for labeled studies that it never saw.

    Parameters
    ----------
    data : StackingData
        Predictions, grades and folds of n studies; the folds count the weighted prior.
    """

    data: StackingData

    @classmethod
    def of(cls, model: Model, store: FeatureStore, device: str = "auto") -> Self:
        """Predict the labeled studies of a store.

        Parameters
        ----------
        model : Model
            An opened model that was fitted on other patients.
        store : FeatureStore
            Features of labeled studies, made without their labels: with the bundled selector and encoder.
        device : str
            Where deep members run.

        Returns
        -------
        Judges
            In the order of the store.

        Raises
        ------
        ArtifactError
            When the store has no labeled studies in folds, or other features than the model reads.
        """
        model.check_store(store)
        rows = store.rows
        labeled = ((rows["grade"] >= 0) & (rows["fold"] >= 0)).groupby(rows["study_id"]).any()
        mask = rows["study_id"].map(labeled).to_numpy(bool)
        if not mask.any():
            raise ArtifactError(
                f"{store.path}: holds no labeled study; extract a cohort that has a train.csv"
            )
        chosen = rows[mask]
        # A grade is no judge of a model that was not shown the view in which readers gave it.
        judged = np.where(_shown(store)[mask], chosen["grade"], -1)
        studies = chosen["study_id"].iloc[:: len(TARGETS)].tolist()
        tables = member_tables(model, store, mask, set(), device)
        return cls(
            StackingData(
                Predictions.from_tables(tables, studies),
                judged.astype(np.int8).reshape(-1, *SHAPE),
                chosen["fold"].to_numpy(int)[:: len(TARGETS)],
            )
        )

    def where(self, mask: NDArray[np.bool_]) -> Self:
        """Keep some of the studies.

        Parameters
        ----------
        mask : (n,) bool
            True for the studies to keep.

        Returns
        -------
        Judges
            In the same order.
        """
        data = self.data
        return type(self)(StackingData(data.predictions.where(mask), data.grades[mask], data.folds[mask]))

    def transfers(self, stacker: TransferredMean) -> dict[Family, Transfer]:
        """Choose how far a stack is to be believed on these studies; what it is worth is then measured on others.

        Parameters
        ----------
        stacker : TransferredMean
            Fitted, without transfers.

        Returns
        -------
        dict of Family to Transfer
            Families without labels here are absent.
        """
        mean, prior = stacker.predict(self.data.predictions), stacker.prior_.fractions_
        return {
            family: Transfer.fit(family, mean, prior, self.data.grades)
            for family in FAMILIES
            if (self.data.grades[:, CONDITIONS_OF[family]] >= 0).any()
        }

    def figures(self, stacker: Stacker) -> dict[Family, RealFigures]:
        """Measure a stack on these studies.

        Parameters
        ----------
        stacker : Stacker
            Joins the members.

        Returns
        -------
        dict of Family to RealFigures
            Families without labels here are absent.
        """
        cube = stacker.predict(self.data.predictions)
        prior = cross_fit_stacker(WeightedPrior, self.data)
        return {
            family: _figures(family, self.data.grades, cube, prior)
            for family in FAMILIES
            if (self.data.grades[:, CONDITIONS_OF[family]] >= 0).any()
        }


def _shown(store: FeatureStore) -> NDArray[np.bool_]:
    """Tell for each row whether the view is there in which readers grade it."""
    views = np.array_split(store.embedding, len(View), axis=1)
    seen = np.array([np.isfinite(part).all(axis=1) for part in views])
    rows = np.arange(seen.shape[1])
    return np.asarray(seen[GRADED_VIEW[rows % len(TARGETS)], rows])


def _figures(family: Family, grades: Grades, cube: Probabilities, prior: Probabilities) -> RealFigures:
    """Measure one family on the studies that have a label of it."""
    conditions, column = CONDITIONS_OF[family], FAMILIES.index(family)
    some = (grades[:, conditions] >= 0).any(axis=(1, 2))
    grades, cube, prior = grades[some], cube[some], prior[some]
    losses = study_losses(grades, cube)
    interval = bootstrap_interval(lambda counts: losses.parts(counts)[:, column], len(grades), seed=0)
    truth, found = grades[:, conditions], cube[:, conditions]
    truth, found = truth[truth >= 0], found[truth >= 0]
    weight = np.ones(len(truth))
    return RealFigures(
        studies=len(grades),
        rows=len(truth),
        loss=interval.value,
        low=interval.low,
        high=interval.high,
        prior=float(study_losses(grades, prior).parts()[column]),
        auc_severe=auc(truth == 2, found[:, 2], weight),
        auc_moderate=auc(truth > 0, found[:, 1:].sum(axis=1), weight),
    )
