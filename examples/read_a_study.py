"""Read a study and draw the middle slice of each view, in millimeters.

python examples/read_a_study.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import lsdc
from lsdc.cohort import View


def main(work: Path) -> None:
    """Simulate a cohort (once), read its first study, and draw it to WORK/images/read_a_study.png."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)

    cohort = lsdc.discover(work / "cohort")
    study = lsdc.read_study(cohort.studies[0])
    print(cohort)
    print(study)

    for series in study.series:
        # Sagittal slices run from the patient's right to the left, axial ones from foot to head.
        span = abs(series.positions[-1] - series.positions[0])
        print(f"{series.view}: {len(series.slices)} slices span {span:.0f} mm, flags {sorted(series.flags)}")

    figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
    for axis, view in zip(axes, View, strict=True):
        slices = study.of_view(view)[0].slices
        middle = slices[len(slices) // 2]
        rows, columns = middle.pixels.shape
        row_mm, column_mm = middle.plane.spacing
        axis.imshow(middle.pixels, cmap="gray", extent=(0, columns * column_mm, rows * row_mm, 0))
        axis.set(title=f"{view}: slice {len(slices) // 2 + 1} of {len(slices)}", xlabel="mm")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "read_a_study.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
