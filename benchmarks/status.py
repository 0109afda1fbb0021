"""How well the status of a target tells whether it was seen, with the bundled selector.

    python benchmarks/status.py --cohort COHORT [--studies 300]

prints, for a cohort with annotated foramina, how many points lie within 8 mm of the reader's by confidence, and in how
many studies a lumbar spine is found; and for pictures that show none (noise, textures and photographs of
scikit-image, at several sizes) in how many one is.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from skimage import data

from lsdc.cohort import Study, discover, read_study
from lsdc.cohort.location import Location, Status
from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.runtime.console import configure_logging, table, track
from lsdc.slice_selector.annotations import read_annotations
from lsdc.slice_selector.selector import SliceSelector

PICTURES = ("camera", "coins", "moon", "brick", "grass", "gravel", "text", "clock", "cell", "page")
SIDES_MM = (120, 160, 200, 250, 300, 400)
EDGES = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)
RIGHT_MM = 8.0


def without_spine() -> Iterator[Study]:
    """Make studies of pictures that show no spine."""
    rng = np.random.default_rng(0)
    pictures = [getattr(data, name)() for name in PICTURES]
    pictures += [rng.integers(0, 256, (256, 240)).astype(np.uint8) for _ in range(5)]
    for picture in pictures:
        for side in SIDES_MM:
            spacing = side / max(picture.shape)
            for view in ("Sagittal T2/STIR", "Sagittal T1"):
                yield Study.from_images([picture.astype(np.uint8)] * 3, view, spacing=(spacing, spacing))


def finds_spine(locations: list[Location]) -> bool:
    """Tell whether any target was found on the pictures."""
    return any(item.status is not Status.NOT_SEEN for item in locations)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cohort", type=Path, help="a cohort with annotated foramina; without it, pictures only"
    )
    parser.add_argument("--studies", type=int, default=300, help="so many of its studies")
    given = parser.parse_args()
    configure_logging()
    warnings.simplefilter("ignore")
    selector = SliceSelector.bundled()
    others = [finds_spine(selector.locate(study)) for study in track(list(without_spine()), "pictures")]
    found = [["pictures without a spine", len(others), int(sum(others))]]
    if given.cohort is not None:
        cohort = discover(given.cohort)
        if cohort.coordinates is None:
            parser.error(f"{given.cohort} has no table of annotated points")
        spines, points = [], []
        for source in track(cohort.studies[: given.studies], "studies"):
            study = read_study(source)
            marked = read_annotations(study, cohort.coordinates.query("study_id == @study.study_id"))
            locations = selector.locate(study)
            spines.append(finds_spine(locations))
            for k, target in enumerate(TARGETS):
                if target.condition.family is Family.FORAMINAL and np.isfinite(marked.patient[k]).all():
                    off = np.subtract(locations[k].patient, marked.patient[k])[1:]
                    points.append((locations[k].confidence, float(np.hypot(*off))))
        found.append(["studies with one", len(spines), int(sum(spines))])
        confidence, distance = np.array(points).T
        rows = []
        for low, high in pairwise(EDGES):
            inside = (confidence >= low) & (confidence < high)
            if inside.any():
                rows.append(
                    [
                        f"{low:.1f} to {min(high, 1):.1f}",
                        int(inside.sum()),
                        float((distance[inside] < RIGHT_MM).mean()),
                    ]
                )
        for name, inside in (("below .5", confidence < 0.5), ("from .5 on", confidence >= 0.5)):
            rows.append([name, int(inside.sum()), float((distance[inside] < RIGHT_MM).mean())])
        table("foramina by confidence", ["confidence", "points", "within 8 mm"], rows)
    table("a lumbar spine is found", ["what", "studies", "found"], found)


if __name__ == "__main__":
    main()
