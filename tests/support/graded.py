"""Graded studies made by hand, for pages and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from support.made_study import locate_all, whole_study

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import GRADES, Grade, Target
from lsdc.features.located_study import LocatedStudy
from lsdc.features.series_table import series_of
from lsdc.report.graded_study import GradedStudy, GradedTarget


def made_graded(
    study: Study | None = None,
    *,
    study_id: str = "4003253",
    change: Callable[[Location], Location] = lambda location: location,
    truth: Mapping[Target, Grade] | None = None,
    refused: Sequence[Target] = (),
    statement: tuple[str, ...] = ("a model of simulated patients", "canals: never measured on real patients"),
    summary: tuple[str, ...] = (),
) -> GradedStudy:
    """Grade a made study at random, each target where it lies; `change` alters its locations."""
    study = replace(study or whole_study(), study_id=study_id)
    locations = [change(location) for location in locate_all(study)]
    located = LocatedStudy.of(study, locations)
    rng = np.random.default_rng(3)
    targets = []
    for location in locations:
        low, middle, high = (float(value) for value in rng.dirichlet([3, 2, 1]))
        known = None if truth is None else truth.get(location.target)
        targets.append(GradedTarget(location, (low, middle, high), known, location.target in refused))
    table = pd.DataFrame(series_of(located))
    return GradedStudy(located, tuple(targets), table, "bundled", statement, "none", summary)


def with_probabilities(graded: GradedStudy, probabilities: Sequence[float]) -> GradedStudy:
    """Give all targets the same probabilities."""
    low, middle, high = probabilities
    return replace(
        graded, targets=tuple(replace(item, probabilities=(low, middle, high)) for item in graded.targets)
    )


def grade_of(letter: str) -> Grade:
    """The grade that begins with a letter."""
    return next(Grade(name) for name in GRADES if name.startswith(letter.lower()))
