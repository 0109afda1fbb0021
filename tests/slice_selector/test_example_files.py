"""Examples in files travel as paths, and are read where they arrive."""

from __future__ import annotations

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
    assert [one.study_id for one in files] == ["1", "2", "3"]  # now they are in memory
    content = bytes(ForkingPickler.dumps(files))
    assert len(content) < 2000
    arrived = ForkingPickler.loads(content)
    assert len(arrived) == 3 and [one.study_id for one in arrived[1:]] == ["2", "3"]
    np.testing.assert_array_equal(arrived[0].distance, files[0].distance)
