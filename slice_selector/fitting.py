"""Fitting the selector, cross-fitted by study."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.runtime.artifact import atomic, list_files
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import Recipe
from lsdc.slice_selector.closeups import CLOSEUP_PX, Closeups
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.selector import SliceSelector, is_finished
from lsdc.slice_selector.training_example import SelectorExample

if TYPE_CHECKING:
    from lsdc.slice_selector.network import PointNetwork

ALL = -1
"""In place of a fold: the selector that locates new studies."""
_JUDGED_FROM, _JUDGES = 100, 0.1
"""With fewer studies, none is held out to judge: a tenth of them would decide by chance."""
_IMAGES_A_PASS = 500
"""For each so many images, the localizer gets one more pass over them."""
_HALF_IMAGES, _HALF_LOOKS = 10_000, 30_000
"""A selector of half of a large cohort sees at most so many images of each kind, and so many close-ups: no fewer than
selectors of 390 real studies saw, which found points nearly as well as those of 790 (docs/measured/selector.md)."""
_LEAST_CLOSEUPS = 2000
"""With fewer close-ups, no second look is fitted."""


@dataclass(frozen=True)
class SelectorConfig:
    """How the selector is fitted.

    Parameters
    ----------
    seed : int
        Of everything random.
    images : int
        Each localizer sees at most so many images, in one to four passes: fewer over large cohorts, where a single one
        may leave images out, and one over small cohorts, which leave little to be learned. In halves at most 10,000.
    looks : int
        The second look sees at most so many close-ups, in one to four passes. In halves at most 30,000.
    batch : int
        Images per step, and half of the close-ups per step. With fewer images in all, the bundled weights stay.
    learning_rate : float
        Peak of the schedule.
    second_look : bool, optional
        Whether a second look is fitted, as far as there are close-ups; by default where there are enough.
    halves_from : int
        Where each of two halves of the folds has so many annotated studies, two selectors are fitted, each on one
        half, instead of one per fold and one on all: networks see no more images of a large cohort than of a middling
        one.
    """

    seed: int = 0
    images: int = 16_000
    looks: int = 60_000
    batch: int = 32
    learning_rate: float = 1e-3
    second_look: bool | None = None
    halves_from: int = 750


def fit_selector(examples: Sequence[SelectorExample], config: SelectorConfig) -> SliceSelector:
    """Fit the rankers, fine-tune the bundled localizers, and train a second look, on annotated examples.

    With 100 studies and more, a tenth of them judges after each pass whether the networks have become better. The
    second look is left out with fewer than 2,000 close-ups: a network that has seen less is no better than the first.

    Parameters
    ----------
    examples : sequence of SelectorExample
        Annotated studies; without any, the result is the bundled selector.
    config : SelectorConfig
        How to fit.

    Returns
    -------
    SliceSelector
        Must not locate the studies that it learned from when their features are to be learned from in turn; see
        `cross_fit_selector`.
    """
    rankings = {family: SliceRanking(family, config.seed).fit(examples) for family in Family}
    selector = SliceSelector.bundled()
    order = np.random.default_rng(config.seed).permutation(len(examples))
    held_out = round(_JUDGES * len(examples)) if len(examples) >= _JUDGED_FROM else 0
    judge, taught = ([examples[k] for k in rows] for rows in (order[:held_out], order[held_out:]))
    for kind, localizer in selector.localizers.items():
        images = sum(len(getattr(example, kind)) for example in taught)
        if images < config.batch:
            continue
        passes = max(1, min(4, images // _IMAGES_A_PASS, config.images // images))
        recipe = Recipe(passes, config.learning_rate, seed=config.seed)
        localizer.fit(taught, recipe, batch=config.batch, judge=judge, most=config.images)
    start = selector.localizers["sagittal"].network
    second_look = _fit_second_look(taught, judge, start, config)
    return SliceSelector(rankings, selector.localizers, second_look)


def _fit_second_look(
    taught: Sequence[SelectorExample],
    judge: Sequence[SelectorExample],
    start: PointNetwork,
    config: SelectorConfig,
) -> SecondLook | None:
    """Train a second look where there are close-ups enough."""
    closeups = _closeups(taught)
    wanted = len(closeups.images) >= _LEAST_CLOSEUPS if config.second_look is None else config.second_look
    if not wanted or not len(closeups.images):
        return None
    second_look = SecondLook()
    passes = max(1, min(4, config.looks // len(closeups.images)))
    recipe = Recipe(passes, 2 * config.learning_rate, seed=config.seed)
    judges = _closeups(judge)
    second_look.fit(closeups, recipe, start=start, batch=2 * config.batch, judge=judges, most=config.looks)
    return second_look


def _closeups(examples: Sequence[SelectorExample]) -> Closeups:
    """Join the close-ups of studies."""
    nothing = np.zeros((0, CLOSEUP_PX, CLOSEUP_PX), np.uint8)
    return Closeups(
        np.concatenate([nothing, *(example.closeup for example in examples)]),
        np.concatenate([np.zeros(0, bool), *(example.closeup_marked for example in examples)]),
    )


def cross_fit_selector(
    examples: Sequence[SelectorExample],
    folds: Mapping[str, int],
    config: SelectorConfig,
    out: PathLike,
    workers: int | None = None,
) -> None:
    """Fit one selector per fold on the studies outside it, and one on all, into folders.

    Of large cohorts two selectors are fitted, each on one half of the folds (see `SelectorConfig.halves_from`), and
    copied: each fold gets the one that did not see it, and `all` the one that saw more studies. Studies without a
    fold teach all selectors but `all`, which locates them. Resumes where an earlier run on the same `out` stopped:
    selectors that are finished are kept.

    Parameters
    ----------
    examples : sequence of SelectorExample
        Annotated studies; `ExampleFiles` where they are many, as processes then read them by themselves.
    folds : mapping of str to int
        Study id to fold, 0 or more.
    config : SelectorConfig
        How to fit each.
    out : path
        Folder that gets `fold_k` and `all`; see `folder_of`.
    workers : int, optional
        Processes; by default as many as there are cores.
    """
    out = Path(out)
    # Examples are gigabytes: they are read one by one, and not kept.
    closeups = {item.study_id: len(item.closeup) for item in examples}
    groups = _halves(closeups, folds)
    if (
        min(sum(_teaches(study, folds, group) for study in closeups) for group in groups)
        >= config.halves_from
    ):
        images, looks = min(config.images, _HALF_IMAGES), min(config.looks, _HALF_LOOKS)
        config = replace(config, images=images, looks=looks)
    else:
        groups = [(ALL,), *((key,) for key in sorted(set(folds.values())))]
    # One answer for all: the points of training studies and of new ones must be found in the same way.
    fewest = min(
        sum(count for study, count in closeups.items() if _teaches(study, folds, group)) for group in groups
    )
    if config.second_look is None:
        config = replace(config, second_look=fewest * (1 - _JUDGES) >= _LEAST_CLOSEUPS)
    todo = [group for group in groups if not _are_finished([folder_of(out, key) for key in group])]
    work = partial(_fit_one, examples=examples, folds=dict(folds), config=config, out=out)
    for_each(work, todo, "fitting selectors", workers)


def _halves(studies: Iterable[str], folds: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Deal the folds into two groups of about as many studies; each shares a selector, fitted on the other group.

    `ALL` goes to the group of fewer studies, whose selector saw more: new studies are located by that one.
    """
    counts = Counter(folds[study] for study in studies if study in folds)
    halves: tuple[list[int], list[int]] = ([], [])
    sizes = [0, 0]
    for key in sorted(set(folds.values()), key=lambda key: (-counts[key], key)):
        smaller = sizes.index(min(sizes))
        halves[smaller].append(key)
        sizes[smaller] += counts[key]
    halves[sizes.index(min(sizes))].insert(0, ALL)
    return [tuple(half) for half in halves]


def _are_finished(folders: Sequence[Path]) -> bool:
    """Tell whether folders hold copies of one finished selector: those of an earlier version may be several."""
    first, *copies = folders
    return all(map(is_finished, folders)) and all(list_files(copy) == list_files(first) for copy in copies)


def folder_of(out: Path, fold: int) -> Path:
    """Name the folder of the selector that did not see a fold.

    Parameters
    ----------
    out : Path
        As in `cross_fit_selector`.
    fold : int
        Which fold, or `ALL` for the selector that locates new studies.

    Returns
    -------
    Path
        What `SliceSelector.load` opens.

    Examples
    --------
    >>> folder_of(Path("selectors"), 2).name, folder_of(Path("selectors"), ALL).name
    ('fold_2', 'all')
    """
    return out / ("all" if fold == ALL else f"fold_{fold}")


def _teaches(study_id: str, folds: Mapping[str, int], group: tuple[int, ...]) -> bool:
    """Tell whether the selector of some folds learns from a study, which it then must not locate."""
    return folds.get(study_id, ALL) not in group


def _fit_one(
    group: tuple[int, ...],
    examples: Sequence[SelectorExample],
    folds: dict[str, int],
    config: SelectorConfig,
    out: Path,
) -> None:
    """Fit one selector on one thread, as the processes share the cores, and save it for each fold of its group."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taught = [item for item in examples if _teaches(item.study_id, folds, group)]
        selector = fit_selector(taught, config)
    finally:
        torch.set_num_threads(threads)
    for key in group:
        folder = folder_of(out, key)
        shutil.rmtree(folder, ignore_errors=True)
        with atomic(folder) as temporary:
            selector.save(temporary)
