"""The one training loop: localizer, encoder and neural heads use it."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lsdc.runtime.artefact import atomic
from lsdc.runtime.console import track
from lsdc.runtime.device import pick_device
from lsdc.runtime.errors import ArtefactError, ConfigError
from lsdc.runtime.logs import EpochLog

B = TypeVar("B")
SCHEDULES = ("cosine", "exponential", "plateau", "constant")
_PLATEAU, _LAST_SHARE = 3, 0.02


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Parameters
    ----------
    epochs : int
        Passes over the data.
    learning_rate : float
        Peak of AdamW's rate, after a linear warm-up.
    schedule : str
        What follows: `cosine` to zero, `exponential` to a fiftieth, `plateau`: halved whenever the score has not
        improved for `_PLATEAU` epochs, or `constant`, which goes with a long `ema`.
    weight_decay : float
        Of AdamW.
    warmup : float
        Share of the steps that warm up.
    clip : float
        Largest norm of the gradient.
    accumulate : int
        Batches per step.
    ema : float or None
        Decay of an exponential moving average of the weights, which is then what is evaluated and kept.
    patience : int or None
        Epochs without improvement before stopping.
    compile : bool
        Compile the network with torch.compile.
    precision : str
        `auto` (bfloat16 on CUDA, float32 elsewhere), `float32`, `bfloat16`, or `float16` (with loss scaling).
    seed : int
        Of torch's generator.
    """

    epochs: int
    learning_rate: float
    schedule: str = "cosine"
    weight_decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    accumulate: int = 1
    ema: float | None = None
    patience: int | None = None
    precision: str = "auto"
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs: {self.epochs} is not at least 1")
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule: {self.schedule!r}; expected {', '.join(SCHEDULES)}")
        if self.precision not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"precision: {self.precision!r}; expected auto, float32, bfloat16 or float16")


@dataclass
class History:
    """Mean training loss and score (lower is better) per epoch, and the epoch whose weights were kept."""

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best: int = -1

    def plateaus(self) -> int:
        """How often the score went `_PLATEAU` epochs without a new best."""
        count, waited, best = 0, 0, math.inf
        for score in self.score:
            waited = 0 if score < best else waited + 1
            best = min(best, score)
            if waited == _PLATEAU:
                count, waited = count + 1, 0
        return count


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
        See there.
    steps_per_epoch : int
        Number of batches in an epoch.
    evaluate : callable, optional
        Network (in eval mode) to a score, lower is better.
    checkpoint : Path, optional
        File written after each epoch; when it exists, training goes on from it (on the CPU exactly).
    log : Path, optional
        Folder that gets `log.csv`, a line per epoch.
    tensorboard : bool
        Write the same for TensorBoard there.
    description : str
        For the progress bar.
    device : torch.device, optional
        Default: the best there is.

    Raises
    ------
    ConfigError
        When TensorBoard is wanted and not installed.
    ArtefactError
        When the checkpoint is damaged or of another recipe.
    """
    device = device or pick_device()
    network.to(device)
    torch.manual_seed(recipe.seed)
    state = _State(network, recipe, math.ceil(steps_per_epoch / recipe.accumulate) * recipe.epochs, device)
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


class _State:
    """Everything that changes while training, and its checkpoint."""

    def __init__(self, network: nn.Module, recipe: Recipe, steps: int, device: torch.device) -> None:
        self.network, self.recipe, self.device = network, recipe, device
        self.optimizer = torch.optim.AdamW(
            network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay,
            fused=device.type in ("cpu", "cuda"),
        )  # fmt: skip
        self.forward = torch.compile(network) if recipe.compile else network
        self.history = History()
        warm = max(1, round(steps * recipe.warmup))

        def rate(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            done = min(1.0, (step - warm) / max(1, steps - warm))
            if recipe.schedule == "constant":
                return 1.0
            if recipe.schedule == "plateau":
                return 0.5 ** self.history.plateaus()
            if recipe.schedule == "exponential":
                return _LAST_SHARE**done
            return 0.5 * (1 + math.cos(math.pi * done))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rate)
        self.average = copy.deepcopy(network) if recipe.ema else None
        self.best: dict[str, Tensor] | None = None
        precision = recipe.precision
        if precision == "auto":
            precision = "bfloat16" if device.type == "cuda" else "float32"
        self.dtype = getattr(torch, precision)
        self.scaler = torch.amp.GradScaler(
            device.type, enabled=precision == "float16" and device.type == "cuda"
        )

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def epoch(self, batches: Iterable[B], loss: Callable[[nn.Module, B], Tensor], steps: int) -> float:
        total, parameters = 0.0, list(self.network.parameters())
        count = 0
        for count, batch in enumerate(batches, start=1):
            with self._precision():
                value = loss(self.forward, batch)
            self.scaler.scale(value / self.recipe.accumulate).backward()
            total += float(value.detach())
            if count % self.recipe.accumulate and count != steps:
                continue
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
            self._follow()
        return total / max(count, 1)

    def _follow(self) -> None:
        if self.average is None or self.recipe.ema is None:
            return
        # Young averages follow faster, or short runs would be judged by the weights they began with.
        done = self.schedule.last_epoch
        decay = min(self.recipe.ema, (1 + done) / (10 + done))
        with torch.no_grad():
            for slow, fast in zip(self.average.state_dict().values(), self.network.state_dict().values()):
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)

    def judge(self, evaluate: Callable[[nn.Module], float], epoch: int) -> None:
        candidate = self.average if self.average is not None else self.network
        candidate.eval()
        with torch.no_grad():
            score = float(evaluate(candidate))
        self.history.score.append(score)
        if self.history.best < 0 or score < self.history.score[self.history.best]:
            self.history.best = epoch
            self.best = {name: value.detach().clone() for name, value in candidate.state_dict().items()}

    def exhausted(self) -> bool:
        history, patience = self.history, self.recipe.patience
        return (
            patience is not None and history.best >= 0 and len(history.score) - 1 - history.best >= patience
        )

    def finish(self) -> None:
        if self.best is not None:
            self.network.load_state_dict(self.best)
        elif self.average is not None:
            self.network.load_state_dict(self.average.state_dict())
        self.network.eval()

    def save(self, path: Path, epoch: int) -> None:
        content = {
            "recipe": asdict(self.recipe),
            "epoch": epoch,
            "network": self.network.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": asdict(self.history),
        }
        content["schedule"].pop("lr_lambdas", None)
        with atomic(path) as temporary:
            torch.save(content, temporary)

    def load(self, path: Path) -> int:
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            if content["recipe"] != asdict(self.recipe):
                raise ArtefactError(f"{path}: a checkpoint of another recipe; delete it to start anew")
            self.network.load_state_dict(content["network"])
            if self.average is not None:
                self.average.load_state_dict(content["average"])
            self.best = content["best"]
            self.optimizer.load_state_dict(content["optimizer"])
            self.schedule.load_state_dict(content["schedule"] | {"lr_lambdas": [None]})
            self.scaler.load_state_dict(content["scaler"])
            self.history = History(**content["history"])
        except ArtefactError:
            raise
        except Exception as error:  # a damaged archive fails in torch's, zip's or pickle's way
            raise ArtefactError(f"{path}: a damaged checkpoint ({error}); delete it to start anew") from error
        return int(content["epoch"])
