"""The rows of one study in a store: identity, location, and place in the images of each target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lsdc.cohort.location import Location
from lsdc.cohort.study import Study
from lsdc.features.located_study import LocatedStudy
from lsdc.features.study_images import StudyImages


def rows_of(located: LocatedStudy, split: str, images: StudyImages) -> pd.DataFrame:
    """Describe where every target of a study was located, and where its images show it.

    Parameters
    ----------
    located : LocatedStudy
        The study with n located targets.
    split : str
        `train`, `test` or `new`.
    images : StudyImages
        What was cut of it.

    Returns
    -------
    DataFrame
        n rows in the order of the locations, with the columns of `ROW_TYPES` from `study_id` to `preview_y`,
        without grade and fold.
    """
    return pd.DataFrame(
        [
            {"study_id": located.study.study_id, "split": split}
            | _location(located.study, location)
            | _place(in_volume, "volume_slice", "volume")
            | _place(in_preview, "preview", "preview")
            for location, in_volume, in_preview in zip(located.locations, images.in_volume, images.in_preview)
        ]
    )


def write_study_rows(path: Path, rows: pd.DataFrame) -> None:
    """Write the rows of a study until the store is put together: as an Arrow file, in a third of Parquet's time.

    Parameters
    ----------
    path : Path
        The file.
    rows : DataFrame
        As `complete_rows` gives them.
    """
    table = pa.table({
        name: pa.array(column.to_numpy(), from_pandas=False) for name, column in rows.items()
    })  # fmt: skip
    with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table)


def read_study_rows(path: Path) -> pd.DataFrame:
    """Read the rows of a study.

    Parameters
    ----------
    path : Path
        What `write_study_rows` wrote.

    Returns
    -------
    DataFrame
        The rows with an index 0..n-1.
    """
    with pa.OSFile(str(path)) as stream:
        return pa.ipc.open_file(stream).read_pandas()


def _location(study: Study, location: Location) -> dict[str, object]:
    """Describe a target and its location."""
    series = None if location.series is None else study.series[location.series]
    chosen, stored_in = None, "" if series is None else series.series_id
    if series is not None and location.slice is not None:
        chosen, stored_in = series.slices[location.slice], series.stored_in(location.slice)
    left, posterior, head = location.patient
    return {
        "condition": location.target.condition.value,
        "level": location.target.level.value,
        "view": location.view.value,
        "series_id": stored_in,
        "instance_number": -1 if chosen is None else chosen.instance_number,
        "x": location.point[0],
        "y": location.point[1],
        "left_mm": left,
        "posterior_mm": posterior,
        "head_mm": head,
        "confidence": location.confidence,
        "level_doubt": location.level_doubt,
        "located_by": location.located_by,
        "status": location.status.value,
        "reason": location.reason,
    }


def _place(point: NDArray[np.float32], index_name: str, prefix: str) -> dict[str, object]:
    """Name index, column and row of a target among some images; -1 and NaN where it is absent."""
    return {
        index_name: -1 if np.isnan(point[0]) else int(point[0]),
        f"{prefix}_x": point[1],
        f"{prefix}_y": point[2],
    }
