"""What an extraction will do, decided before any image is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from lsdc.cohort.discovery.sources import Cohort, StudySource
from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.discovery.study_content import described_views, state_of
from lsdc.cohort.discovery.study_ids import NamedBy
from lsdc.cohort.folds import make_folds, read_folds
from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.encoder import Encoder
from lsdc.features.extractor import ENCODER, Extractor
from lsdc.features.store_settings import Settings
from lsdc.runtime.archives import is_unpacked
from lsdc.runtime.artifact import fingerprint
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.paths import PathLike

BUNDLED: Literal["bundled"] = "bundled"
"""The word for the selector that is shipped, also where the cohort could teach one."""


@dataclass(frozen=True)
class ExtractionPlan:
    """Which studies are extracted, how, and what is known about them; make one with `plan_extraction`.

    Parameters
    ----------
    cohort : Cohort
        The studies that were found, with their tables.
    settings : Settings
        What decides the store's content.
    like : Extractor, `bundled` or None
        Whose selector is used; None fits one, or takes the bundled one.
    labels : DataFrame or None
        Grades (-1 to 2) of the training studies that are there: index study_id, one column per target.
    folds : dict of str to int
        Fold of each labeled training study; empty where there are none.
    """

    cohort: Cohort
    settings: Settings
    like: Extractor | Literal["bundled"] | None
    labels: pd.DataFrame | None
    folds: dict[str, int]

    @property
    def sources(self) -> list[StudySource]:
        """The studies in the order of the store: by id."""
        return sorted(self.cohort.studies, key=lambda source: source.study_id)

    @property
    def selector(self) -> str:
        """Where the slice selector comes from: `like`, `fitted` on this cohort's coordinates, or `bundled`."""
        if isinstance(self.like, Extractor):
            return "like"
        if self.like == BUNDLED:
            return BUNDLED
        annotated = set() if self.cohort.coordinates is None else set(self.cohort.coordinates["study_id"])
        return "fitted" if annotated & set(self.folds) else BUNDLED

    def configuration(self, encoder: Encoder) -> dict[str, Any]:
        """List what decides the store's content besides the data, for its manifest.

        Parameters
        ----------
        encoder : Encoder
            What embeds the crops.

        Returns
        -------
        dict of str to JSON value
            The settings, the encoder's hash, and where the selector comes from.
        """
        reference = self.like.feature_fingerprint if isinstance(self.like, Extractor) else None
        content = self.settings.content()
        if reference is not None:
            content["weights"] = ENCODER  # where they lie on this machine is nobody's business
        return content | {"encoder": encoder.digest, "selector": self.selector, "like": reference}

    def content(self) -> str:
        """Hash which studies are extracted, in which folds they are, which files they consist of, and what tables say.

        Returns
        -------
        str
            16 hexadecimal digits. A file counts by name, size and time of change; one of an archive or behind a URL by
            the first two. Of the tables the descriptions of series count, and the marks that a selector is fitted on.
        """
        packed = is_unpacked(self.cohort.root) or any(source.origin is not None for source in self.sources)
        states = map(state_of, self._files())
        found = self._studies() | {"files": [(*state[:2], 0 if packed else state[2]) for state in states]}
        if views := [one for source in self.sources if (one := described_views(source))]:
            found["views"] = views
        if self.selector == "fitted" and self.cohort.coordinates is not None:
            found["marks"] = self.cohort.coordinates.to_csv(index=False)
        return fingerprint(found)

    def content_before(self) -> str:
        """Hash the studies and folds alone, as version 0.1 did.

        Returns
        -------
        str
            16 hexadecimal digits.
        """
        return fingerprint(self._studies())

    def _studies(self) -> dict[str, Any]:
        return {"studies": [(item.study_id, item.split) for item in self.sources], "folds": self.folds}

    def _files(self) -> Iterator[Path]:
        for source in self.sources:
            for series in source.series:
                yield from series.files

    def relabeled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Give rows of extracted studies the folds and grades of today: a table may have been corrected since.

        Parameters
        ----------
        rows : DataFrame
            25 rows for each study; those of studies that are not in the plan stay as they are.

        Returns
        -------
        DataFrame
            A copy.
        """
        known, parts = {source.study_id for source in self.sources}, []
        for study, then in rows.groupby("study_id", sort=False):
            now = then.copy()
            if study in known:
                self.add_labels(now, str(study))
            parts.append(now)
        return pd.concat(parts) if parts else rows.copy()

    def add_labels(self, rows: pd.DataFrame, study_id: str) -> None:
        """Write the columns `fold` and `grade` into the 25 rows of a study, -1 where unknown.

        Parameters
        ----------
        rows : DataFrame
            The rows of the study in the order of TARGETS; changed in place.
        study_id : str
            The study.
        """
        rows["fold"] = self.folds.get(study_id, -1)
        rows["grade"] = -1
        if self.labels is not None and study_id in self.labels.index:
            rows["grade"] = self.labels.loc[study_id, [target.slug for target in TARGETS]].to_numpy()


def plan_extraction(
    data: PathLike,
    settings: Settings,
    like: Extractor | Literal["bundled"] | None,
    study_id: NamedBy | None = None,
    cohort: Cohort | None = None,
) -> ExtractionPlan:
    """Find the studies and deal the labeled ones over folds.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, any tree of DICOM files, a ZIP archive of either, or a URL of such.
    settings : Settings
        What decides the store's content; where `like` is given, values that are not the default must agree with it.
    like : Extractor, `bundled` or None
        Whose settings and selector are used; `bundled` takes the shipped selector also where the cohort has
        annotated points that could teach one.
    study_id : `uid`, `folder` or `hash`, optional
        How studies are named; see `discover`.
    cohort : Cohort, optional
        What `discover` found in `data`; by default it is asked.

    Returns
    -------
    ExtractionPlan
        Nothing is written and no image is read yet.

    Raises
    ------
    LsdcError
        When there is no study, a table is malformed, or there are too few labeled studies for the folds.
    ConfigError
        When `settings` contradict `like`.
    """
    cohort = cohort or discover(data, study_id=study_id)
    if not cohort.studies:
        raise LsdcError(f"{data}: holds no study; give a folder with DICOM files")
    if isinstance(like, Extractor):
        settings = settings.matched_to(like)
    labels = _training_labels(cohort)
    folds: dict[str, int] = {}
    if labels is not None:
        folds = _folds(labels, settings, fits=like is None)
    return ExtractionPlan(cohort, settings, like, labels, folds)


def _folds(labels: pd.DataFrame, settings: Settings, fits: bool) -> dict[str, int]:
    """Deal the labeled studies over folds, or read the folds that were given; several where something is fitted."""
    if isinstance(settings.folds, int):
        # With a selector at hand, a single labeled study needs no fold.
        return make_folds(labels, settings.folds, settings.seed) if fits or len(labels) > 1 else {}
    studies = [str(study) for study in labels.index]
    return dict(zip(studies, map(int, read_folds(settings.folds, studies, least=2 if fits else 1))))


def _training_labels(cohort: Cohort) -> pd.DataFrame | None:
    """Take the labels of the training studies that are there, and nothing of the test part."""
    if cohort.labels is None:
        return None
    train = {source.study_id for source in cohort.studies if source.split == "train"}
    labels = cohort.labels[cohort.labels.index.isin(train)]
    return labels if len(labels) else None
