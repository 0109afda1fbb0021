"""A cohort that is quick to extract."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lsdc.runtime.console import logger


@pytest.fixture(scope="session")
def few_studies(small_cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four train studies and a test study of the small cohort; do not change it."""
    root = tmp_path_factory.mktemp("data")
    kept = {}
    for split, n in (("train", 4), ("test", 1)):
        kept[split] = sorted(path.name for path in (small_cohort / f"{split}_images").iterdir())[:n]
        (root / f"{split}_images").mkdir()
        for study in kept[split]:
            (root / f"{split}_images" / study).symlink_to(small_cohort / f"{split}_images" / study)
    for path in small_cohort.glob("t*.csv"):
        table = pd.read_csv(path, dtype=str)
        table[table.study_id.isin(kept["train"] + kept["test"])].to_csv(root / path.name, index=False)
    for name in ("measurements.csv", "config.json"):
        (root / name).symlink_to(small_cohort / name)
    return root


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The messages for people, also where a command has taken over the toolkit's logger before."""
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level("INFO", logger=logger.name)
    return caplog
