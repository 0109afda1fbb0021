"""Trains a network on whole studies and keeps the epoch with the best official score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.models.deep.feed import B, Feed, GradedInputs, grades_by_study
from lsdc.models.deep.losses import LOSSES, official, probabilities
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.runtime.recipe import Recipe
from lsdc.runtime.training import train

_STOPPING_FRACTION = 0.125
_FEWEST_TO_SPLIT = 8


@dataclass(frozen=True)
class StudySplit:
    """Studies that a network learns from, and studies that decide which epoch is kept.

    Parameters
    ----------
    training : Examples
        Holds the studies that are learned from.
    learned : (n,) int64
        Which of its studies; each has a label.
    judging : Examples
        Holds the studies that judge the epochs.
    judges : (m,) int64
        Which of its studies; there may be none, and then the last epoch is kept.
    """

    training: Examples
    learned: NDArray[np.int64]
    judging: Examples
    judges: NDArray[np.int64]


def split_studies(examples: Examples, stop_on: Examples, seed: int, spare: bool = True) -> StudySplit:
    """Decide which studies are learned from, and which judge the epochs.

    Parameters
    ----------
    examples : Examples
        The training studies; those without any label are left out.
    stop_on : Examples
        Studies that judge the epochs. When none of them is labeled, an eighth of the training studies does, provided
        there are at least 8.
    seed : int
        Decides which eighth.
    spare : bool
        False: learn from all training studies even when nothing judges.

    Returns
    -------
    StudySplit
        No study is on both sides.
    """
    labeled = _labeled(examples)
    judges = _labeled(stop_on)
    if len(judges) or len(labeled) < _FEWEST_TO_SPLIT or not spare:
        return StudySplit(examples, labeled, stop_on, judges)
    order = np.random.default_rng(seed).permutation(labeled)
    cut = max(1, round(_STOPPING_FRACTION * len(order)))
    return StudySplit(examples, np.sort(order[cut:]), examples, np.sort(order[:cut]))


def make_recipe(
    options: Options, sizes: Sizes, schedule: str, steps: int, seed: int, precision: str
) -> Recipe:
    """Choose how the training loop treats a member.

    Parameters
    ----------
    options : Options
        Epochs, schedule and compilation, where the user chose them.
    sizes : Sizes
        The preset's epochs and learning rate.
    schedule : str
        How the learning rate falls when `options.schedule` is `default`.
    steps : int
        Batches per epoch; the average of the weights reaches over about two epochs.
    seed : int
        Seed of torch's generator.
    precision : str
        As `Recipe` names it.

    Returns
    -------
    Recipe
        For `lsdc.runtime.training.train`.
    """
    epochs = options.epochs or sizes.epochs
    return Recipe(
        epochs, sizes.rate, weight_decay=0.05, patience=max(4, epochs // 3),
        schedule=schedule if options.schedule == "default" else options.schedule,
        ema=min(0.99, 1 - 1 / (2 * steps)), precision=precision, seed=seed, compile=options.compile,
    )  # fmt: skip


def fit_network(
    network: nn.Module,
    feed: Feed[B],
    split: StudySplit,
    loss: str,
    recipe: Recipe,
    *,
    work: Path | None = None,
    tensorboard: bool = False,
    description: str = "training",
) -> None:
    """Train a network in place.

    Parameters
    ----------
    network : Module
        Inputs to logits (b, 25, 3) and an auxiliary loss; ends with the weights of the epoch that judged best.
    feed : Feed
        Reads and prepares the studies.
    split : StudySplit
        What is learned from, and what judges.
    loss : str
        Name in `LOSSES`.
    recipe : Recipe
        How to train; its seed also shuffles the studies.
    work : Path, optional
        Folder for `log.csv` and for the checkpoint from which an interrupted training resumes.
    tensorboard : bool
        Write TensorBoard logs there too.
    description : str
        Text beside the progress bar.

    Raises
    ------
    ConfigError
        When TensorBoard is wanted and not installed.
    ArtifactError
        When the checkpoint in `work` is damaged or of another recipe.
    """
    criterion = LOSSES[loss]

    def batches(epoch: int) -> Iterator[GradedInputs]:
        return feed.shuffled(split.training, split.learned, recipe.seed, epoch)

    def total_loss(forward: nn.Module, batch: GradedInputs) -> Tensor:
        inputs, grades = batch
        logits, auxiliary = forward(inputs)
        return criterion(logits, grades) + auxiliary

    def evaluate(candidate: nn.Module) -> float:
        found, truth = [], []
        for inputs, grades in feed.in_order(split.judging, split.judges):
            logits, _ = candidate(inputs)
            found.append(probabilities(logits, loss).log())
            truth.append(grades.cpu())
        return float(official(torch.cat(found), torch.cat(truth), sharpness=None))

    train(
        network, batches, total_loss, recipe, steps_per_epoch=feed.steps(split.learned),
        evaluate=evaluate if len(split.judges) else None, checkpoint=work / "checkpoint.pt" if work else None,
        log=work, tensorboard=tensorboard, description=description, device=feed.device,
    )  # fmt: skip


def _labeled(examples: Examples) -> NDArray[np.int64]:
    """Return the indices of the studies that have a label."""
    return np.flatnonzero((grades_by_study(examples) >= 0).any(axis=1))
