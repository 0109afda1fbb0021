"""Batches: every field mirrors as the store would mirror it, and a feed brings them to a network."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import Tensor

from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Batch, Inputs, mirrored_by, swap_targets
from lsdc.models.deep.crop_batch import CropBatch
from lsdc.models.deep.feed import Feed, require_arrays
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.registry import MEMBERS
from lsdc.testing.planted_examples import make_examples, mirrored_examples

DEEP: list[Any] = [member for member in MEMBERS.values() if issubclass(member, DeepMember)]
SIZES = [Sizes(px=32, batch=2, epochs=1, rate=1e-3, all_views=all_views) for all_views in (False, True)]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return make_examples(4, folder=tmp_path_factory.mktemp("arrays") / "store")


@pytest.mark.parametrize("sizes", SIZES, ids=["graded view", "all views"])
@pytest.mark.parametrize("member", DEEP, ids=lambda member: member.name)
def test_a_mirrored_batch_is_what_a_mirrored_store_holds(
    member: Any, sizes: Sizes, examples: Examples, tmp_path: Path
) -> None:
    other, _ = mirrored_examples(examples, tmp_path / "mirrored")
    ours, theirs = (member().read(one, np.arange(4), sizes) for one in (examples, other))
    for item in fields(theirs):
        if item.name != "grades":
            mirrored, wanted = (getattr(batch, item.name) for batch in (ours.mirrored(), theirs))
            assert_array_equal(mirrored, wanted, err_msg=item.name)


@pytest.mark.parametrize("sizes", SIZES, ids=["graded view", "all views"])
@pytest.mark.parametrize("member", DEEP, ids=lambda member: member.name)
def test_twice_mirrored_is_the_same(member: Any, sizes: Sizes, examples: Examples) -> None:
    batch = member().read(examples, np.arange(4), sizes)
    again = batch.mirrored().mirrored()
    for item in fields(batch):
        if item.name != "grades":
            first, second = getattr(batch, item.name), getattr(again, item.name)
            assert_allclose(second, first, rtol=1e-5, err_msg=item.name)


def test_a_new_batch_only_declares_its_rule() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Offsets(Batch):
        left_mm: Tensor = field(metadata=mirrored_by(lambda values, batch: -swap_targets(values)))

    batch = Offsets(left_mm=torch.arange(25.0)[None], grades=torch.arange(25)[None])
    mirrored = batch.mirrored()
    assert mirrored.left_mm[0, 5:15].tolist() == [
        *(-10.0 - k for k in range(5)),
        *(-5.0 - k for k in range(5)),
    ]
    assert mirrored.grades is not None
    assert mirrored.grades[0, :6].tolist() == [0, 1, 2, 3, 4, 10]


def test_a_field_without_a_rule_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Forgotten(Batch):
        heights: Tensor

    with pytest.raises(
        TypeError, match=r"Forgotten\.heights has no mirror rule; declare it with mirrored_by"
    ):
        Forgotten(heights=torch.zeros(1, 25)).mirrored()


def crop_feed() -> Feed[CropBatch]:
    """A feed that prepares the mean brightness of the crops, and says whether it was asked to augment."""

    def read(examples: Examples, chosen: np.ndarray) -> CropBatch:
        crops = require_arrays(examples, "test").crops(chosen, graded_view_only=True)
        return CropBatch(crops=torch.from_numpy(crops))

    def prepare(batch: CropBatch, generator: torch.Generator | None) -> Inputs:
        augmented = torch.tensor(-1 if generator is None else generator.initial_seed())
        return {"mean": batch.crops.float().flatten(2).mean(-1), "augmented": augmented}

    return Feed(read, prepare, torch.device("cpu"), studies=3)


def test_a_feed_in_order_brings_every_study_once_with_its_grades(examples: Examples) -> None:
    feed = crop_feed()
    assert feed.steps(np.arange(4)) == 2
    assert list(feed.in_order(examples, np.arange(0))) == []
    parts = list(feed.in_order(examples, np.arange(4)))
    assert_array_equal(torch.cat([grades for _, grades in parts]), examples.grades.reshape(4, 25))
    assert all(inputs["augmented"] == -1 for inputs, _ in parts)
    mirrored = list(feed.in_order(examples, np.arange(4), mirrored=True))
    assert_allclose(mirrored[0][0]["mean"], swap_targets(parts[0][0]["mean"]), rtol=1e-6)
    assert_array_equal(mirrored[1][1], swap_targets(parts[1][1]))


def test_a_shuffled_feed_depends_on_seed_and_epoch_alone(examples: Examples) -> None:
    def grades(seed: int, epoch: int) -> np.ndarray:
        return torch.cat(
            [part for _, part in crop_feed().shuffled(examples, np.arange(4), seed, epoch)]
        ).numpy()

    assert_array_equal(grades(0, 0), grades(0, 0))
    others = [grades(0, epoch) for epoch in range(1, 6)]
    assert any(not np.array_equal(grades(0, 0), other) for other in others)
    assert all(np.sort(other.sum(1)).tolist() == np.sort(grades(0, 0).sum(1)).tolist() for other in others)
