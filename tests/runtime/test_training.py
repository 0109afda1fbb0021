"""The training loop: it learns, keeps the best, stops early, and resumes exactly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.device import pick_device
from lsdc.runtime.epoch_log import EpochLog
from lsdc.runtime.recipe import SCHEDULES, History, Recipe
from lsdc.runtime.training import train
from lsdc.runtime.training_state import TrainingState

CPU = torch.device("cpu")
X = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
Y = X @ torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))


def batches(epoch: int) -> list[torch.Tensor]:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
    return [order[k : k + 16] for k in range(0, 64, 16)]


def loss(net: nn.Module, rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(net(X[rows])[:, 0], Y[rows])


def score(net: nn.Module) -> float:
    with torch.no_grad():
        return float(nn.functional.mse_loss(net(X)[:, 0], Y))


def fit(recipe: Recipe, **more: Any) -> tuple[nn.Module, History]:
    net = network()
    history = train(net, batches, loss, recipe, steps_per_epoch=4, device=CPU, **more)
    return net, history


def test_it_learns_and_keeps_the_best_weights() -> None:
    net, history = fit(Recipe(epochs=40, learning_rate=0.02), evaluate=score)
    assert score(net) == pytest.approx(min(history.score))
    assert score(net) < 0.1 * float(Y.var())


def test_the_same_seed_gives_the_same_weights() -> None:
    one, two = (fit(Recipe(epochs=3, learning_rate=0.02))[0] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters()))


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_killed_run_resumes_exactly(tmp_path: Path, ema: Any) -> Any:
    recipe = Recipe(epochs=6, learning_rate=0.02, ema=ema, accumulate=2)
    whole, history = fit(recipe, evaluate=score)

    def killed(epoch: Any) -> Any:
        if epoch == 3:
            raise KeyboardInterrupt
        return batches(epoch)

    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        train(network(), killed, loss, recipe, steps_per_epoch=4, evaluate=score, checkpoint=path, device=CPU)
    resumed, again = fit(recipe, evaluate=score, checkpoint=path)
    assert again == history
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters()))


def test_patience_stops() -> None:
    _, history = fit(Recipe(epochs=50, learning_rate=1e-9, patience=2), evaluate=lambda net: 1.0)
    assert len(history.score) == 3
    assert history.best == 0


def test_a_score_that_is_no_number_is_never_the_best() -> None:
    scores = iter([np.nan, 2.0, np.nan, 1.0, 3.0])
    kept: list[torch.Tensor] = []

    def judge(net: nn.Module) -> float:
        kept.append(next(net.parameters()).detach().clone())
        return next(scores)

    net, history = fit(Recipe(epochs=5, learning_rate=0.02), evaluate=judge)
    assert history.best == 3 and torch.equal(next(net.parameters()), kept[3])
    net, history = fit(Recipe(epochs=2, learning_rate=0.02), evaluate=lambda net: np.nan)
    assert history.best == -1 and torch.isfinite(next(net.parameters())).all()


def test_bfloat16_on_the_cpu_learns() -> None:
    net, _ = fit(Recipe(epochs=40, learning_rate=0.02, precision="bfloat16"), evaluate=score)
    assert score(net) < 0.2 * float(Y.var())


def test_a_checkpoint_of_another_recipe_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    fit(Recipe(epochs=1, learning_rate=0.1), checkpoint=path)
    with pytest.raises(ArtifactError, match="a checkpoint of another recipe"):
        fit(Recipe(epochs=2, learning_rate=0.1), checkpoint=path)
    path.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(ArtifactError, match="a damaged checkpoint"):
        fit(Recipe(epochs=1, learning_rate=0.1), checkpoint=path)


def test_mistakes_are_told() -> None:
    with pytest.raises(ConfigError, match="epochs: 0 is not at least 1"):
        Recipe(epochs=0, learning_rate=0.1)
    with pytest.raises(ConfigError, match="precision: 'half'"):
        Recipe(epochs=1, learning_rate=0.1, precision="half")
    with pytest.raises(ConfigError, match="device: 'abacus' is unknown"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="'cuda' is not available on this machine"):
            pick_device("cuda")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_ends_lower_and_learns(schedule: Any, tmp_path: Path) -> None:
    _, history = fit(
        Recipe(epochs=20, learning_rate=0.02, schedule=schedule), evaluate=score, log=tmp_path / "logs"
    )
    assert min(history.score) < 0.2 * float(Y.var())
    log = np.genfromtxt(tmp_path / "logs" / "log.csv", delimiter=",", names=True)
    assert_allclose(log["loss"], history.loss, rtol=1e-4)
    assert_allclose(log["score"], history.score, rtol=1e-4)
    last = log["learning_rate"][-1] / log["learning_rate"].max()
    if schedule == "constant":
        assert last == 1
    elif schedule != "plateau":
        assert last < 0.05


def test_a_plateau_halves_the_rate() -> None:
    calls = iter(range(100))
    _, history = fit(
        Recipe(epochs=9, learning_rate=0.02, schedule="plateau"), evaluate=lambda net: float(next(calls))
    )
    assert history.plateaus() == 2
    assert History(score=[5, 4, 3, 2]).plateaus() == 0


def test_a_killed_plateau_resumes_exactly(tmp_path: Path) -> Any:
    recipe = Recipe(epochs=8, learning_rate=0.02, schedule="plateau")
    whole, _ = fit(recipe, evaluate=score)
    part = Recipe(epochs=8, learning_rate=0.02, schedule="plateau")

    def dies(epoch: Any) -> Any:
        if epoch == 5:
            raise KeyboardInterrupt
        return batches(epoch)

    with pytest.raises(KeyboardInterrupt):
        train(
            network(),
            dies,
            loss,
            part,
            steps_per_epoch=4,
            evaluate=score,
            checkpoint=tmp_path / "c",
            device=CPU,
        )
    again, _ = fit(recipe, evaluate=score, checkpoint=tmp_path / "c")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters()))


def test_an_unknown_schedule_is_refused() -> None:
    with pytest.raises(ConfigError, match="schedule: 'steps'; expected cosine, exponential, plateau"):
        Recipe(epochs=1, learning_rate=0.1, schedule="steps")


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra lsdc[tensorboard] is not installed")
    fit(Recipe(epochs=2, learning_rate=0.02), evaluate=score, log=tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_without_tensorboard_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"lsdc-toolkit\[tensorboard\]"):
        fit(Recipe(epochs=1, learning_rate=0.02), log=tmp_path, tensorboard=True)


def test_a_slow_average_does_not_hold_a_short_run_back() -> None:
    net, _ = fit(Recipe(epochs=15, learning_rate=0.02, ema=0.999), evaluate=score)
    assert score(net) < 0.5 * float(Y.var())


def test_lines_after_the_last_checkpoint_are_written_again(tmp_path: Path) -> None:
    log = EpochLog(tmp_path)
    for epoch in range(3):
        log.add(epoch, 1.0, 2.0, 0.1, 0.5)
    EpochLog(tmp_path, begin=2).add(2, 9.0, 2.0, 0.1, 0.5)
    epochs = [line.split(",")[:2] for line in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    assert epochs == [["0", "1"], ["1", "1"], ["2", "9"]]


def test_a_gradient_that_is_no_number_costs_its_step_alone() -> None:
    def sometimes(net: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        value = loss(net, rows)
        return value * torch.nan if 0 in rows else value

    net = network()
    train(net, batches, sometimes, Recipe(epochs=40, learning_rate=0.02), steps_per_epoch=4, device=CPU)
    assert score(net) < 0.2 * float(Y.var())


def test_many_bad_steps_do_not_scale_a_gpu_down() -> None:
    net = network()
    state = TrainingState(net, Recipe(epochs=1, learning_rate=0.02), 1000, CPU)
    state.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)  # as on a GPU
    bad = [torch.arange(16)] * 200
    state.epoch(bad, lambda net, rows: loss(net, rows) * torch.nan, len(bad))
    assert state.scaler.get_scale() == 1.0
    before = score(net)
    state.epoch(batches(0) * 20, loss, 80)
    assert score(net) < 0.5 * before
