"""The sheet of one study of a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.store import FeatureStore
from lsdc.features.writer import write_store
from lsdc.report.study_preview import compose_sheet, preview
from lsdc.runtime.errors import LsdcError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    """Two studies; all but the first five targets of each were located."""
    rows = pd.DataFrame(
        [(study, *target) for study in ("one", "two") for target in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    absent = np.arange(len(rows)) % len(TARGETS) < 5
    rows["instance_number"] = np.where(absent, -1, 7)
    rows["located_by"] = np.where(absent, "absent", "network")
    rows["preview"] = np.where(absent, -1, 3)
    rows["preview_x"] = rows["preview_y"] = np.where(absent, np.nan, 4.0)
    rows["grade"] = 1
    crops = np.random.default_rng(0).integers(0, 255, (len(rows), 3, 3, 8, 8), dtype=np.uint8)
    return write_store(tmp_path_factory.mktemp("preview") / "s", rows, np.zeros((50, 2), np.float32), crops)


def test_a_sheet_is_drawn(store: FeatureStore, tmp_path: Path) -> None:
    drawn = preview(store, "two", tmp_path / "new" / "x.png")
    assert (drawn.path, drawn.study, drawn.located) == (tmp_path / "new" / "x.png", "two", 20)
    assert np.asarray(Image.open(drawn.path)).std() > 20


def test_paths_will_do(store: FeatureStore, tmp_path: Path) -> None:
    assert preview(str(store.path), "one", str(tmp_path / "x.png")).path.is_file()


def test_points_are_drawn_where_targets_lie(store: FeatureStore) -> None:
    rows, crops = store.rows.iloc[:25], store.crops[:25]
    image = np.zeros((8, 8, 8), np.uint8)
    with_points = np.asarray(compose_sheet(rows, image, crops, ""))
    without = np.asarray(compose_sheet(rows.assign(preview=-1), image, crops, ""))
    lines, columns = np.nonzero((with_points != without).any(axis=2))
    # The fourth slice, its fourth column and row of 8, enlarged to 360 px: 4.5 * 45 px from its corner.
    circle = (columns > 3 * 368) & (lines > 44)
    assert columns[circle].mean() == pytest.approx(8 + 3 * 368 + 4.5 * 45, abs=3)
    assert lines[circle].mean() == pytest.approx(26 + 18 + 4.5 * 45, abs=3)


def test_an_unknown_study_gets_examples(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(LsdcError, match=r"no study 'nobody'; it holds 2, such as one, two"):
        preview(store, "nobody", tmp_path / "x.png")
