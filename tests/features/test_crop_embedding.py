"""What a study's embedding is does not depend on threads, nor on the other studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lsdc.features.crop_embedding import embed_crops, embed_studies
from lsdc.features.encoder import Encoder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.build("regnetx_002", "bundled")


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    found = np.random.default_rng(0).integers(0, 255, (3 * 25, 3, 3, 32, 32), np.uint8)
    found[30:40, 1] = 0
    return found


@pytest.mark.parametrize("by_torch", [False, True])
def test_embeddings_do_not_depend_on_threads_or_neighbors(
    crops: np.ndarray, by_torch: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.build("regnetx_002", "bundled")
    if by_torch:
        assert encoder.network is not None
    studies = list(crops.reshape(3, 25, *crops.shape[1:]))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
            found.append(embed_studies(encoder, studies))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    alone = [embed_studies(encoder, [study])[0] for study in studies]
    for one in (*found, alone):
        np.testing.assert_array_equal(np.stack(one), np.stack(found[0]))
    assert np.isnan(found[0][1][5:15]).sum() == 10 * encoder.width


def test_chunks_that_are_there_stay(encoder: Encoder, crops: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "crops.npy", crops)
    (chunk,) = embed_crops(encoder, tmp_path / "crops.npy", 3, tmp_path)
    assert (chunk.start, chunk.stop, np.load(chunk.path).shape) == (0, 3, (75, 3 * encoder.width))
    np.save(chunk.path, np.zeros(3))
    embed_crops(encoder, tmp_path / "crops.npy", 3, tmp_path)
    assert np.load(chunk.path).shape == (3,)


def test_a_device_that_is_fed_gives_the_same(encoder: Encoder, tmp_path: Path) -> None:
    crops = np.random.default_rng(1).integers(0, 255, (40 * 25, 3, 3, 8, 8), np.uint8)
    crops[::3, 2] = 0
    crops[16 * 25 : 32 * 25] = 0  # a chunk that shows nothing
    np.save(tmp_path / "crops.npy", crops)
    fed = Encoder.build("regnetx_002", "bundled")
    assert fed.network is not None
    fed.device = "fed"  # computed by torch, on the CPU all the same
    (tmp_path / "fed").mkdir()
    found = embed_crops(fed, tmp_path / "crops.npy", 40, tmp_path / "fed")
    expected = embed_crops(encoder, tmp_path / "crops.npy", 40, tmp_path)
    assert [(chunk.start, chunk.stop) for chunk in found] == [(0, 16), (16, 32), (32, 40)]
    for ours, theirs in zip(found, expected):
        # In half precision, on processors that have instructions for it.
        np.testing.assert_allclose(np.load(ours.path), np.load(theirs.path), atol=0.03)
