"""The last stages of an extraction: crops to embeddings, and the studies' rows to one store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.encoder import Encoder
from lsdc.features.extract_worker import StudyTask, problems_of
from lsdc.features.extraction_plan import ExtractionPlan
from lsdc.features.store import FeatureStore
from lsdc.features.writer import finish_store, writing_rows
from lsdc.runtime.artifact import atomic, read_json
from lsdc.runtime.console import track

STUDIES_PER_CHUNK = 16
"""Studies whose embeddings are held in memory at once, and form one row group of rows.parquet."""


class EmbeddingChunk(NamedTuple):
    """The embeddings of some consecutive studies on disk.

    Parameters
    ----------
    start, stop : int
        Index of the first study, and of the one after the last.
    path : Path
        A npy file, ((stop - start) * 25, D) float32.
    """

    start: int
    stop: int
    path: Path


def embed_crops(encoder: Encoder, crops_path: Path, n_studies: int, work: Path) -> list[EmbeddingChunk]:
    """Embed the crops of all studies, chunk by chunk; chunks that are there already stay.

    Parameters
    ----------
    encoder : Encoder
        What embeds.
    crops_path : Path
        The store's crops.npy, (n_studies * 25, 3, 3, P, P) uint8.
    n_studies : int
        Number of studies.
    work : Path
        Folder for the embeddings.

    Returns
    -------
    list of EmbeddingChunk
        In the order of the studies.
    """
    crops = np.load(crops_path, mmap_mode="r")
    chunks = [
        EmbeddingChunk(start, min(start + STUDIES_PER_CHUNK, n_studies), work / f"embedding_{start:06d}.npy")
        for start in range(0, n_studies, STUDIES_PER_CHUNK)
    ]
    n = len(TARGETS)
    for start, stop, path in track([chunk for chunk in chunks if not chunk.path.is_file()], "embedding"):
        embedding = encoder.embed(np.asarray(crops[start * n : stop * n]))
        with atomic(path) as temporary:
            np.save(temporary, embedding)
    return chunks


def assemble_store(
    out: Path,
    plan: ExtractionPlan,
    tasks: Sequence[StudyTask],
    chunks: Sequence[EmbeddingChunk],
    configuration: Mapping[str, Any],
) -> FeatureStore:
    """Join the finished studies' rows with labels, folds and embeddings, and finish the store.

    Parameters
    ----------
    out : Path
        The store's directory, with its arrays in place.
    plan : ExtractionPlan
        Labels, folds and problems of the cohort.
    tasks : sequence of StudyTask
        All studies in the order of the store, extracted.
    chunks : sequence of EmbeddingChunk
        Their embeddings.
    configuration : mapping of str to JSON value
        For the manifest.

    Returns
    -------
    FeatureStore
        The finished store.
    """
    records: list[dict[str, Any]] = []
    problems = list(plan.cohort.problems)
    with writing_rows(out) as writer:
        for start, stop, path in chunks:
            tables = []
            for task in tasks[start:stop]:
                rows = pd.read_parquet(task.rows_path)
                plan.add_labels(rows, task.source.study_id)
                tables.append(rows)
                found = problems_of(task.record_path)
                problems += found
                record = {
                    key: value for key, value in read_json(task.record_path).items() if key != "problems"
                }
                fold = plan.folds.get(task.source.study_id, -1)
                records.append(record | {"fold": fold, "n_problems": len(found)})
            writer.add(pd.concat(tables, ignore_index=True), np.load(path))
    return finish_store(out, writer, pd.DataFrame(records), configuration, problems)
