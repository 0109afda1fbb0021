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
    return Encoder.build("regnetx_002", "bundled", torch.device("cpu"))


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    found = np.random.default_rng(0).integers(0, 255, (3 * 25, 3, 3, 32, 32), np.uint8)
    found[30:40, 1] = 0
    return found


def test_embeddings_do_not_depend_on_threads_or_neighbors(encoder: Encoder, crops: np.ndarray) -> None:
    studies = list(crops.reshape(3, 25, *crops.shape[1:]))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
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
