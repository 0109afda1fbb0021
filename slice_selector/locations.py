"""From what was found on each series to one location per target, which says what was seen and what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family, Level, Side, Target
from lsdc.slice_selector.axial import RecessPair, recesses_beside
from lsdc.slice_selector.sagittal import LevelLocations

_UNKNOWN = float("nan")
_NAN2, _NAN3 = (float("nan"),) * 2, (float("nan"),) * 3
_VIEW_ABSENT, _OUT_OF_STACK = frozenset({"view_absent"}), frozenset({"out_of_stack"})
_GUESSED_CONFIDENCE = 0.05
"""Of a canal point that only the axial stack suggests."""
_PROJECTED, _OUT_OF_REACH = 0.5, 0.3
"""Fraction of the confidence that is left where only another view shows the level, and where no axial slice does."""


@dataclass(frozen=True)
class CanalFindings:
    """The canal on the sagittal series: what is graded, and what leads to the other views.

    Parameters
    ----------
    graded : LevelLocations or None
        On the best sagittal T2 series, or on a T1 series where there is no T2. None without a sagittal series.
    guide : LevelLocations or None
        On a series whose place in the patient is known, from which levels are projected; the same as `graded` where
        that one is placed. None where no sagittal series is placed.
    """

    graded: LevelLocations | None
    guide: LevelLocations | None


@dataclass(frozen=True)
class RecessFindings:
    """The recesses on the axial series, and the canal points beside which they were sought.

    Parameters
    ----------
    levels : (5, 3) float64 or None
        Canal points, mm: those of the guide, or guessed from the axial stack. None where nothing suggests a level.
    trust : (5,) float64
        How sure these points are, 0 to 1.
    pairs : sequence of RecessPair or None
        The recesses of each level; None where no slice comes near enough.
    has_slices : bool
        Whether the study has an axial series.
    placed : bool
        Whether its place in the patient is known.
    doubt : float
        That all levels are one too high or too low; NaN where nothing tells.
    """

    levels: NDArray[np.float64] | None
    trust: NDArray[np.float64]
    pairs: Sequence[RecessPair | None]
    has_slices: bool
    placed: bool
    doubt: float


def to_locations(
    study: Study, canal: CanalFindings, foramina: Mapping[Side, LevelLocations], recesses: RecessFindings
) -> list[Location]:
    """Give every target a location: in its view where that was seen, else projected from another view, else absent.

    Parameters
    ----------
    study : Study
        Where all was found.
    canal : CanalFindings
        The first step's result.
    foramina : mapping of Side to LevelLocations
        The second step's, without sides that the series does not show; empty without a sagittal series.
    recesses : RecessFindings
        The third step's.

    Returns
    -------
    list of Location
        25, in the order of `TARGETS`.
    """
    result = []
    for target in TARGETS:
        level, side = list(Level).index(target.level), target.condition.side
        if target.condition.family is Family.SUBARTICULAR:
            location, doubt = _axial(target, level, recesses), recesses.doubt
        elif side is None and canal.graded is None and recesses.levels is not None and recesses.placed:
            location, doubt = _projected(target, recesses.levels[level], _GUESSED_CONFIDENCE), recesses.doubt
        else:
            found = canal.graded if side is None else foramina.get(side)
            location, doubt = (
                _sagittal(target, level, found, study),
                _UNKNOWN if found is None else found.doubt,
            )
        result.append(replace(location, level_doubt=doubt))
    return result


def _sagittal(target: Target, level: int, found: LevelLocations | None, study: Study) -> Location:
    """Located on a sagittal series, which may be of the other sagittal view."""
    view = target.condition.view
    if found is None:
        return _absent(target, _OUT_OF_STACK if study.of_view(view) else _VIEW_ABSENT)
    patient, confidence = _triple(found.patient[level]), float(found.confidence[level])
    series = study.series[found.series]
    if series.view is not view:
        return (
            _projected(target, found.patient[level], _PROJECTED * confidence)
            if series.placed
            else _absent(target)
        )
    point = (float(found.points[level, 0]), float(found.points[level, 1]))
    index = int(found.slices[level])
    return Location(target, view, found.series, index, point, patient, confidence, found.located_by)


def _axial(target: Target, level: int, recesses: RecessFindings) -> Location:
    """Located on an axial slice, or beside the canal's point where no slice comes near enough."""
    if recesses.levels is None:
        return _absent(target)
    view, side = target.condition.view, 0 if target.condition.side is Side.LEFT else 1
    pair, trust = recesses.pairs[level], float(recesses.trust[level])
    if pair is None:
        patient = recesses_beside(recesses.levels[level])[side]
        flags = _OUT_OF_STACK if recesses.has_slices else _VIEW_ABSENT
        return _projected(target, patient, _OUT_OF_REACH * trust, flags)
    point = (float(pair.points[side, 0]), float(pair.points[side, 1]))
    patient, confidence = _triple(pair.patient[side]), float(pair.confidence[side]) * trust
    return Location(target, view, pair.series, pair.slice, point, patient, confidence, pair.located_by)


def _projected(
    target: Target, patient: NDArray[np.float64], confidence: float, flags: frozenset[str] = _VIEW_ABSENT
) -> Location:
    """Known in the patient alone, from another view."""
    view = target.condition.view
    return Location(target, view, None, None, _NAN2, _triple(patient), confidence, "geometry", flags)


def _absent(target: Target, flags: frozenset[str] = _VIEW_ABSENT) -> Location:
    return Location(target, target.condition.view, None, None, _NAN2, _NAN3, 0.0, "absent", flags)


def _triple(point: NDArray[np.float64]) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])
