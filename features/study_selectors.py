"""The slice selectors of a store: fitted, bundled, or copied from another store."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.vocabulary import Condition, Family
from lsdc.features.extract_worker import ExampleTask
from lsdc.features.extraction_plan import BUNDLED, ExtractionPlan
from lsdc.features.extractor import SELECTOR, Extractor
from lsdc.features.stage_clock import StageClock
from lsdc.features.study_failures import example_problems, make_examples
from lsdc.features.taught_studies import write_taught
from lsdc.runtime.artifact import MANIFEST, atomic
from lsdc.runtime.errors import Problem
from lsdc.slice_selector.example_files import ExampleFiles
from lsdc.slice_selector.fitting import ALL, SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.selector import SliceSelector

_DESCRIBED = 500
"""The ranker of a family learns from the slices of so many studies: of each it knows dozens of rows, and it draws
4,000 of all."""


@dataclass(frozen=True)
class StudySelectors:
    """Which selector locates which study.

    Parameters
    ----------
    folder : Path
        The store's folder of selectors: `bundled`, or `fold_0`, `fold_1` … and `all`.
    folds : mapping of str to int
        Fold of each study that one of the selectors was fitted on.
    problems : tuple of Problem
        Studies from which a selector was to learn and could not.
    """

    folder: Path
    folds: Mapping[str, int]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def like(cls, like: Extractor, sources: Sequence[StudySource], folder: Path) -> Self:
        """Locate studies as another store or a model would: those that taught it by the selector that never saw them.

        Parameters
        ----------
        like : Extractor
            Of that store or model.
        sources : sequence of StudySource
            The studies.
        folder : Path
            Of the selectors, or of a copy of them.

        Returns
        -------
        StudySelectors
            Which of them locates which study.
        """
        known = {source.study_id: like.fold_of(source.study_id) for source in sources}
        return cls(folder, {study: fold for study, fold in known.items() if fold is not None})

    def folder_for(self, study_id: str) -> Path:
        """Give the folder of the selector that never saw a study.

        Parameters
        ----------
        study_id : str
            The study.

        Returns
        -------
        Path
            The bundled selector's folder where there is one; that of the study's fold; `all` for other studies.
        """
        bundled = self.folder / "bundled"
        return bundled if bundled.is_dir() else folder_of(self.folder, self.folds.get(study_id, ALL))


def make_selectors(plan: ExtractionPlan, out: Path, workers: int | None, clock: StageClock) -> StudySelectors:
    """Put the selectors into a store that is being written; those that are there already stay.

    They are kept in the store, so that resuming, and extracting another cohort like it, locate in the same way.

    Parameters
    ----------
    plan : ExtractionPlan
        Where the selectors come from, and the studies that they are fitted on.
    out : Path
        The store's directory.
    workers : int or None
        Processes for reading and fitting; None is one per core.
    clock : StageClock
        Notes the seconds of reading and fitting.

    Returns
    -------
    StudySelectors
        Which of them locates which study.

    Raises
    ------
    ArtifactError
        When the store that the plan is like holds no selector.
    """
    folder = out / SELECTOR
    if isinstance(plan.like, Extractor):
        return _copy_selectors(plan, plan.like, folder)
    if plan.selector == BUNDLED:
        if not (folder / "bundled").is_dir():
            with atomic(folder / "bundled") as temporary:
                SliceSelector.bundled().save(temporary)
        return StudySelectors(folder, plan.folds)
    problems = _fit_selectors(plan, out / "work" / "examples", folder, workers, clock)
    write_taught(folder, plan.folds)
    return StudySelectors(folder, plan.folds, tuple(problems))


def _copy_selectors(plan: ExtractionPlan, like: Extractor, folder: Path) -> StudySelectors:
    """Copy the selectors of a store or a model, whose studies keep the selector that never saw them."""
    source = like.selector
    if not folder.is_dir():
        with atomic(folder) as temporary:
            shutil.copytree(source, temporary)
    return StudySelectors.like(like, plan.sources, folder)


def _fit_selectors(
    plan: ExtractionPlan, examples: Path, folder: Path, workers: int | None, clock: StageClock
) -> list[Problem]:
    """Fit the selectors on the annotated studies, cross-fitted; list who could not teach."""
    assert plan.cohort.coordinates is not None
    coordinates = {str(study): rows for study, rows in plan.cohort.coordinates.groupby("study_id")}
    taught = [
        source
        for source in plan.cohort.studies
        if source.study_id in plan.folds and source.study_id in coordinates
    ]
    described = _described(coordinates, [source.study_id for source in taught], plan.settings.seed)
    tasks = [
        ExampleTask(
            source,
            coordinates[source.study_id],
            examples / f"{source.study_id}.npz",
            source.study_id in described,
        )
        for source in taught
    ]
    with clock.stage("read examples"):
        # All selectors learn from the same studies, also where a run is killed in between.
        if not any(folder.glob(f"*/{MANIFEST}")):
            make_examples(tasks, workers)
    with clock.stage("fit selector"):
        # Not whatever lies in the folder: a worker that was killed leaves half a file there.
        found = ExampleFiles(sorted(task.out for task in tasks if task.out.is_file()))
        cross_fit_selector(found, plan.folds, SelectorConfig(seed=plan.settings.seed), folder, workers)
    return example_problems(tasks)


def _described(coordinates: Mapping[str, pd.DataFrame], studies: Sequence[str], seed: int) -> set[str]:
    """Draw the studies from which rankers learn: of each family so many that are marked for it."""
    drawn = np.random.default_rng(seed).permutation(np.array(studies, object))
    marked: dict[Family, list[str]] = {family: [] for family in Family}
    for study in drawn:
        for family in {Condition(word).family for word in coordinates[study]["condition"].unique()}:
            marked[family].append(study)
    return {study for found in marked.values() for study in found[:_DESCRIBED]}
