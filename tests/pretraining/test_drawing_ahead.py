"""Batches drawn by other processes: the same as in this one, in order, also after a break."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lsdc.pretraining.drawing_ahead import DrawnAhead, drawing_workers, to_device
from lsdc.pretraining.mapped_arrays import join_arrays, opened, source_of


def make(epoch: int, step: int) -> tuple[Tensor, ...]:
    return torch.tensor([epoch, step]), torch.full((2, 3), float(step), dtype=torch.float32)


def test_workers_give_what_this_process_gives() -> None:
    with DrawnAhead(make, 3, 4, workers=2) as ahead, DrawnAhead(make, 3, 4, workers=1) as here:
        for epoch in (
            1,
            2,
            0,
            3,
        ):  # a resumed training does not begin at 0
            pairs = list(zip(ahead.epoch(epoch), here.epoch(epoch)))
            assert [one[0].tolist() for one, _ in pairs] == [[epoch, step] for step in range(3)]
            for one, other in pairs:
                assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other))


def test_a_cpu_draws_for_itself() -> None:
    assert drawing_workers(torch.device("cpu"), 8) == 1
    assert drawing_workers(torch.device("cuda"), 8) == 8
    assert drawing_workers(torch.device("cuda"), None) is None
    (same,) = to_device((torch.ones(2),), torch.device("cpu"))
    assert same.tolist() == [1, 1]


def test_joined_arrays_are_sent_as_places(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.npz" for k in range(3)]
    for k, path in enumerate(files):
        np.savez(path, labels=np.full((2, 400, 400), k, np.uint8), nothing=np.zeros((2, 0, 0), np.uint8))
    joined = join_arrays(files, "labels", 6, tmp_path / "labels.npy")
    assert joined[:, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(pickle.dumps(source_of(joined))) < 1000
    np.testing.assert_array_equal(opened(source_of(joined)), joined)
    assert join_arrays(files, "nothing", 6, tmp_path / "nothing.npy").shape == (6, 0, 0)
    assert np.asarray(source_of(np.ones(2))).tolist() == [1, 1]
