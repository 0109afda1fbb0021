"""Losses: the official one is the competition's metric, all of them skip what is not labeled and can be learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsdc.metrics.official import official_score
from lsdc.models.deep.losses import LOSSES, official, per_side, probabilities


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0, 0.6))
def test_the_official_loss_is_the_official_metric(seed: int, studies: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 1.5, (studies, 25, 3)))
    grades = rng.integers(0, 3, (studies, 25))
    grades[rng.random(grades.shape) < missing] = -1
    scores = official_score(
        grades.reshape(-1, 5, 5).astype(np.int8), logits.softmax(-1).numpy().reshape(-1, 5, 5, 3)
    )
    parts = [scores.spinal, scores.foraminal, scores.subarticular, scores.any_severe]
    wanted = np.nanmean(parts) if np.isfinite(parts).any() else 0.0
    assert float(official(logits, torch.from_numpy(grades), None)) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", LOSSES)
def test_unlabeled_targets_have_no_gradient_and_labeled_ones_do(name: str) -> None:
    grades = torch.randint(0, 3, (4, 25), generator=torch.Generator().manual_seed(0))
    grades[:, ::3] = -1
    logits = torch.randn(4, 25, 3, requires_grad=True)
    LOSSES[name](logits, grades).backward()
    assert logits.grad[:, ::3].abs().sum() == 0
    moved = logits.grad.abs().sum(-1) > 0
    assert moved[grades >= 0].all()


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_labeled_costs_nothing(name: str) -> None:
    logits = torch.randn(2, 25, 3, requires_grad=True)
    loss = LOSSES[name](logits, torch.full((2, 25), -1))
    loss.backward()
    assert float(loss.detach()) == 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_descent_finds_the_grades(name: str) -> None:
    grades = torch.randint(0, 3, (3, 25), generator=torch.Generator().manual_seed(1))
    logits = torch.zeros(3, 25, 3, requires_grad=True)
    optimizer = torch.optim.Adam([logits], 0.3)
    for _ in range(60):
        optimizer.zero_grad()
        LOSSES[name](logits, grades).backward()
        optimizer.step()
    found = probabilities(logits.detach(), name)
    assert torch.allclose(found.sum(-1), torch.ones(3, 25, dtype=torch.double))
    assert (found.argmax(-1) == grades).all()


def test_the_ordinal_loss_minds_how_far_off_a_grade_is() -> None:
    grades = torch.zeros(1, 25, dtype=torch.long)
    near = torch.tensor([1.0, 2.0, 0.0]).log1p().expand(1, 25, 3)
    far = near[..., [0, 2, 1]]
    assert LOSSES["cross_entropy"](near, grades) == pytest.approx(float(LOSSES["cross_entropy"](far, grades)))
    assert LOSSES["ordinal"](near, grades) < LOSSES["ordinal"](far, grades)


def test_per_side_weighs_central_left_and_right_the_same() -> None:
    logits, grades = torch.zeros(1, 25, 3), torch.full((1, 25), -1)
    grades[0, 0] = grades[0, 5] = 0
    logits[0, 5] = torch.tensor([5.0, 0.0, 0.0])
    alone = per_side(logits, torch.where(torch.arange(25) == 5, grades, -1))
    assert per_side(logits, grades) == pytest.approx((float(np.log(3)) + float(alone)) / 2, abs=1e-6)
