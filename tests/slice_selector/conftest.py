"""Simulated studies with annotations, and selectors cross-fitted on them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lsdc.cohort.discovery.sources import Cohort
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.study import Study
from lsdc.slice_selector.fitting import SelectorConfig, cross_fit_selector
from lsdc.slice_selector.training_example import SelectorExample, make_example


@pytest.fixture(scope="session")
def tiny() -> SelectorConfig:
    return SelectorConfig(batch=8)


@pytest.fixture(scope="session")
def cohort(small_cohort: Path) -> Cohort:
    return discover(small_cohort)


@pytest.fixture(scope="session")
def studies(cohort: Cohort) -> dict[str, Study]:
    sources = [source for source in cohort.studies if source.split == "train"][:4]
    return {source.study_id: read_study(source) for source in sources}


@pytest.fixture(scope="session")
def coordinates(cohort: Cohort, studies: dict[str, Study]) -> dict[str, pd.DataFrame]:
    assert cohort.coordinates is not None
    return {str(name): part for name, part in cohort.coordinates.groupby("study_id") if name in studies}


@pytest.fixture(scope="session")
def examples(studies: dict[str, Study], coordinates: dict[str, pd.DataFrame]) -> list[SelectorExample]:
    return [make_example(study, coordinates[name]) for name, study in studies.items()]


@pytest.fixture(scope="session")
def selectors(
    examples: list[SelectorExample], tiny: SelectorConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, int]]:
    """The folder of selectors of two folds, and the fold of each study."""
    out = tmp_path_factory.mktemp("selectors")
    folds = {example.study_id: k % 2 for k, example in enumerate(examples)}
    cross_fit_selector(examples, folds, tiny, out, workers=1)
    return out, folds
