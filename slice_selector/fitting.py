"""Fitting the selector, cross-fitted by study."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.runtime.artifact import atomic
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
"""In place of a fold: the selector that is fitted on all studies."""
_JUDGED_FROM, _JUDGES = 100, 0.1
"""With fewer studies, none is held out to judge: a tenth of them would decide by chance."""
_IMAGES_A_PASS = 500
"""For each so many images, the localizer gets one more pass over them."""
_HALF_IMAGES, _HALF_LOOKS = 10_000, 30_000
"""A selector of half of a large cohort sees at most so many images of each kind, and so many close-ups: twice as many
images as selectors that learned from 390 real studies, which found points as well as those of 790 did."""
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
        Each localizer sees at most so many images, in one to four passes: fewer passes over large cohorts, the last of
        which is not a whole one, and one over small ones, which leave little to be learned.
    looks : int
        The second look sees at most so many close-ups, in one to four passes.
    batch : int
        Images per step, and half of the close-ups per step. With fewer images in all, the bundled weights stay.
    learning_rate : float
        Peak of the schedule.
    second_look : bool, optional
        Whether a second look is fitted; by default where there are close-ups enough.
    half : int
        Where either half of the folds has so many studies, two selectors are fitted, each on one half, instead of one
        per fold and one on all: the networks see no more images of a large cohort than of a middling one.
    """

    seed: int = 0
    images: int = 16_000
    looks: int = 60_000
    batch: int = 32
    learning_rate: float = 1e-3
    second_look: bool | None = None
    half: int = 750


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
    if not wanted:
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

    Of large cohorts two selectors are fitted, each on one half of the folds (see `SelectorConfig.half`), and copied:
    each fold gets the one that did not see it, and `all` the one that saw more. Resumes where an earlier run on the
    same `out` stopped: selectors that are finished are kept.

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
    groups = _groups(examples, folds, config.half)
    if len(groups) == 2:
        images, looks = min(config.images, _HALF_IMAGES), min(config.looks, _HALF_LOOKS)
        config = replace(config, images=images, looks=looks)
    # One answer for all: the points of training studies and of new ones must be found in the same way.
    fewest = min(sum(len(item.closeup) for item in _seen(examples, folds, group)) for group in groups)
    config = replace(config, second_look=fewest * (1 - _JUDGES) >= _LEAST_CLOSEUPS)
    todo = [group for group in groups if not all(is_finished(folder_of(out, key)) for key in group)]
    work = partial(_fit_one, examples=examples, folds=dict(folds), config=config, out=out)
    for_each(work, todo, "fitting selectors", workers)


def _groups(
    examples: Sequence[SelectorExample], folds: Mapping[str, int], half: int
) -> list[tuple[int, ...]]:
    """List the folds that share a selector, which is fitted on the studies of no fold of theirs.

    `ALL` shares where studies are many: new ones are then located as well by a selector that saw half of them.
    """
    keys = sorted(set(folds.values()))
    halves = [(ALL, *keys[: len(keys) // 2]), tuple(keys[len(keys) // 2 :])]
    if min(len(_seen(examples, folds, group)) for group in halves) >= half:
        return halves
    return [(ALL,), *((key,) for key in keys)]


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


def _seen(
    examples: Sequence[SelectorExample], folds: Mapping[str, int], group: tuple[int, ...]
) -> list[SelectorExample]:
    """List the studies that the selector of some folds learns from."""
    return [item for item in examples if folds.get(item.study_id, ALL) not in group]


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
        selector = fit_selector(_seen(examples, folds, group), config)
    finally:
        torch.set_num_threads(threads)
    for key in group:
        folder = folder_of(out, key)
        shutil.rmtree(folder, ignore_errors=True)
        with atomic(folder) as temporary:
            selector.save(temporary)
