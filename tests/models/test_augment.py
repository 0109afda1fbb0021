"""Augmentation: seeded, every image changed independently, in range, and mild; and the sampler below it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from lsdc.models.deep.affine import affine_sample, turn_matrix
from lsdc.models.deep.augment import augment, erase, misplace, move, repaint, shifted, warp
from lsdc.models.deep.padding import pad_to_multiple


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("change", [move, repaint, erase, augment])
def test_images_change_by_the_seed_each_in_its_own_way(
    change: Callable[[Tensor, torch.Generator], Tensor],
) -> None:
    image = torch.rand(1, 3, 24, 16, generator=generator(9)).expand(12, -1, -1, -1)
    one, two, other = (change(image, generator(seed)) for seed in (0, 0, 1))
    assert one.shape == image.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert len({tuple(item.flatten().tolist()) for item in one}) > 1
    assert one.min() >= 0
    assert one.max() <= 1.5


def test_moving_is_mild() -> None:
    square = torch.zeros(50, 1, 33, 33)
    square[:, :, 14:19, 14:19] = 1
    mass = move(square, generator())
    rows = torch.arange(33.0)
    center = (mass.sum((1, 3)) @ rows) / mass.sum((1, 2, 3))
    assert (center - 16).abs().max() < 5


def test_volumes_bend_by_the_seed() -> None:
    volume = torch.rand(3, 1, 8, 12, 10, generator=generator(9))
    one, two = (warp(volume, generator(4)) for _ in range(2))
    assert one.shape == volume.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, volume)
    assert one.max() <= volume.max()


@pytest.mark.parametrize("shape", [(2, 1, 6, 8), (2, 1, 4, 6, 8)])
def test_the_identity_leaves_images_and_volumes_as_they_are(shape: tuple[int, ...]) -> None:
    values, axes = torch.rand(shape, generator=generator()), len(shape) - 2
    matrix = turn_matrix(torch.zeros(2), torch.ones(2, axes), torch.zeros(2, axes))
    assert_allclose(affine_sample(values, matrix), values, atol=1e-5)


def test_half_a_side_to_the_right_shows_what_was_there() -> None:
    image = torch.arange(8.0).expand(1, 1, 8, 8)
    matrix = turn_matrix(torch.zeros(1), torch.ones(1, 2), torch.tensor([[1.0, 0.0]]))
    for outside, beyond in (("border", 7.0), ("zeros", 0.0)):
        assert affine_sample(image, matrix, outside=outside)[0, 0, 3].tolist() == pytest.approx(
            [4, 5, 6, 7, *[beyond] * 4], abs=1e-5
        )


def test_padding_adds_zeros_at_the_far_end_or_at_both() -> None:
    image = torch.ones(1, 1, 4, 6)
    assert pad_to_multiple(image, 2) is image
    assert pad_to_multiple(image, 4)[0, 0, 0].tolist() == [1] * 6 + [0] * 2
    assert pad_to_multiple(image, 4, centered=True)[0, 0, 0].tolist() == [0, *[1] * 6, 0]


def test_misplaced_crops_show_neighbors_and_what_lies_beside() -> None:
    # Each slice has a gray value of its own, so that the middle one tells which slice it is.
    crops = torch.tensor([0.2, 0.5, 0.8])[None, :, None, None].expand(400, 3, 16, 16).contiguous()
    middle = misplace(crops, torch.Generator().manual_seed(0), spread=0.0, across=0.4)[:, 1].mean((1, 2))
    shares = [float(torch.isclose(middle, torch.tensor(value)).float().mean()) for value in (0.2, 0.5, 0.8)]
    assert shares == pytest.approx([0.2, 0.6, 0.2], abs=0.06)
    ramp = torch.linspace(-1, 1, 32)[None, None, None].expand(400, 3, 32, 32).contiguous()
    moved = misplace(ramp, torch.Generator().manual_seed(1), spread=0.1, across=0.0)[:, 1, 15:17, 15:17]
    # One crop in twenty is off three times as far: the spread is sqrt(.95 + .05 * 9) times the given one.
    assert float(moved.mean((1, 2)).std()) == pytest.approx(0.1 * 1.18, rel=0.2)


def test_shifted_images_show_what_lies_to_the_right_and_absent_ones_stay_absent() -> None:
    images = torch.zeros((2, 3, 8, 8))
    images[0, :, :, 6] = 1.0
    seen = shifted(images, torch.tensor([0.5, 0.0]))
    assert seen[0, 0, 3].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    assert not seen[1].any()
