"""What changes while a network is trained, and its checkpoint."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from lsdc.runtime.artifact import atomic
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.recipe import History, Recipe

B = TypeVar("B")
_LAST_FRACTION = 0.02
_FIRST_SCALE = 2.0**16


class TrainingState:
    """Network, optimizer, schedule, average and history while a network is trained.

    Parameters
    ----------
    network : Module
        On the device already; changed in place.
    recipe : Recipe
        How to train.
    steps : int
        Optimizer steps of the whole training.
    device : torch.device
        Where the network is.
    """

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
                return _LAST_FRACTION**done
            return 0.5 * (1 + math.cos(math.pi * done))

        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, rate)
        self.average = copy.deepcopy(network) if recipe.ema else None
        self.best: dict[str, Tensor] | None = None
        precision = recipe.precision
        if precision == "auto":
            precision = "bfloat16" if device.type == "cuda" else "float32"
        self.dtype = getattr(torch, precision)
        # On a GPU it also leaves out steps whose gradient is no number, without waiting for the GPU to know.
        self._fixed_scale = None if precision == "float16" else 1.0
        scale = self._fixed_scale or _FIRST_SCALE
        self.scaler = torch.amp.GradScaler(device.type, init_scale=scale, enabled=device.type == "cuda")
        self._averaged = [] if self.average is None else _pairs(self.average, network)

    def _precision(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def epoch(self, batches: Iterable[B], loss: Callable[[nn.Module, B], Tensor], steps: int) -> float:
        """Train for one epoch.

        Parameters
        ----------
        batches : iterable
            The epoch's batches.
        loss : callable
            Network and batch to a scalar.
        steps : int
            Number of batches.

        Returns
        -------
        float
            Mean loss.
        """
        losses, parameters = [], list(self.network.parameters())
        count = 0
        for count, batch in enumerate(batches, start=1):
            with self._precision():
                value = loss(self.forward, batch)
            self.scaler.scale(value / self.recipe.accumulate).backward()
            losses.append(value.detach())  # as a number only at the end: until then nobody waits for a GPU
            if count % self.recipe.accumulate and count != steps:
                continue
            self.scaler.unscale_(self.optimizer)
            norm = nn.utils.clip_grad_norm_(parameters, self.recipe.clip)
            # One gradient that is no number, as half precision can give, would leave no number in any weight.
            if self.scaler.is_enabled() or bool(torch.isfinite(norm)):
                self.scaler.step(self.optimizer)
                # Only half precision needs another scale: elsewhere each bad step would halve it for good.
                self.scaler.update(self._fixed_scale)
            self.optimizer.zero_grad(set_to_none=True)
            self.schedule.step()
            self._follow()
        return sum(map(float, losses)) / max(count, 1)

    def _follow(self) -> None:
        if self.average is None or self.recipe.ema is None:
            return
        # Young averages follow faster, or short runs would be judged by the weights they began with.
        done = self.schedule.last_epoch
        decay = min(self.recipe.ema, (1 + done) / (10 + done))
        follow = get_ema_multi_avg_fn(decay)
        for slow, fast in self._averaged:
            if slow[0].dtype.is_floating_point:
                follow(slow, fast, 0)
            else:
                with torch.no_grad():
                    torch._foreach_copy_(slow, fast)

    def judge(self, evaluate: Callable[[nn.Module], float], epoch: int) -> None:
        """Score the weights, averaged ones where there are, and keep them if they are the best so far.

        Parameters
        ----------
        evaluate : callable
            Network in eval mode to a score, lower is better.
        epoch : int
            The epoch that has just ended.
        """
        candidate = self.average if self.average is not None else self.network
        candidate.eval()
        with torch.no_grad():
            score = float(evaluate(candidate))
        self.history.score.append(score)
        best = self.history.score[self.history.best] if self.history.best >= 0 else math.inf
        if score < best:  # never of a score that is no number, with which no other compares
            self.history.best = epoch
            self.best = {name: value.detach().clone() for name, value in candidate.state_dict().items()}

    def exhausted(self) -> bool:
        """Tell whether the recipe's patience has ended.

        Returns
        -------
        bool
            Whether to stop.
        """
        history, patience = self.history, self.recipe.patience
        return (
            patience is not None and history.best >= 0 and len(history.score) - 1 - history.best >= patience
        )

    def finish(self) -> None:
        """Give the network the weights that are kept, and put it into eval mode."""
        if self.best is not None:
            self.network.load_state_dict(self.best)
        elif self.average is not None:
            self.network.load_state_dict(self.average.state_dict())
        self.network.eval()

    def save(self, path: Path, epoch: int) -> None:
        """Write a checkpoint, whole or not at all.

        Parameters
        ----------
        path : Path
            The file.
        epoch : int
            The epoch that comes next.
        """
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
        stream = io.BytesIO()  # into a file, torch would not say that the disk is full
        torch.save(content, stream)
        with atomic(path) as temporary:
            temporary.write_bytes(stream.getbuffer())

    def load(self, path: Path) -> int:
        """Read a checkpoint.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        int
            The epoch that comes next.

        Raises
        ------
        ArtifactError
            When the file is damaged, or of another recipe.
        """
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            if content["recipe"] != asdict(self.recipe):
                raise ArtifactError(f"{path}: a checkpoint of another recipe; delete it to start anew")
            self.network.load_state_dict(content["network"])
            if self.average is not None:
                self.average.load_state_dict(content["average"])
            self.best = content["best"]
            self.optimizer.load_state_dict(content["optimizer"])
            self.schedule.load_state_dict(content["schedule"] | {"lr_lambdas": [None]})
            if content["scaler"]:  # version 0.1 scaled in half precision alone
                self.scaler.load_state_dict(content["scaler"])
            self.history = History(**content["history"])
        except ArtifactError:
            raise
        except Exception as error:  # a damaged archive fails in torch's, zip's or pickle's way
            raise ArtifactError(f"{path}: a damaged checkpoint ({error}); delete it to start anew") from error
        return int(content["epoch"])


def _pairs(average: nn.Module, network: nn.Module) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Lay the weights of an average beside those that it follows, by type, so that each type takes one operation."""
    by_type: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values()):
        slows, fasts = by_type.setdefault(slow.dtype, ([], []))
        slows.append(slow)
        fasts.append(fast)
    return list(by_type.values())
