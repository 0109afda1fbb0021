"""How well the selector finds what readers marked, beside rules that need no learning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.slice_selector.example import SelectorExample
from lsdc.slice_selector.fallback import slice_fraction
from lsdc.slice_selector.location import Location

_RULES = {
    Family.SPINAL: "middle slice",
    Family.FORAMINAL: "constant fraction per side and level",
    Family.SUBARTICULAR: "nearest plane to the annotated canal point",
}


def compare(
    pairs: Iterable[tuple[Study, SelectorExample, Sequence[Location]]],
) -> list[dict[str, Any]]:
    """Compare locations with annotations.

    Parameters
    ----------
    pairs : iterable of (Study, SelectorExample, sequence of Location)
        A study, its annotations, and where a selector that did not see them put its 25 targets.

    Returns
    -------
    list of dict
        Per family: `selector` and `rule` with the shares `exact`, `within_1`, `within_2` slices; `median_mm` and
        `p95_mm` of the in-plane error on slices within 1; `n` and `found`.
    """
    steps: dict[tuple[Family, str], list[float]] = {}
    errors: dict[Family, list[float]] = {family: [] for family in Family}
    for study, example, locations in pairs:
        for k, location in enumerate(locations):
            wanted, family = int(example.annotated[k]), TARGETS[k].condition.family
            if wanted < 0:
                continue
            same = np.nonzero(example.series == example.series[wanted])[0]
            rule = _rule(example, k, same)
            steps.setdefault((family, "rule"), []).append(abs(rule - wanted))
            series, number = int(example.series[wanted]), wanted - int(same[0])
            if location.slice is None or location.series is None:
                steps.setdefault((family, "selector"), []).append(np.inf)
                continue
            apart = abs(location.slice - number) if location.series == series else np.inf
            steps.setdefault((family, "selector"), []).append(apart)
            if apart <= 1:
                plane = study.series[series].slices[number].plane
                shift = (np.array(location.point) - plane.to_pixel(example.patient[k])[0]) * plane.spacing[
                    ::-1
                ]
                errors[family].append(float(np.hypot(*shift)))
    return [_row(family, steps, errors[family]) for family in Family if (family, "rule") in steps]


def _rule(example: SelectorExample, k: int, same: np.ndarray) -> int:
    target = TARGETS[k]
    if target.condition.family is Family.SUBARTICULAR:
        level = k % 5
        if np.isfinite(example.distance[same, level]).all():
            axial = np.nonzero(np.isfinite(example.distance[:, level]))[0]
            return int(axial[np.abs(example.distance[axial, level]).argmin()])
        return int(same[len(same) // 2])
    return int(same[min(len(same) - 1, round(slice_fraction(target) * (len(same) - 1)))])


def _row(family: Family, steps: dict[tuple[Family, str], list[float]], errors: list[float]) -> dict[str, Any]:
    def shares(name: str) -> dict[str, float]:
        apart = np.array(steps[family, name])
        return {"exact": float((apart == 0).mean()), "within_1": float((apart <= 1).mean()),
                "within_2": float((apart <= 2).mean())}  # fmt: skip

    return {
        "family": family.value,
        "n": len(steps[family, "selector"]),
        "found": float(np.isfinite(steps[family, "selector"]).mean()),
        "selector": shares("selector"),
        "rule": shares("rule") | {"name": _RULES[family]},
        "median_mm": float(np.median(errors)) if errors else None,
        "p95_mm": float(np.quantile(errors, 0.95)) if errors else None,
    }
