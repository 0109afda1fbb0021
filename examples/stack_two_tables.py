"""Stack two tables of predictions that other programs wrote.

python examples/stack_two_tables.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import lsdc
from lsdc.cohort import GRADES, TARGETS, read_labels
from lsdc.ensemble import apply_blend


def write_table(labels: pd.DataFrame, path: Path, certainty: float, seed: int) -> None:
    """Write predictions as a network of another team might: right more often than not, with errors of its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for study, grades in labels.iterrows():
        for target in TARGETS:
            grade = grades[target.slug]
            logits = rng.normal(0, 1, 3) + certainty * np.eye(3)[max(int(grade), 0)]
            rows.append((target.row_id(str(study)), *np.exp(logits) / np.exp(logits).sum()))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["row_id", *GRADES]).to_csv(path, index=False)


def main(work: Path) -> None:
    """Blend the tables, and compare the blend with each of them."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    train, test = work / "cohort" / "train.csv", work / "cohort" / "test_labels.csv"
    for name, certainty, seed in (("densenet", 1.5, 1), ("swin", 1.4, 2)):
        write_table(read_labels(train), work / "oof" / f"{name}.csv", certainty, seed)
        write_table(read_labels(test), work / "new" / f"{name}.csv", certainty, seed + 10)

    blended = lsdc.blend(train, work / "oof", work / "blended", trials=10)
    print(blended)
    apply_blend(work / "blended", work / "new", work / "blend.csv")

    tables = {
        "densenet": work / "new/densenet.csv",
        "swin": work / "new/swin.csv",
        "blend": work / "blend.csv",
    }
    scores = pd.Series({name: lsdc.score(test, path).total for name, path in tables.items()})
    print(scores.round(3).to_string())

    figure, axis = plt.subplots(figsize=(6, 2.4), layout="constrained")
    scores[::-1].plot.barh(ax=axis, color=["#26a69a", "#9fa8da", "#9fa8da"])
    axis.set(title="Official score on the test studies (lower is better)")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "stack_two_tables.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
