"""Examples in files travel as paths, and are read where they arrive."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np

from lsdc.slice_selector.example_files import ExampleFiles
from lsdc.slice_selector.training_example import SelectorExample


def test_examples_travel_as_paths(tmp_path: Path) -> None:
    names = [field.name for field in fields(SelectorExample) if field.name != "study_id"]
    arrays: dict[str, Any] = {name: np.full((1000, 10), k, np.float32) for k, name in enumerate(names)}
    paths = [tmp_path / f"{study}.npz" for study in ("1", "2", "3")]
    for path in paths:
        SelectorExample(study_id=path.stem, **arrays).save(path)
    files = ExampleFiles(paths)
    assert [one.study_id for one in files] == ["1", "2", "3"]
    content = bytes(ForkingPickler.dumps(files))
    assert len(content) < 2000
    arrived = ForkingPickler.loads(content)
    assert len(arrived) == 3 and [one.study_id for one in arrived[1:]] == ["2", "3"]
    np.testing.assert_array_equal(arrived[0].distance, files[0].distance)


def test_a_half_that_is_read_leaves_the_others_on_the_disk(tmp_path: Path) -> None:
    """Of a large cohort, a process holds no more than what its selector learns from."""
    names = [field.name for field in fields(SelectorExample) if field.name != "study_id"]
    paths = [tmp_path / f"{study}.npz" for study in range(20)]
    for path in paths:
        arrays: dict[str, Any] = {name: np.zeros((1000, 10), np.float32) for name in names}
        SelectorExample(study_id=path.stem, **arrays).save(path)
    files = ExampleFiles(paths)
    one = sum(getattr(files[0], name).nbytes for name in names)
    tracemalloc.start()
    kept = [item for item in files if int(item.study_id) < 5]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 5 and peak < 8 * one
