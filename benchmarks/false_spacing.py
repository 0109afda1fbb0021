"""How often a pixel spacing that somebody falsified is noticed, and what bounds on the size of a spine would cost.

    python benchmarks/false_spacing.py --cohort SIMULATED [--pictures REAL_IMAGES] [--studies 20]

multiplies the pixel spacing of the sagittal T1 or T2 series, of both, of the axial ones or of all by a factor, and
prints how many targets of the canal, the foramina and the recesses are then seen, unsure and not seen, and in how many
studies the two sagittal series are said to disagree.
For real mid-sagittal T2 slices of which the true spacing is known, it prints how many are seen within which bounds on
the distance from L1/L2 to L5/S1.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from contact_sheet import spacings

from lsdc.cohort import Study, discover, read_study
from lsdc.cohort.location import Location, Status
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import Level, View
from lsdc.runtime.console import configure_logging, table, track
from lsdc.slice_selector.selector import SliceSelector

FACTORS = (0.75, 0.9, 1.1, 1.2, 1.33, 1.5)
FALSE = {
    "T1": {View.SAGITTAL_T1},
    "T2": {View.SAGITTAL_T2},
    "both sagittal": {View.SAGITTAL_T1, View.SAGITTAL_T2},
    "axial": {View.AXIAL_T2},
    "all": set(View),
}
BOUNDS = ((75, 200), (80, 190), (85, 185), (89, 173), (93, 165), (98, 162))
PARTS = {"canal": slice(0, 5), "foramina": slice(5, 15), "recesses": slice(15, 25)}


def falsified(series: Series, factor: float) -> Series:
    """Multiply the pixel spacing of a series."""
    slices = (
        replace(item, plane=replace(item.plane, spacing=(factor * down, factor * across)))
        for item in series.slices
        for down, across in [item.plane.spacing]
    )
    return replace(series, slices=tuple(slices))


def span(locations: list[Location]) -> float:
    """Measure from L1/L2 to L5/S1, mm, along the canal."""
    return float(np.linalg.norm(np.subtract(locations[len(Level) - 1].patient, locations[0].patient)))


def studies(cohort: Path, count: int, selector: SliceSelector) -> list[list[object]]:
    """Count statuses by what is false, and by how much."""
    cases = [("nothing", 1.0), *product(FALSE, FACTORS)]
    found: dict[tuple[str, float], dict[str, Counter[str]]] = {
        case: {part: Counter() for part in (*PARTS, "disagree")} for case in cases
    }
    for source in track(discover(cohort).studies[:count], "studies"):
        study = read_study(source)
        for name, factor in cases:
            views = FALSE.get(name, set())
            series = (falsified(item, factor) if item.view in views else item for item in study.series)
            locations = selector.locate(replace(study, series=tuple(series)))
            for part, where in PARTS.items():
                found[name, factor][part].update(item.status.value for item in locations[where])
            disagree = any("at different places" in item.reason for item in locations)
            found[name, factor]["disagree"].update([str(disagree)])
    return [
        [
            name,
            factor,
            *(" / ".join(str(counts[part][status]) for status in Status) for part in PARTS),
            counts["disagree"]["True"],
        ]
        for (name, factor), counts in found.items()
    ]


def pictures(data: Path, selector: SliceSelector) -> list[list[object]]:
    """Tell which fraction of real slices is not seen, or outside of bounds, by what the spacing is multiplied with."""
    known, factors = spacings(data), (1.0, 0.75, 1.33)
    measured: dict[float, list[tuple[bool, float]]] = {factor: [] for factor in factors}
    for path in track(sorted((data / "midsagittal").glob("*_t2.png")), "slices"):
        if path.stem not in known:
            continue
        for factor in factors:
            row, column = (factor * mm for mm in known[path.stem])
            study = Study.from_images([path], View.SAGITTAL_T2, spacing=(row, column))
            canal = selector.locate(study)[: len(Level)]
            measured[factor].append((canal[0].status is not Status.NOT_SEEN, span(canal)))
    rows: list[list[object]] = []
    for low, high in BOUNDS:
        outside = (
            np.mean([not seen or not low <= mm <= high for seen, mm in measured[factor]])
            for factor in factors
        )
        rows.append([f"{low} to {high} mm", len(measured[1.0]), *map(float, outside)])
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cohort", type=Path, help="a simulated cohort")
    parser.add_argument("--pictures", type=Path, help="real mid-sagittal slices with their spacings")
    parser.add_argument("--studies", type=int, default=20, help="so many of its studies")
    given = parser.parse_args()
    configure_logging()
    warnings.simplefilter("ignore")
    selector = SliceSelector.bundled()
    if given.cohort is not None:
        rows = studies(given.cohort, given.studies, selector)
        columns = ["false", "times", *(f"{part}: seen / unsure / not" for part in PARTS), "disagree"]
        table("targets by what spacing is false", columns, rows)
    if given.pictures is not None:
        columns = ["bounds", "slices", "outside or no spine", "times .75", "times 1.33"]
        table("real slices outside of bounds", columns, pictures(given.pictures, selector))


if __name__ == "__main__":
    main()
