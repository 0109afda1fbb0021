"""Augmentation: seeded, every picture in its own way, in range, and mild."""

import pytest
import torch

from lsdc.models.deep.augment import disturbed, erased, repainted, turned, warped


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("change", [turned, repainted, erased, disturbed])
def test_pictures_change_by_the_seed_each_in_its_own_way(change):
    picture = torch.rand(1, 3, 24, 16, generator=generator(9)).expand(12, -1, -1, -1)
    one, two, other = (change(picture, generator(seed)) for seed in (0, 0, 1))
    assert one.shape == picture.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert len({tuple(item.flatten().tolist()) for item in one}) > 1
    assert one.min() >= 0
    assert one.max() <= 1.5


def test_turning_is_mild():
    spot = torch.zeros(50, 1, 33, 33)
    spot[:, :, 14:19, 14:19] = 1
    mass = turned(spot, generator())
    rows = torch.arange(33.0)
    center = (mass.sum((1, 3)) @ rows) / mass.sum((1, 2, 3))
    assert (center - 16).abs().max() < 5


def test_volumes_bend_by_the_seed():
    volume = torch.rand(3, 1, 8, 12, 10, generator=generator(9))
    one, two = (warped(volume, generator(4)) for _ in range(2))
    assert one.shape == volume.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, volume)
    assert one.max() <= volume.max()
