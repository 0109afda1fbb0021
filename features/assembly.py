"""The last stage of an extraction: the studies' rows to one store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.study_content import content_of
from lsdc.cohort.discovery.study_ids import hide_paths
from lsdc.features.crop_embedding import EmbeddingChunk
from lsdc.features.extract_worker import StudyTask, problems_of
from lsdc.features.extraction_plan import ExtractionPlan
from lsdc.features.series_table import SERIES, write_series
from lsdc.features.store import FeatureStore
from lsdc.features.study_rows import read_study_rows
from lsdc.features.writer import finish_store, writing_rows
from lsdc.runtime.artifact import read_json
from lsdc.runtime.errors import Problem


def assemble_store(
    out: Path,
    plan: ExtractionPlan,
    tasks: Sequence[StudyTask],
    chunks: Sequence[EmbeddingChunk],
    configuration: Mapping[str, Any],
    problems: Sequence[Problem] = (),
) -> FeatureStore:
    """Join the finished studies' rows with labels, folds and embeddings, and finish the store.

    Parameters
    ----------
    out : Path
        The directory of the store or of one of its shards, with the arrays in place.
    plan : ExtractionPlan
        Labels and folds of the cohort.
    tasks : sequence of StudyTask
        All studies of the store or of the shard in its order, extracted.
    chunks : sequence of EmbeddingChunk
        Their embeddings.
    configuration : mapping of str to JSON value
        For the manifest.
    problems : sequence of Problem
        What was left out besides the problems of the studies; by default nothing.

    Returns
    -------
    FeatureStore
        The finished store.
    """
    records: list[dict[str, Any]] = []
    series: list[dict[str, Any]] = []
    left_out = [*problems]
    with writing_rows(out) as writer:
        for start, stop, path in chunks:
            tables = []
            for task in tasks[start:stop]:
                rows = read_study_rows(task.rows_path)
                plan.add_labels(rows, task.source.study_id)
                tables.append(rows)
                found = problems_of(task.record_path)
                left_out += found
                record = read_json(task.record_path)
                series += record.pop("series")
                del record["problems"]
                fold = plan.folds.get(task.source.study_id, -1)
                known = {"fold": fold, "n_problems": len(found), "content": content_of(task.source)}
                records.append(record | known)
            writer.add(pd.concat(tables, ignore_index=True), np.load(path))
    write_series(out / SERIES, series)
    left_out = hide_paths(left_out, plan.cohort)
    return finish_store(out, writer, pd.DataFrame(records), configuration, left_out)
