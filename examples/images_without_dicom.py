"""Locate the levels on PNG files, with spacing and view given by hand.

python examples/images_without_dicom.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import lsdc
from lsdc.cohort import Condition, Level, View

COLORS = dict(zip(Level, ("#ff5c5c", "#ffb340", "#ffe94d", "#5fe36b", "#59b8ff"), strict=True))


def main(work: Path) -> None:
    """Write the sagittal T2 series of a simulated study as PNG, and read it back without its headers."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    known = lsdc.read_study(lsdc.discover(work / "cohort").studies[0])
    series = known.of_view(View.SAGITTAL_T2)[0]
    (work / "png").mkdir(exist_ok=True)
    for number, item in enumerate(series.slices):
        gray = np.clip(item.pixels / np.percentile(item.pixels, 99) * 255, 0, 255)
        Image.fromarray(gray.astype(np.uint8)).save(work / "png" / f"{number}.png")

    study = lsdc.Study.from_images(
        {"Sagittal T2/STIR": work / "png"},
        spacing=series.slices[0].plane.spacing,
        slice_distance=abs(series.positions[1] - series.positions[0]),
    )
    print(study)
    locations = lsdc.SliceSelector.bundled().locate(study)
    canal = [item for item in locations if item.target.condition is Condition.SPINAL_CANAL_STENOSIS]

    shown = canal[2].slice
    assert shown is not None  # None where the view is absent
    figure, axis = plt.subplots(figsize=(4.4, 4.4), layout="constrained")
    axis.imshow(study.series[0].slices[shown].pixels, cmap="gray")
    for found in canal:
        name = found.target.level.title
        print(name, "slice", found.slice, f"confidence {found.confidence:.2f}")
        axis.plot(*found.point, "o", color=COLORS[found.target.level], mfc="none", mew=2)
        axis.annotate(name, found.point, (12, 0), textcoords="offset points", color="white")
    axis.axis("off")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "images_without_dicom.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
