"""Fitting the selector, cross-fitted by study."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lsdc.cohort.vocabulary import Family
from lsdc.runtime.artefact import atomic
from lsdc.runtime.engine import for_each
from lsdc.runtime.training import Recipe
from lsdc.slice_selector.localizer import CHANNELS
from lsdc.slice_selector.ranking import SliceRanking
from lsdc.slice_selector.selector import SliceSelector, is_finished
from lsdc.slice_selector.training_example import SelectorExample

ALL = -1
"""Key of the selector that is fitted on all studies."""


@dataclass(frozen=True)
class SelectorConfig:
    """How the selector is fitted.

    Parameters
    ----------
    seed : int
        Of everything random.
    steps : int
        Training steps of each localizer, starting from the bundled weights.
    batch : int
        Pictures per step.
    learning_rate : float
        Peak of the schedule.
    """

    seed: int = 0
    steps: int = 30
    batch: int = 16
    learning_rate: float = 5e-4


def fit_selector(examples: Sequence[SelectorExample], config: SelectorConfig) -> SliceSelector:
    """Fit rankers, and fine-tune the bundled localizers, on annotated examples."""
    rankings = {family: SliceRanking(family, config.seed).fit(examples) for family in Family}
    selector = SliceSelector.bundled()
    for kind in CHANNELS:
        pictures = sum(len(getattr(example, kind)) for example in examples)
        if kind not in selector.localizers or pictures < config.batch:
            continue
        epochs = max(1, round(config.steps / max(1, pictures // config.batch)))
        recipe = Recipe(epochs, config.learning_rate, seed=config.seed)
        selector.localizers[kind].fit(examples, recipe, batch=config.batch)
    return SliceSelector(rankings, selector.localizers)


def cross_fit_selector(
    examples: Sequence[SelectorExample],
    folds: Mapping[str, int],
    config: SelectorConfig,
    out: Path,
    workers: int | None = None,
) -> None:
    """Fit one selector per fold on the studies outside it, and one on all.

    Parameters
    ----------
    examples : sequence of SelectorExample
        Annotated studies.
    folds : mapping of str to int
        Study id to fold.
    config : SelectorConfig
        How.
    out : Path
        Folder; `fold_k` and `all` are written in it, and what is finished there is kept.
    workers : int, optional
        Processes.
    """
    keys = [ALL, *sorted(set(folds.values()))]
    todo = [key for key in keys if not is_finished(folder_of(out, key))]
    work = partial(_fit_one, examples=list(examples), folds=dict(folds), config=config, out=out)
    for_each(work, todo, "fitting selectors", workers)


def folder_of(out: Path, fold: int) -> Path:
    """Where the selector that did not see a fold lies."""
    return out / ("all" if fold == ALL else f"fold_{fold}")


def _fit_one(
    fold: int, examples: list[SelectorExample], folds: dict[str, int], config: SelectorConfig, out: Path
) -> None:
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
