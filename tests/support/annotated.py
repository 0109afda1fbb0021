"""Annotated targets as a selector would give them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Condition, Level, Target


def annotated_locations(study: Study, coordinates: pd.DataFrame, rng: np.random.Generator) -> list[Location]:
    """The annotated targets of a study as a selector would give them; one in five on a neighboring slice.

    Parameters
    ----------
    study : Study
        All series.
    coordinates : DataFrame
        `series_id`, `instance_number`, `condition`, `level`, `x`, `y`.
    rng : numpy Generator
        Chooses the neighbors.

    Returns
    -------
    list of Location
        Those that were annotated and whose slice could be read.
    """
    index = {
        (series.series_id, item.instance_number): (k, s)
        for k, series in enumerate(study.series)
        for s, item in enumerate(series.slices)
    }
    found = []
    for row in coordinates.to_dict("records"):
        place = index.get((str(row["series_id"]), int(row["instance_number"])))
        if place is None:
            continue
        target = Target(Condition(row["condition"]), Level(row["level"]))
        series, where = study.series[place[0]], place[1]
        patient = series.slices[where].plane.to_patient((row["x"], row["y"]))[0]
        step = int(rng.choice([-1, 0, 1], p=[0.1, 0.8, 0.1]))
        where = int(np.clip(where + step, 0, len(series.slices) - 1))
        column, line = series.slices[where].plane.to_pixel(patient)[0]
        found.append(
            Location(
                target=target,
                view=target.condition.view,
                series=place[0],
                slice=where,
                point=(float(column), float(line)),
                patient=(float(patient[0]), float(patient[1]), float(patient[2])),
                confidence=1.0,
                located_by="network",
                flags=frozenset(),
            )
        )
    return found
