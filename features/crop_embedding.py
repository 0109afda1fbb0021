"""From a store's crops to embeddings, which depend on the study alone and on no number of threads."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.encoder import Encoder
from lsdc.runtime.artifact import atomic
from lsdc.runtime.console import track
from lsdc.runtime.reading_ahead import read_ahead

if TYPE_CHECKING:
    from torch import Tensor

    from lsdc.features.torch_encoder import StagedCrops, TorchEncoder

STUDIES_PER_CHUNK = 16
"""Studies whose embeddings are held in memory at once, and form one row group of rows.parquet."""

_AHEAD = 3
"""So many chunks are read at once for a GPU, and wait for it; one takes about 33 MB."""


class EmbeddingChunk(NamedTuple):
    """The embeddings of some consecutive studies on disk.

    Parameters
    ----------
    start, stop : int
        Index of the first study, and of the one after the last.
    path : Path
        A npy file, ((stop - start) * 25, D) float32.
    """

    start: int
    stop: int
    path: Path


def embed_crops(encoder: Encoder, crops_path: Path, n_studies: int, work: Path) -> list[EmbeddingChunk]:
    """Embed the crops of all studies, chunk by chunk; chunks that are there already stay.

    Parameters
    ----------
    encoder : Encoder
        What embeds.
    crops_path : Path
        The store's crops.npy, (n_studies * 25, 3, 3, P, P) uint8.
    n_studies : int
        Number of studies.
    work : Path
        Folder for the embeddings.

    Returns
    -------
    list of EmbeddingChunk
        In the order of the studies.
    """
    crops = np.load(crops_path, mmap_mode="r")
    chunks = [
        EmbeddingChunk(start, min(start + STUDIES_PER_CHUNK, n_studies), work / f"embedding_{start:06d}.npy")
        for start in range(0, n_studies, STUDIES_PER_CHUNK)
    ]
    todo = [chunk for chunk in chunks if not chunk.path.is_file()]
    if encoder.device == "cpu":
        n = len(TARGETS)
        for start, stop, path in track(todo, "embedding"):
            parts = [np.asarray(crops[k * n : (k + 1) * n]) for k in range(start, stop)]
            _save(path, np.concatenate(embed_studies(encoder, parts)))
    else:
        _feed_device(encoder, crops, todo)
    return chunks


def _feed_device(encoder: Encoder, crops: NDArray[np.uint8], chunks: Sequence[EmbeddingChunk]) -> None:
    """Keep a GPU busy: chunks are read ahead, and results are written while the next ones are computed."""
    body, pending = encoder.by_torch, None
    ready = read_ahead((partial(_staged, body, crops, chunk) for chunk in chunks), _AHEAD, threads=_AHEAD)
    for chunk, staged in zip(chunks, track(ready, "embedding", len(chunks))):
        begun = body.begin(staged)
        if pending is not None:
            _save(*pending())
        pending = partial(_fetched, encoder, chunk, staged.present, begun)
    if pending is not None:
        _save(*pending())


def _staged(body: TorchEncoder, crops: NDArray[np.uint8], chunk: EmbeddingChunk) -> StagedCrops:
    """Read the crops of a chunk."""
    n = len(TARGETS)
    return body.stage(crops[chunk.start * n : chunk.stop * n])


def _fetched(
    encoder: Encoder, chunk: EmbeddingChunk, present: NDArray[np.bool_], begun: Tensor
) -> tuple[Path, NDArray[np.float32]]:
    """Wait for the features of a chunk; give where its embeddings belong, and these."""
    return chunk.path, encoder.spread(present, begun.cpu().numpy())


def _save(path: Path, embedded: NDArray[np.float32]) -> None:
    """Write the embeddings of a chunk."""
    content = io.BytesIO()  # into a file, NumPy would not say that the disk is full
    np.save(content, embedded)
    with atomic(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def embed_studies(encoder: Encoder, crops: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """Embed studies on a CPU, each by itself and on one thread; several at once.

    How convolutions and products round depends on the number of threads and of images that share the work. So
    neither the machine nor the other studies of a cohort change what a study's features are.

    Parameters
    ----------
    encoder : Encoder
        What embeds.
    crops : sequence of (25, 3, 3, P, P) uint8
        The crops of each study.

    Returns
    -------
    list of (25, D) float32
        In the same order.
    """
    if encoder.takes_own_threads:
        return [encoder.embed(item) for item in crops]
    with _one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        return list(pool.map(encoder.embed, crops))


@contextmanager
def _one_thread_each() -> Iterator[int]:
    """Let every operation of torch take one thread; give how many it would have taken."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)
