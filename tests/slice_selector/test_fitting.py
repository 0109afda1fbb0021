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
from lsdc.slice_selector import fitting, localizer_training, second_look_training
from lsdc.slice_selector.closeups import CLOSEUP_PX, Closeups
from lsdc.slice_selector.fitting import ALL, SelectorConfig, cross_fit_selector, folder_of
from lsdc.slice_selector.localizer import Localizer
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.selector import SliceSelector
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


@pytest.fixture
def fitted_on(monkeypatch: pytest.MonkeyPatch) -> list[tuple[set[str], SelectorConfig]]:
    """The studies and settings of each selector that is fitted, which then is no more than its number."""
    calls: list[tuple[set[str], SelectorConfig]] = []

    class Named:
        def save(self, folder: Path) -> None:
            folder.mkdir(exist_ok=True)
            (folder / "number").write_text(str(len(calls)))
            (folder / "manifest.json").write_text("{}")

    def fit(examples: list[SelectorExample], config: SelectorConfig) -> Named:
        calls.append(({example.study_id for example in examples}, config))
        return Named()

    monkeypatch.setattr(fitting, "fit_selector", fit)
    return calls


def number_of(out: Path, key: int) -> int:
    return int((folder_of(out, key) / "number").read_text())


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param((2, 2, 2, 2, 2), id="equal folds"),
        pytest.param((9, 2, 2), id="a large fold"),
        pytest.param((1, 1, 1, 6), id="a large fold at the end"),
        pytest.param((4, 4), id="two folds"),
    ],
)
def test_halves_of_a_large_cohort_share_selectors(
    examples: list[SelectorExample],
    fitted_on: list[tuple[set[str], SelectorConfig]],
    sizes: tuple[int, ...],
    tmp_path: Path,
) -> None:
    """Two selectors serve all folds and new studies, and none saw a study that it locates."""
    folds = {f"{fold}_{k}": fold for fold, size in enumerate(sizes) for k in range(size)}
    large = [replace(examples[0], study_id=study) for study in (*folds, "without a fold")]
    config = SelectorConfig(halves_from=3, images=20_000, looks=20_000)
    cross_fit_selector(large, folds, config, tmp_path, workers=1)
    assert len(fitted_on) == 2
    assert all(used.images == 10_000 and used.looks == 20_000 for _, used in fitted_on)
    saw = {key: fitted_on[number_of(tmp_path, key) - 1][0] for key in (ALL, *range(len(sizes)))}
    assert not any(study in saw[fold] for study, fold in folds.items())
    assert "without a fold" not in saw[ALL]
    assert len(saw[ALL] & set(folds)) == max(len(studies & set(folds)) for studies, _ in fitted_on)


def test_a_cohort_below_the_bound_has_a_selector_per_fold(
    examples: list[SelectorExample], fitted_on: list[tuple[set[str], SelectorConfig]], tmp_path: Path
) -> None:
    folds = {f"{fold}_{k}": fold for fold in range(5) for k in range(2)}
    small = [replace(examples[0], study_id=study) for study in folds]
    config = SelectorConfig(halves_from=5, images=20_000)
    cross_fit_selector(small, folds, config, tmp_path, workers=1)  # the smaller half has four studies
    assert sorted(len(studies) for studies, _ in fitted_on) == [8] * 5 + [10]
    assert all(used.images == 20_000 for _, used in fitted_on)


@pytest.mark.parametrize("wanted", [None, False, True])
def test_a_second_look_is_fitted_as_wanted(
    examples: list[SelectorExample],
    fitted_on: list[tuple[set[str], SelectorConfig]],
    wanted: bool | None,
    tmp_path: Path,
) -> None:
    folds = {example.study_id: k % 2 for k, example in enumerate(examples)}
    cross_fit_selector(examples, folds, SelectorConfig(second_look=wanted), tmp_path, workers=1)
    # By itself, so few studies are too few.
    assert {config.second_look for _, config in fitted_on} == {bool(wanted)}


def test_without_close_ups_there_is_no_second_look(examples: list[SelectorExample]) -> None:
    bare = [
        replace(example, closeup=example.closeup[:0], closeup_marked=example.closeup_marked[:0])
        for example in examples
    ]
    start = Localizer("sagittal").network
    assert fitting._fit_second_look(bare, [], start, SelectorConfig(second_look=True)) is None


def test_halves_resume(
    examples: list[SelectorExample], fitted_on: list[tuple[set[str], SelectorConfig]], tmp_path: Path
) -> None:
    """A half that was left unfinished, or whose folders hold several selectors, is fitted again; the other stays."""
    folds = {f"{fold}_{k}": fold for fold in range(5) for k in range(2)}
    large = [replace(examples[0], study_id=study) for study in folds]
    config = SelectorConfig(halves_from=3)
    for spoiled in ("", "manifest.json", "number"):
        cross_fit_selector(large, folds, config, tmp_path, workers=1)
        if spoiled == "number":  # as the six selectors of an earlier version
            (folder_of(tmp_path, 1) / spoiled).write_text("7")
        elif spoiled:  # as a kill between two copies
            (folder_of(tmp_path, 1) / spoiled).unlink()
    cross_fit_selector(large, folds, config, tmp_path, workers=1)
    assert len(fitted_on) == 4
    assert len({number_of(tmp_path, key) for key in (ALL, *range(5))}) == 2
    cross_fit_selector(large, folds, config, tmp_path, workers=1)
    assert len(fitted_on) == 4


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


@pytest.mark.parametrize("family", list(Family))
def test_rankers_pass_over_studies_that_are_not_described(
    examples: list[SelectorExample],
    studies: dict[str, Study],
    coordinates: dict[str, pd.DataFrame],
    family: Family,
) -> None:
    name, study = next(iter(studies.items()))
    silent = make_example(study, coordinates[name], described=False)
    assert silent.descriptors.size == 0
    np.testing.assert_array_equal(silent.sagittal, examples[0].sagittal)
    seen = [rows[0] for rows in SliceRanking(family)._training_rows(examples[0], 0)]
    assert sum(map(len, seen)) > 10
    assert list(SliceRanking(family)._training_rows(silent, 0)) == []


def test_a_selector_folder_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such selector directory"):
        SliceSelector.load(tmp_path / "absent")
