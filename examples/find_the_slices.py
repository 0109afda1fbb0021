"""Find the slice and the point of each of the 25 targets, and compare them with the annotated ones.

python examples/find_the_slices.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import lsdc
from lsdc.cohort import Condition, Level, Target, View, read_coordinates

COLORS = dict(zip(Level, ("#ff5c5c", "#ffb340", "#ffe94d", "#5fe36b", "#59b8ff"), strict=True))
DRAWN = {
    "canal": Target(Condition.SPINAL_CANAL_STENOSIS, Level.L3_L4),
    "left foramina": Target(Condition.LEFT_NEURAL_FORAMINAL_NARROWING, Level.L3_L4),
    "recesses": Target(Condition.LEFT_SUBARTICULAR_STENOSIS, Level.L4_L5),
}


def main(work: Path) -> None:
    """Locate with the bundled weights, which have seen no patient of this cohort."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    source = lsdc.discover(work / "cohort").studies[0]
    study = lsdc.read_study(source)
    locations = {item.target: item for item in lsdc.SliceSelector.bundled().locate(study)}

    marked = read_coordinates(work / "cohort" / "train_label_coordinates.csv")
    marked = marked[marked["study_id"] == study.study_id]
    keys, points = zip(marked["condition"], marked["level"]), zip(marked["x"], marked["y"])
    true = dict(zip(keys, points, strict=True))
    distances = []
    for target, found in locations.items():
        if found.series is not None and found.slice is not None and target in true:
            plane = study.series[found.series].slices[found.slice].plane
            pixels = np.subtract(found.point, true[target])
            distances.append(np.hypot(*(pixels * plane.spacing[::-1])))
    print(f"{len(distances)} targets located, median distance in the plane {np.median(distances):.1f} mm")

    figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    for axis, (title, target) in zip(axes, DRAWN.items(), strict=True):
        shown = locations[target]
        assert shown.series is not None and shown.slice is not None  # None where the view is absent
        series = study.series[shown.series]
        axis.imshow(series.slices[shown.slice].pixels, cmap="gray")
        axis.set(title=f"{title}: {series.view}, slice {shown.slice}")
        axis.axis("off")
        for found in locations.values():
            near = found.target.condition is target.condition and series.view is not View.AXIAL_T2
            if found.series == shown.series and (near or found.slice == shown.slice):
                axis.plot(*found.point, "o", mfc="none", mew=2, color=COLORS[found.target.level])
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "find_the_slices.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
