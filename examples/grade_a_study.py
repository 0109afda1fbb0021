"""Draw one graded study: the chosen slices with the located points, and the grades of its 25 targets.

    python examples/grade_a_study.py WORK [STUDY]

WORK may be the folder of `make demo`.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import Rectangle

import lsdc
from lsdc.cohort import GRADES, TARGETS, Condition, Level

COLORS = dict(zip(Level, ("#ff5c5c", "#ffb340", "#ffe94d", "#5fe36b", "#59b8ff"), strict=True))
SLOTS = {0: "canal, sagittal T2", 1: "left foramina, sagittal T1", 6: "recesses at L4/L5, axial T2"}
RING = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 2}
COLUMNS = ["canal", "left\nforamen", "right\nforamen", "left\nrecess", "right\nrecess"]
HUES = [(0.45, 0.75, 0.50), (0.98, 0.72, 0.30), (0.88, 0.25, 0.22)]
"""Normal/mild is green, moderate amber, severe red; a target's color mixes them by its probabilities."""


def main(work: Path, study: str | None = None) -> None:
    """Predict, choose a study, and draw it to WORK/images/grade_a_study.png."""
    if not (work / "model" / "manifest.json").is_file():
        lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
        lsdc.extract(work / "cohort", work / "store")
        lsdc.fit(work / "store", work / "model", members=["lightgbm", "mlp"], trials=10)
    store = lsdc.FeatureStore.open(work / "store")
    lsdc.predict(work / "model", work / "store", work / "graded.csv")
    graded = pd.read_csv(work / "graded.csv", index_col="row_id")
    study = study or next(iter(graded.index)).split("_")[0]

    figure, axes = plt.subplots(1, 4, figsize=(15, 4.1), layout="constrained", facecolor="#202024")
    for axis, (slot, title) in zip(axes, SLOTS.items(), strict=False):
        axis.imshow(store.previews[store.studies["study_id"].tolist().index(study), slot], cmap="gray")
        for row in store.rows.query("study_id == @study and preview == @slot").itertuples():
            axis.plot(row.preview_x, row.preview_y, "o", color=COLORS[Level(str(row.level))], **RING)
        axis.set_title(title, color="white")
        axis.axis("off")
    table = axes[3]
    for target in TARGETS:
        probabilities = graded.loc[target.row_id(study), list(GRADES)].to_numpy(float)
        x, y = list(Condition).index(target.condition), list(Level).index(target.level)
        table.add_patch(Rectangle((x, y), 0.95, 0.95, color=tuple(probabilities @ HUES)))
        table.text(x + 0.47, y + 0.5, f"{probabilities[2]:.0%}", ha="center", va="center", fontsize=11)
    table.set(xlim=(0, 5), ylim=(5, 0), facecolor="#202024")
    table.set_xticks([k + 0.47 for k in range(5)], COLUMNS, color="white")
    table.set_yticks([k + 0.5 for k in range(5)], [level.title for level in Level], color="white")
    table.set_title("probability of severe", color="white")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "grade_a_study.png", dpi=90)
    print(f"study {study}: drawn with the grades of {len(TARGETS)} targets")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"), *sys.argv[2:3])
