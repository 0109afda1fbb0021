from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features.sight import NOT_IN_STORE, Sight
from lsdc.metrics.prediction_tables import row_ids
from lsdc.runtime import ConfigError


@pytest.fixture
def rows() -> pd.DataFrame:
    """Study a is seen, but for L5/S1 that is unsure; b has no axial series."""
    table = pd.DataFrame({"row_id": row_ids(["a", "b"]), "status": "seen", "reason": ""})
    low = [k for k, target in enumerate(TARGETS) if target.level == "l5_s1"]
    table.loc[low, ["status", "reason"]] = "unsure", "its place is uncertain"
    recesses = [25 + k for k, target in enumerate(TARGETS) if "subarticular" in target.condition.value]
    table.loc[recesses, ["status", "reason"]] = "not seen", "no axial T2 series (passed over: 1 localizer)"
    return table.sample(frac=1, random_state=0)


def test_counts_and_sentences(rows: pd.DataFrame) -> None:
    sight = Sight.of(rows, ["a", "b", "c"])
    assert sight.counts() == {"seen": 35, "unsure": 5, "not seen": 35}
    assert sight.summary() == (
        f"not seen, 35 rows: 1 of 3 studies: no axial T2 series; 1 of 3 studies: {NOT_IN_STORE}",
        "unsure, 5 rows: 1 of 3 studies: its place is uncertain",
    )
    assert Sight.of(rows[rows.row_id.str.startswith("a")], ["a"]).counts()["not seen"] == 0


def test_what_is_refused(rows: pd.DataFrame) -> None:
    sight = Sight.of(rows, ["a", "b"])
    assert [int(sight.refused(what).sum()) for what in ("none", "not-seen", "unsure")] == [0, 10, 15]  # type: ignore[arg-type]
    assert int(sight.seen().sum()) == 40
    with pytest.raises(ConfigError, match="refuse must be one of none, not-seen, unsure, not 'all'"):
        sight.refused("all")  # type: ignore[arg-type]


def test_stores_of_earlier_versions_are_judged_by_their_confidence() -> None:
    rows = pd.DataFrame({"row_id": row_ids(["a"]), "series_id": "1", "confidence": np.float32(0.9)})
    rows.loc[0, "confidence"], rows.loc[1, "series_id"] = 0.1, ""
    assert Sight.of(rows, ["a"]).status[0, :3].tolist() == ["unsure", "not seen", "seen"]


def test_features_made_elsewhere_count_as_seen_in_stores_without_status() -> None:
    rows = pd.DataFrame({"row_id": row_ids(["a"]), "series_id": "", "confidence": np.float32(0.0)})
    assert Sight.of(rows, ["a"]).counts() == {"seen": 25, "unsure": 0, "not seen": 0}
    rows["located_by"] = "absent"
    assert Sight.of(rows, ["a"]).counts()["seen"] == 25
    rows.loc[:4, "located_by"] = "network"
    assert Sight.of(rows, ["a"]).counts() == {"seen": 20, "unsure": 5, "not seen": 0}


def test_rows_that_nobody_asks_for_are_not_counted(rows: pd.DataFrame) -> None:
    asked = [f"b_{TARGETS[0].slug}", *(name for name in row_ids(["b"]) if "subarticular" in name)]
    sight = Sight.of(rows, ["a", "b"]).only(asked)
    assert sight.counts() == {"seen": 1, "unsure": 0, "not seen": 10}
    assert sight.summary() == ("not seen, 10 rows: no axial T2 series",)
    assert [int(sight.refused(what).sum()) for what in ("none", "not-seen", "unsure")] == [0, 10, 10]  # type: ignore[arg-type]
