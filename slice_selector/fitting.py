"""Fitting the selector, cross-fitted by study."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lsdc.cohort.vocabulary import Family
from lsdc.runtime.artifact import atomic
from lsdc.runtime.engine import for_each
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import Recipe
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.selector import SliceSelector, is_finished
from lsdc.slice_selector.training_example import SelectorExample

ALL = -1
"""In place of a fold: the selector that is fitted on all studies."""


@dataclass(frozen=True)
class SelectorConfig:
    """How the selector is fitted.

    Parameters
    ----------
    seed : int
        Of everything random.
    steps : int
        Training steps of each localizer, starting from the bundled weights; at least one epoch is trained.
    batch : int
        Images per step; with fewer images in all, the bundled weights stay.
    learning_rate : float
        Peak of the schedule.
    """

    seed: int = 0
    steps: int = 30
    batch: int = 16
    learning_rate: float = 5e-4


def fit_selector(examples: Sequence[SelectorExample], config: SelectorConfig) -> SliceSelector:
    """Fit the rankers, and fine-tune the bundled localizers, on annotated examples.

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
    for kind, localizer in selector.localizers.items():
        images = sum(len(getattr(example, kind)) for example in examples)
        if images < config.batch:
            continue
        epochs = max(1, round(config.steps / max(1, images // config.batch)))
        recipe = Recipe(epochs, config.learning_rate, seed=config.seed)
        localizer.fit(examples, recipe, batch=config.batch)
    return SliceSelector(rankings, selector.localizers)


def cross_fit_selector(
    examples: Sequence[SelectorExample],
    folds: Mapping[str, int],
    config: SelectorConfig,
    out: PathLike,
    workers: int | None = None,
) -> None:
    """Fit one selector per fold on the studies outside it, and one on all, into folders.

    Resumes where an earlier run on the same `out` stopped: selectors that are finished are kept.

    Parameters
    ----------
    examples : sequence of SelectorExample
        Annotated studies.
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
    keys = [ALL, *sorted(set(folds.values()))]
    todo = [key for key in keys if not is_finished(folder_of(out, key))]
    work = partial(_fit_one, examples=list(examples), folds=dict(folds), config=config, out=out)
    for_each(work, todo, "fitting selectors", workers)


def folder_of(out: Path, fold: int) -> Path:
    """Name the folder of the selector that did not see a fold.

    Parameters
    ----------
    out : Path
        As in `cross_fit_selector`.
    fold : int
        Which fold, or `ALL` for the selector that saw all studies.

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


def _fit_one(
    fold: int, examples: list[SelectorExample], folds: dict[str, int], config: SelectorConfig, out: Path
) -> None:
    """Fit and save one selector, on one thread: the processes share the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seen = [item for item in examples if fold == ALL or folds.get(item.study_id) != fold]
        selector = fit_selector(seen, config)
    finally:
        torch.set_num_threads(threads)
    folder = folder_of(out, fold)
    shutil.rmtree(folder, ignore_errors=True)
    with atomic(folder) as temporary:
        selector.save(temporary)
