"""How well the selector finds what readers marked, beside rules that need no learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.mean_positions import slice_fraction
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Target

RULES = {
    Family.SPINAL: "middle slice",
    Family.FORAMINAL: "constant fraction per side and level",
    Family.SUBARTICULAR: "nearest plane to the located canal point",
}
Place = tuple[int, int]


@dataclass(frozen=True)
class Miss:
    """How far one target was missed.

    Parameters
    ----------
    family : Family
        Of the target.
    selector, rule : float
        Slices between the annotated one and that of the selector, and of the rule; infinite in another series.
    mm : float
        In-plane distance between the points, mm; NaN where the selector found none.
    """

    family: Family
    selector: float
    rule: float
    mm: float


def misses(study: Study, coordinates: pd.DataFrame, located: pd.DataFrame) -> list[Miss]:
    """Compare where targets of a study were located with where readers marked them.

    Parameters
    ----------
    study : Study
        As read; its slices in anatomical order.
    coordinates : DataFrame
        The study's rows of the coordinate table.
    located : DataFrame
        The study's rows of a feature store: condition, level, series_id, instance_number, x, y, left_mm,
        posterior_mm, head_mm.
    """
    places: dict[tuple[str, int], Place] = {}
    for k, series in enumerate(study.series):
        for number, item in enumerate(series.slices):
            places[series.series_id, item.instance_number] = (k, number)
    marked: Any = coordinates.set_index(["condition", "level"])
    found: Any = located.set_index(["condition", "level"])
    result = []
    for target in TARGETS:
        key = (target.condition.value, target.level.value)
        if key not in marked.index:
            continue
        truth, guess = marked.loc[key], found.loc[key]
        place = places.get((str(truth["series_id"]), int(truth["instance_number"])))
        if place is None:
            continue
        own = places.get((str(guess["series_id"]), int(guess["instance_number"])))
        spacing = study.series[place[0]].slices[place[1]].plane.spacing
        across, down = (guess["x"] - truth["x"]) * spacing[1], (guess["y"] - truth["y"]) * spacing[0]
        rule = _rule(study, target, place, found)
        mm = float(np.hypot(across, down)) if own else np.nan
        result.append(Miss(target.condition.family, _apart(own, place), _apart(rule, place), mm))
    return result


def _apart(one: Place | None, other: Place) -> float:
    return np.inf if one is None or one[0] != other[0] else float(abs(one[1] - other[1]))


def _rule(study: Study, target: Target, place: Place, found: Any) -> Place | None:
    if target.condition.family is not Family.SUBARTICULAR:
        n = len(study.series[place[0]].slices)
        if target.condition.family is Family.SPINAL:
            return place[0], n // 2
        return place[0], round(slice_fraction(target) * (n - 1))
    canal = found.loc[(Condition.SPINAL_CANAL_STENOSIS.value, target.level.value)]
    point = canal[["left_mm", "posterior_mm", "head_mm"]].to_numpy(float)
    if not np.isfinite(point).all():
        return None
    axial = [
        (abs(float(item.plane.distance(point)[0])), (k, number))
        for k, series in enumerate(study.series)
        if series.view is target.condition.view
        for number, item in enumerate(series.slices)
    ]
    return min(axial)[1] if axial else None


def summarize(found: Sequence[Miss]) -> list[dict[str, Any]]:
    """Shares and errors per family.

    Returns
    -------
    list of dict
        `family`, `n`; for `selector` and `rule` the shares `exact`, `within_1`, `within_2`; `rule_name`; `median_mm`
        and `p95_mm` of the in-plane error.
    """
    result = []
    for family in Family:
        of = [miss for miss in found if miss.family is family]
        if not of:
            continue
        mm = np.array([miss.mm for miss in of])
        result.append(
            {
                "family": family.value,
                "n": len(of),
                "selector": _shares([miss.selector for miss in of]),
                "rule": _shares([miss.rule for miss in of]),
                "rule_name": RULES[family],
                "median_mm": float(np.nanmedian(mm)),
                "p95_mm": float(np.nanquantile(mm, 0.95)),
            }
        )
    return result


def _shares(apart: Sequence[float]) -> dict[str, float]:
    steps = np.array(apart)
    return {"exact": float((steps == 0).mean()), "within_1": float((steps <= 1).mean()),
            "within_2": float((steps <= 2).mean())}  # fmt: skip
