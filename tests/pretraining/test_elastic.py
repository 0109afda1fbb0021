"""Warps: what they move, and that points follow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lsdc.pretraining.localizer.elastic import Warp, draw_warp

HALF = torch.tensor([150.0, 185.0])
LEVELS = torch.stack([torch.full((5,), 20.0), torch.linspace(-70, 70, 5)], 1)


@given(st.integers(0, 2**31))
def test_back_is_the_inverse(seed: int) -> None:
    warp = draw_warp(LEVELS.expand(4, -1, -1), HALF, np.random.default_rng(seed))
    places = warp.back(LEVELS.expand(4, -1, -1))
    assert_allclose(warp(places), LEVELS.expand(4, -1, -1), atol=0.1)


def test_unknown_points_stay_unknown() -> None:
    points = LEVELS.expand(1, -1, -1).clone()
    warp = draw_warp(points.clone(), HALF, np.random.default_rng(0))
    points[0, 3] = torch.nan
    assert warp.back(points).isnan().all(-1).tolist() == [[False, False, False, True, False]]


def hinged(angle: float, slip: float) -> Warp:
    knots, nowhere = torch.zeros((1, 2, 4, 4)), torch.zeros((1, 0, 2))
    at = torch.zeros((1, 2)), torch.tensor([angle]), torch.tensor([slip])
    return Warp(HALF, knots, *at, nowhere, nowhere, torch.zeros((1, 0)))


def test_a_pinched_disc_is_lower_and_its_middle_stays() -> None:
    plain = hinged(0.0, 0.0)
    disc, axis = torch.tensor([[[10.0, 20.0]]]), torch.tensor([[[0.0, 1.0]]])
    warp = replace(plain, discs=disc, along=axis, pinch=torch.tensor([[0.5]]))
    assert_allclose(warp(disc), disc)
    edges = disc + torch.tensor([[[0.0, -4.0], [30.0, 4.0], [0.0, 40.0]]])
    shown = warp.back(edges) - disc
    assert shown[0, 0, 1].abs() < 3
    assert shown[0, 1, 1].abs() < 3
    assert_allclose(shown[0, 2], [0, 40], atol=0.05)


def test_the_hinge_moves_only_what_is_below() -> None:
    warp = hinged(0.3, 5.0)
    above, below = torch.tensor([[[40.0, -90.0]]]), torch.tensor([[[0.0, 90.0]]])
    assert_allclose(warp(above), above, atol=0.05)
    turned = [5 - 90 * np.sin(0.3), 90 * np.cos(0.3)]
    assert_allclose(warp(below)[0, 0], turned, atol=0.05)


@pytest.mark.parametrize("angle", [-0.4, 0.4])
def test_a_strong_hinge_does_not_fold_the_image(angle: float) -> None:
    rows, columns = torch.meshgrid(torch.arange(-180.0, 181, 4), torch.arange(-60.0, 61, 4), indexing="ij")
    places = torch.stack([columns, rows], -1).view(1, -1, 2)
    x, y = hinged(angle, 5.0)(places).view(*rows.shape, 2).unbind(-1)
    dx, dy = torch.gradient(x), torch.gradient(y)
    assert (dx[1] * dy[0] - dx[0] * dy[1] > 0).all()
