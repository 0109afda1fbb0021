"""Selectors are cross-fitted by study, resume, and are checked when they are opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lsdc.cohort.vocabulary import Family
from lsdc.runtime import ArtifactError
from lsdc.slice_selector.fitting import SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import SelectorExample

Selectors = tuple[Path, dict[str, int]]


def test_a_fold_never_saw_its_studies(
    examples: list[SelectorExample], selectors: Selectors, tiny: SelectorConfig, tmp_path: Path
) -> None:
    """Changing what readers marked in a study must not change the selector that locates it."""
    out, folds = selectors
    changed = [
        replace(example, annotated=np.roll(example.annotated, 7)) if folds[example.study_id] == 0 else example
        for example in examples
    ]
    cross_fit_selector(changed, folds, tiny, tmp_path / "again", workers=1)
    before, after = (folder_of(folder, 0) for folder in (out, tmp_path / "again"))
    for name in sorted(path.name for path in before.glob("*.safetensors")):
        assert (before / name).read_bytes() == (after / name).read_bytes()
    one, two = (SliceSelector.load(folder) for folder in (before, after))
    for family in Family:
        first, second = one.rankings[family].ranker, two.rankings[family].ranker
        if first is not None:
            assert second is not None
            np.testing.assert_array_equal(first.arrays["weights"], second.arrays["weights"])


def test_a_finished_fold_is_kept(
    examples: list[SelectorExample], selectors: Selectors, tiny: SelectorConfig
) -> None:
    out, folds = selectors
    before = {path: path.stat().st_mtime_ns for path in out.rglob("manifest.json")}
    cross_fit_selector(examples, folds, tiny, out, workers=1)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("manifest.json")}


def test_a_selector_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such selector directory"):
        SliceSelector.load(tmp_path / "absent")
