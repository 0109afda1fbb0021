"""Stores of random content that depends on the study alone, so that two of them may be parts of a third."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.array_files import ArrayFiles, ArraySizes, StudyArrays
from lsdc.features.row_columns import complete_rows
from lsdc.features.store import FeatureStore
from lsdc.features.writer import finish_store, writing_rows
from lsdc.runtime.errors import Problem

SIZES = ArraySizes(crop_px=6, volume_slices=3, volume_px=5, preview_px=7)


def random_store(
    path: Path,
    studies: Sequence[str],
    sizes: ArraySizes = SIZES,
    configuration: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    selector: bytes = b"",
) -> FeatureStore:
    """Write a store of some studies, all with grades and a fold; `selector` stands for what located them."""
    arrays = ArrayFiles(path, len(studies), sizes)
    arrays.create()
    tables, embeddings = [], []
    for k, study in enumerate(studies):
        rng = np.random.default_rng(crc32(study.encode()))
        volume = (sizes.volume_slices, sizes.volume_px, sizes.volume_px)

        def gray(*shape: int, rng: np.random.Generator = rng) -> Any:
            return rng.integers(1, 256, shape, np.uint8)

        arrays.write(
            k,
            StudyArrays(
                gray(len(TARGETS), 3, 3, sizes.crop_px, sizes.crop_px),
                {view: gray(*volume) for view in View},
                gray(8, sizes.preview_px, sizes.preview_px),
            ),
        )
        rows = pd.DataFrame(
            [(study, *target) for target in TARGETS], columns=["study_id", "condition", "level"]
        )
        rows = rows.assign(split="train", grade=rng.integers(0, 3, len(rows)), fold=crc32(study.encode()) % 2)
        tables.append(
            rows.assign(meta_depth=rng.normal(size=len(rows)).astype(np.float32), **(columns or {}))
        )
        embeddings.append(rng.normal(size=(len(rows), 6)).astype(np.float32))
    filled = complete_rows(pd.concat(tables, ignore_index=True))
    if selector:
        (path / "selector" / "all").mkdir(parents=True)
        (path / "selector" / "all" / "forest").write_bytes(selector)
    with writing_rows(path) as writer:
        writer.add(filled, np.concatenate(embeddings))
    table = pd.DataFrame(
        {"study_id": studies, "split": "train", "fold": filled["fold"].iloc[::25].to_numpy()}
    )
    problems = [Problem(f"{study}/1.dcm", "unreadable") for study in studies[:1]]
    return finish_store(path, writer, table, configuration or {"backbone": "mine"}, problems)
