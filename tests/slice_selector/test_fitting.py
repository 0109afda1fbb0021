"""Selectors are cross-fitted by study, resume, and are checked when they are opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Family
from lsdc.runtime import ArtifactError
from lsdc.runtime.recipe import History, Recipe
from lsdc.slice_selector import localizer_training, second_look_training
from lsdc.slice_selector.closeups import CLOSEUP_PX, Closeups
from lsdc.slice_selector.fitting import ALL, SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.selector import SliceSelector, is_finished
from lsdc.slice_selector.training_example import SelectorExample, make_example

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


def test_halves_of_a_large_cohort_share_selectors(
    examples: list[SelectorExample], tiny: SelectorConfig, tmp_path: Path
) -> None:
    """Two selectors serve five folds and new studies, and none of them saw the studies that it locates."""
    nothing = np.zeros((0, 0), np.float32)  # rankers take longest, and have tests of their own
    large = [replace(examples[k % len(examples)], study_id=str(k), descriptors=nothing) for k in range(5)]
    folds = {str(k): k for k in range(5)}
    config = replace(tiny, half=2, images=16, looks=8)
    cross_fit_selector(large, folds, config, tmp_path / "out", workers=1)
    folders = {key: folder_of(tmp_path / "out", key) for key in (ALL, 0, 1, 2, 3, 4)}
    assert all(is_finished(folder) for folder in folders.values())
    weights = {key: (folder / "sagittal.safetensors").read_bytes() for key, folder in folders.items()}
    assert weights[ALL] == weights[0] == weights[1] != weights[2] == weights[3] == weights[4]

    # What readers marked in folds 0 and 1 is not known to the selector that locates them.
    shifted = [
        replace(item, sagittal_points=item.sagittal_points + 20.0) if folds[item.study_id] < 2 else item
        for item in large
    ]
    cross_fit_selector(shifted, folds, config, tmp_path / "again", workers=1)
    again = {
        key: (folder_of(tmp_path / "again", key) / "sagittal.safetensors").read_bytes() for key in folders
    }
    assert [key for key in folders if again[key] != weights[key]] == [2, 3, 4]

    finished = (folders[2] / "manifest.json").stat().st_mtime_ns
    (
        folders[1] / "manifest.json"
    ).unlink()  # as a kill leaves it: the half is fitted again, the other one is kept
    cross_fit_selector(large, folds, config, tmp_path / "out", workers=1)
    assert (folders[1] / "sagittal.safetensors").read_bytes() == weights[1]
    assert (folders[2] / "manifest.json").stat().st_mtime_ns == finished


def test_an_epoch_sees_at_most_so_many_images(
    examples: list[SelectorExample], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def count(*args: object, steps_per_epoch: int, **rest: object) -> History:
        steps.append(steps_per_epoch)
        return History()

    for module in (localizer_training, second_look_training):
        monkeypatch.setattr(module, "train", count)
    localizer, recipe = Localizer("sagittal"), Recipe(1, 1e-3)
    images = sum(len(example.sagittal) for example in examples)
    for most in (None, 4, 10 * images):
        localizer.fit(examples, recipe, batch=2, most=most)
    closeups = Closeups(np.zeros((9, CLOSEUP_PX, CLOSEUP_PX), np.uint8), np.ones(9, bool))
    for most in (None, 4):
        SecondLook().fit(closeups, recipe, start=localizer.network, batch=2, most=most)
    assert steps == [images // 2, 2, images // 2, 4, 2]


def test_rankers_pass_over_studies_that_are_not_described(
    examples: list[SelectorExample], studies: dict[str, Study], coordinates: dict[str, pd.DataFrame]
) -> None:
    name, study = next(iter(studies.items()))
    silent = make_example(study, coordinates[name], described=False)
    assert silent.descriptors.size == 0
    np.testing.assert_array_equal(silent.sagittal, examples[0].sagittal)
    alone, beside = (SliceRanking(Family.FORAMINAL).fit(given) for given in (examples, [*examples, silent]))
    assert alone.ranker is not None and beside.ranker is not None
    for key, array in alone.ranker.arrays.items():
        np.testing.assert_array_equal(array, beside.ranker.arrays[key])


def test_a_selector_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such selector directory"):
        SliceSelector.load(tmp_path / "absent")
