"""Read a study and draw the middle slice of each series, in millimeters.

python examples/read_a_study.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import lsdc


def main(work: Path) -> None:
    """Simulate a cohort (once), read its first study, and draw it to WORK/images/read_a_study.png."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)

    cohort = lsdc.discover(work / "cohort")
    study = lsdc.read_study(cohort.studies[0])
    print(cohort)
    print(study)

    figure, axes = plt.subplots(
        1, len(study.series), figsize=(4 * len(study.series), 4.6), layout="constrained"
    )
    for axis, series in zip(axes, study.series, strict=True):
        middle = series.slices[len(series.slices) // 2]
        rows, columns = middle.pixels.shape
        row_mm, column_mm = middle.plane.spacing
        axis.imshow(middle.pixels, cmap="gray", extent=(0, columns * column_mm, rows * row_mm, 0))
        axis.set(title=f"{series.view}: {len(series.slices)} slices", xlabel="mm")
        positions = series.positions
        # Sagittal slices run from the patient's right to the left, axial ones from foot to head.
        print(
            f"{series.view}: slices span {positions[-1] - positions[0]:.0f} mm, flags {sorted(series.flags)}"
        )

    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "read_a_study.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
