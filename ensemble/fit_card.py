"""What a fit says of the model that it made: what it learned from, what it is for, and what it never saw."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES, TARGETS, Condition, View
from lsdc.features.series_table import SERIES, simulated_studies
from lsdc.features.store import FeatureStore
from lsdc.runtime.schema import Check, list_of, mapping_of, optional, record, text, whole

FIT_CARD = "fit_card.json"
"""File of a model directory that holds it."""
INTENDED_USE = "research and teaching, and a second look by people who can read the images"
NOT_INTENDED = (
    "it is no medical device: it must not decide about a patient, and no grade may reach a report unseen by a "
    "radiologist"
)
"""What models of this toolkit are for, and what not; for every model the same."""
_PACKAGES = ("lsdc-toolkit", "numpy", "scikit-learn", "lightgbm", "xgboost", "torch", "timm", "optuna")
_ABSENT = {
    View.SAGITTAL_T1: "flag_t1_absent",
    View.SAGITTAL_T2: "flag_t2_absent",
    View.AXIAL_T2: "flag_axial_absent",
}
_RANGES = {"meta_age_years": "ages, years", "meta_t2_field_strength_t": "field strengths, T"}
_OLDEST = 90.0
"""Years from which an age is not told (HIPAA's safe harbor, 45 CFR 164.514)."""
FIT_CARD_FIELDS: Check = record(
    {
        "intended_use": text(),
        "studies": whole(1),
        "grades": mapping_of(mapping_of(whole(0))),
        "ranges": mapping_of(list_of(optional(text(most=40)), 2, 2)),
        "never_saw": list_of(text()),
        "backbone": text(),
        "selector": text(),
        "seed": whole(0),
        "versions": mapping_of(text(most=100)),
    },
    {"simulated": whole(0)},
)
"""What fit_card.json must hold."""


@dataclass(frozen=True)
class FitCard:
    """What a model that was fitted says of itself.

    Parameters
    ----------
    intended_use : str
        What it may be used for.
    studies : int
        Number of studies that it was fitted on.
    grades : dict of str to dict of str to int
        By condition: how many labeled rows have each grade.
    ranges : dict of str to (str, str)
        Least and largest age and field strength among the studies.
    never_saw : tuple of str
        What it has no experience of.
    backbone, selector : str
        What embedded the crops, and where the selector comes from.
    seed : int
        Seed of the fit.
    versions : dict of str to str
        Of Python and of the packages that decide the result.
    simulated : int, default 0
        How many of the studies are of simulated patients; 0 also where an earlier version did not ask.
    """

    intended_use: str
    studies: int
    grades: dict[str, dict[str, int]]
    ranges: dict[str, tuple[str, str]]
    never_saw: tuple[str, ...]
    backbone: str
    selector: str
    seed: int
    versions: dict[str, str]
    simulated: int = 0

    @classmethod
    def of(cls, store: FeatureStore, rows: pd.DataFrame, seed: int) -> FitCard:
        """Describe what a fit learns from.

        Parameters
        ----------
        store : FeatureStore
            The store.
        rows : DataFrame
            Its rows that are fitted on.
        seed : int
            Seed of the fit.

        Returns
        -------
        FitCard
            Without ids, names and paths.
        """
        counts = {
            condition.value: _grade_counts(rows.loc[rows["condition"] == condition.value, "grade"])
            for condition in Condition
        }
        firsts = rows.iloc[:: len(TARGETS)]
        ranges = {words: _range(firsts[name]) for name, words in _RANGES.items() if name in firsts}
        configuration = store.manifest["configuration"]
        # Part by part: one of an earlier version has no such table.
        made = [simulated_studies(part.table(SERIES)) for part in store.parts.all]
        simulated = len(frozenset[str]().union(*made).intersection(firsts["study_id"]))
        return cls(
            f"{INTENDED_USE}; {NOT_INTENDED}", len(firsts), counts, {k: v for k, v in ranges.items() if v is not None},
            tuple(_never_saw(counts, firsts, simulated)), store.backbone,
            str(configuration.get("selector", "unknown")), seed,
            {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}, simulated,
        )  # fmt: skip

    @property
    def learned_from(self) -> str:
        """How many studies it was fitted on, and how many of them are simulated, in words."""
        if not self.simulated:
            return f"{self.studies} studies"
        of = "all" if self.simulated == self.studies else f"{self.simulated} of them"
        return f"{self.studies} studies, {of} of simulated patients"

    def statement(self) -> tuple[str, ...]:
        """Say what is to be said wherever the model's grades are shown.

        Returns
        -------
        tuple of str
            What it is for, and what it never saw.
        """
        return (
            f"for {self.intended_use}; fitted on {self.learned_from}",
            f"it never saw {'; '.join(self.never_saw)}",
        )

    def to_dict(self) -> dict[str, Any]:
        """Give what fit_card.json holds.

        Returns
        -------
        dict
            The fields.
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FitCard:
        """Read what `to_dict` gave.

        Parameters
        ----------
        content : mapping
            Checked by `FIT_CARD_FIELDS`.

        Returns
        -------
        FitCard
            Equal to what was written.
        """
        known = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
        ranges = {name: tuple(pair) for name, pair in content["ranges"].items()}
        return cls(**known | {"ranges": ranges, "never_saw": tuple(content["never_saw"])})


def _grade_counts(grades: pd.Series) -> dict[str, int]:
    return {name: int((grades == k).sum()) for k, name in enumerate(GRADES)}


def _shown(name: str, value: float) -> str:
    """Write a value; the age of the oldest may tell who somebody is."""
    return f"{_OLDEST:g} or more" if name == "meta_age_years" and value >= _OLDEST else f"{value:g}"


def _range(values: pd.Series) -> tuple[str, str] | None:
    """Give the least and the largest known value as text."""
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    name = str(values.name)
    return (_shown(name, known.min()), _shown(name, known.max())) if len(known) else None


def _never_saw(
    counts: Mapping[str, Mapping[str, int]], firsts: pd.DataFrame, simulated: int
) -> Sequence[str]:
    """Name what was absent from the studies."""
    elsewhere = "patients of other hospitals and scanners than those it was fitted on"
    said = ["a real patient" if simulated == len(firsts) else elsewhere]
    blank = [name.replace("_", " ") for name, grades in counts.items() if not sum(grades.values())]
    if blank:
        said.append(f"labels of {', '.join(blank)}")
    rare = [
        f"{grade.replace('_', '/')} {name.replace('_', ' ')}"
        for name, grades in counts.items()
        for grade, count in grades.items()
        if sum(grades.values()) and not count
    ]
    if rare:
        said.append(", ".join(rare))
    for view, flag in _ABSENT.items():
        if flag in firsts and firsts[flag].astype(bool).all():
            said.append(f"{view.value} series")
    return said
