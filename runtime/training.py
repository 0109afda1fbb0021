"""The one training loop: localizer, encoder and neural members use it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from lsdc.runtime.console import track
from lsdc.runtime.device import pick_device
from lsdc.runtime.epoch_log import EpochLog
from lsdc.runtime.recipe import History, Recipe
from lsdc.runtime.training_state import TrainingState

B = TypeVar("B")


def train(
    network: nn.Module,
    batches: Callable[[int], Iterable[B]],
    loss: Callable[[nn.Module, B], Tensor],
    recipe: Recipe,
    *,
    steps_per_epoch: int,
    evaluate: Callable[[nn.Module], float] | None = None,
    checkpoint: Path | None = None,
    log: Path | None = None,
    tensorboard: bool = False,
    description: str = "training",
    device: torch.device | None = None,
) -> History:
    """Train a network in place.

    Parameters
    ----------
    network : Module
        Moved to `device`; ends with the best weights by `evaluate`, or the last ones.
    batches : callable
        Epoch to batches; must depend on the epoch alone, so that a resumed run repeats nothing.
    loss : callable
        Network and batch to a scalar.
    recipe : Recipe
        How to train.
    steps_per_epoch : int
        Number of batches in an epoch.
    evaluate : callable, optional
        Network (in eval mode) to a score, lower is better.
    checkpoint : Path, optional
        File written after each epoch; when it exists, training resumes from it (on the CPU exactly).
    log : Path, optional
        Folder that gets `log.csv`, a line per epoch.
    tensorboard : bool
        Write the same for TensorBoard there.
    description : str
        For the progress.
    device : torch.device, optional
        Default: the best there is.

    Returns
    -------
    History
        Losses and scores by epoch, of interrupted runs before too.

    Raises
    ------
    ConfigError
        When TensorBoard is wanted and not installed.
    ArtifactError
        When the checkpoint is damaged or of another recipe.
    """
    device = device or pick_device()
    network.to(device)
    torch.manual_seed(recipe.seed)
    state = TrainingState(
        network, recipe, math.ceil(steps_per_epoch / recipe.accumulate) * recipe.epochs, device
    )
    begin = state.load(checkpoint) if checkpoint and checkpoint.is_file() else 0
    records = EpochLog(log, tensorboard, begin) if log else None
    for epoch in track(range(begin, recipe.epochs), description):
        if state.exhausted():
            break
        begun = time.perf_counter()
        network.train()
        # Randomness in the network (dropout) must not depend on whether the run was resumed.
        torch.manual_seed(recipe.seed * 100_003 + epoch)
        state.history.loss.append(state.epoch(batches(epoch), loss, steps_per_epoch))
        if evaluate is not None:
            state.judge(evaluate, epoch)
        if records:
            score = state.history.score[-1] if evaluate is not None else math.nan
            rate = state.optimizer.param_groups[0]["lr"]
            records.add(epoch, state.history.loss[-1], score, rate, time.perf_counter() - begun)
        if checkpoint:
            state.save(checkpoint, epoch + 1)
    if records:
        records.close()
    state.finish()
    return state.history
