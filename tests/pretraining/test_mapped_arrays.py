"""Arrays on disk: joined again when there are more, and sent as a place only when they are the whole of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lsdc.pretraining.mapped_arrays import join_arrays, opened, source_of


def test_more_files_are_joined_again_and_parts_travel_themselves(tmp_path: Path) -> None:
    files = [tmp_path / f"{k}.npz" for k in range(4)]
    for k, path in enumerate(files):
        np.savez(path, labels=np.full((2, 3), k))
    joined = tmp_path / "labels.npy"
    assert len(join_arrays(files[:2], "labels", 4, joined)) == 4
    whole = join_arrays(files, "labels", 8, joined)
    assert whole[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert source_of(whole) == joined
    np.testing.assert_array_equal(opened(source_of(whole[2:4])), whole[2:4])
