"""The words of the task: conditions, levels, grades, views, and the 25 targets with their row ids."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from lsdc.runtime import LsdcError


class Condition(StrEnum):
    """The five conditions, in the competition's order."""

    SPINAL_CANAL_STENOSIS = "spinal_canal_stenosis"
    LEFT_NEURAL_FORAMINAL_NARROWING = "left_neural_foraminal_narrowing"
    RIGHT_NEURAL_FORAMINAL_NARROWING = "right_neural_foraminal_narrowing"
    LEFT_SUBARTICULAR_STENOSIS = "left_subarticular_stenosis"
    RIGHT_SUBARTICULAR_STENOSIS = "right_subarticular_stenosis"

    @property
    def family(self) -> Family:
        """The condition without its side: `spinal`, `foraminal` or `subarticular`."""
        return Family(next(family for family in Family if family.value in self.value))

    @property
    def side(self) -> Side | None:
        """The patient's side, or None for the canal."""
        return next((side for side in Side if self.value.startswith(side.value)), None)

    @property
    def mirrored(self) -> Condition:
        """The same condition on the other side; the canal is its own mirror image.

        >>> Condition.LEFT_SUBARTICULAR_STENOSIS.mirrored.value
        'right_subarticular_stenosis'
        """
        if self.side is None:
            return self
        return Condition(self.value.replace(self.side, self.side.other, 1))

    @property
    def view(self) -> View:
        """The view in which the condition is annotated and graded."""
        return {
            Family.SPINAL: View.SAGITTAL_T2,
            Family.FORAMINAL: View.SAGITTAL_T1,
            Family.SUBARTICULAR: View.AXIAL_T2,
        }[self.family]

    @property
    def title(self) -> str:  # type: ignore[override]
        """The condition as the competition's coordinate table writes it."""
        return self.value.replace("_", " ").title()


class Family(StrEnum):
    """What the metric pools: a condition without its side."""

    SPINAL = "spinal"
    FORAMINAL = "foraminal"
    SUBARTICULAR = "subarticular"


class Side(StrEnum):
    """The patient's side."""

    LEFT = "left"
    RIGHT = "right"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.RIGHT if self is Side.LEFT else Side.LEFT


class Level(StrEnum):
    """The five lumbar disc levels, from head to foot."""

    L1_L2 = "l1_l2"
    L2_L3 = "l2_l3"
    L3_L4 = "l3_l4"
    L4_L5 = "l4_l5"
    L5_S1 = "l5_s1"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The level as the competition's coordinate table writes it: `L1/L2`."""
        return self.value.upper().replace("_", "/")


class Grade(StrEnum):
    """The three grades, mild to severe; the columns of a submission."""

    NORMAL_MILD = "normal_mild"
    MODERATE = "moderate"
    SEVERE = "severe"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The grade as train.csv writes it."""
        return {"normal_mild": "Normal/Mild"}.get(self.value, self.value.title())

    @property
    def weight(self) -> int:
        """The weight of a row with this grade in the official metric."""
        return {"normal_mild": 1, "moderate": 2, "severe": 4}[self.value]


class View(StrEnum):
    """The three views of a study, by the competition's names."""

    SAGITTAL_T1 = "Sagittal T1"
    SAGITTAL_T2 = "Sagittal T2/STIR"
    AXIAL_T2 = "Axial T2"

    @property
    def plane(self) -> str:
        """The anatomical plane of the view: `sagittal` or `axial`."""
        return "axial" if self is View.AXIAL_T2 else "sagittal"


class Target(NamedTuple):
    """One thing to grade in a study: a condition at a level.

    Parameters
    ----------
    condition : Condition
        What is graded, with its side.
    level : Level
        The disc level at which it is graded.

    Examples
    --------
    >>> Target(Condition.SPINAL_CANAL_STENOSIS, Level.L4_L5).row_id(4003253)
    '4003253_spinal_canal_stenosis_l4_l5'
    """

    condition: Condition
    level: Level

    @property
    def slug(self) -> str:
        """Condition and level as train.csv names its columns."""
        return f"{self.condition}_{self.level}"

    def row_id(self, study_id: int | str) -> str:
        """Compose the competition's row id of this target in a study.

        Parameters
        ----------
        study_id : int or str
            The study's id.

        Returns
        -------
        str
            `{study_id}_{condition}_{level}`; `parse_row_id` is the inverse.
        """
        return f"{study_id}_{self.slug}"

    @property
    def mirrored(self) -> Target:
        """The same target on the other side."""
        return Target(self.condition.mirrored, self.level)


TARGETS: tuple[Target, ...] = tuple(Target(condition, level) for condition in Condition for level in Level)
"""The 25 targets in the competition's order: conditions outer, levels inner, as train.csv's columns."""

GRADES: tuple[str, ...] = tuple(Grade)
"""The names of the three grades, mild to severe: the probability columns of a submission."""

_ROW_ID = re.compile(rf"(?P<study>.+)_(?P<condition>{'|'.join(Condition)})_(?P<level>{'|'.join(Level)})")


class RowIdError(LsdcError):
    """A row id does not have the form `{study_id}_{condition}_{level}`."""


def parse_row_id(row_id: str) -> tuple[str, Target]:
    """Split a row id into the study's id and the target.

    Parameters
    ----------
    row_id : str
        `{study_id}_{condition}_{level}`, as submissions hold it.

    Returns
    -------
    study_id : str
        All that stands before condition and level; it may hold underscores.
    target : Target
        Condition and level.

    Raises
    ------
    RowIdError
        When it does not have that form.

    Examples
    --------
    >>> parse_row_id("4003253_left_subarticular_stenosis_l5_s1")[1].slug
    'left_subarticular_stenosis_l5_s1'
    """
    match = _ROW_ID.fullmatch(row_id)
    if match is None:
        raise RowIdError(
            f"row id {row_id!r} is not STUDY_CONDITION_LEVEL, such as '4003253_spinal_canal_stenosis_l4_l5'"
        )
    return match["study"], Target(Condition(match["condition"]), Level(match["level"]))
