"""A cohort that is quick to extract."""

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def few_studies(small_cohort, tmp_path_factory):
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
