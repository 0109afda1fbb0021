"""A large labeled cohort out of a small one: its studies are linked under more names."""

from __future__ import annotations

import os
from itertools import cycle, islice
from pathlib import Path

import pandas as pd

TABLES = ("train.csv", "train_series_descriptions.csv", "train_label_coordinates.csv")


def link_study(study: Path, to: Path) -> None:
    """Link the files of a study under another name, as a study of its own."""
    for path in study.rglob("*"):
        if path.is_file():
            place = to / path.relative_to(study)
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, place)


def link_cohort(data: Path, out: Path, count: int) -> None:
    """Link the labeled studies of a cohort in the competition's layout until there are so many.

    The new names are numbers; `out` must be on the same disk.
    """
    tables = {name: pd.read_csv(data / name, dtype={"study_id": str}) for name in TABLES}
    studies = list(islice(cycle(sorted(tables["train.csv"]["study_id"])), count))
    for number, study in enumerate(studies):
        link_study(data / "train_images" / study, out / "train_images" / str(number))
    for name, table in tables.items():
        rows = dict(iter(table.groupby("study_id")))
        parts = [rows[study].assign(study_id=number) for number, study in enumerate(studies) if study in rows]
        pd.concat(parts).to_csv(out / name, index=False)
