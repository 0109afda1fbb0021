"""Whether T1 and T2 are told apart on real mid-sagittal slices, from pixels alone."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from contact_sheet import DISC_MM, canal_points, forward, spacings
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from yardsticks import PX, cross_fitted, ours

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import Level, View
from lsdc.pretraining.localizer.label_maps import make_label_maps
from lsdc.pretraining.localizer.simulated_images import draw_images
from lsdc.runtime.console import say, track
from lsdc.slice_selector.descriptors import describe
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.square_images import SAGITTAL_MM, SAGITTAL_PX

_PATIENTS, _SEED = 60, 77
"""Simulated patients whom T1 and T2 are learned from."""


def views(data: Path, selector: SliceSelector, encoder: str) -> dict[str, dict[str, float]]:
    """AUC and share right of T2 against T1, by what they were learned from and on.

    `selector descriptors, learned in simulation` never saw a real picture; the others are logistic probes on the real
    pictures, cross-fitted by patient: of the descriptors, and of the encoder's embeddings of squares around the
    posterior edges of the discs, averaged over the levels.
    """
    known = spacings(data)
    described, crops, truth, patients = [], [], [], []
    for path in track(sorted((data / "midsagittal").glob("*.png")), "T1 or T2"):
        spacing = known.get(path.stem, (0.6, 0.6))
        study = Study.from_images([path], View.SAGITTAL_T2, spacing=spacing)
        item = study.series[0].slices[0]
        described.append(describe(item.pixels, item.plane))
        cutter = Cutter(study.series[0], View.SAGITTAL_T2)
        points = forward(canal_points(selector, study)[0], spacing)
        crops += [cutter.cut(0, (float(x), float(y)), DISC_MM, PX) for x, y in points]
        truth.append(path.stem.endswith("_t2"))
        patients.append(path.stem.rsplit("_", 1)[0])
    heavy, groups = np.array(truth), np.array(patients)
    descriptors = np.array(described)
    embedded = ours(encoder)(crops).reshape(len(heavy), len(Level), -1).mean(axis=1)
    scores = {
        "selector descriptors, learned in simulation": _simulated().decision_function(descriptors),
        "selector descriptors": cross_fitted(descriptors, heavy, groups, balanced=True),
        f"encoder ({Path(encoder).stem})": cross_fitted(embedded, heavy, groups, balanced=True),
    }
    return {name: _judged(heavy, score) for name, score in scores.items()}


def _judged(truth: NDArray, score: NDArray) -> dict[str, float]:
    return {"auc": float(roc_auc_score(truth, score)), "right": float(accuracy_score(truth, score > 0))}


def _simulated() -> Any:
    """A classifier of descriptors of images that were painted from label maps."""
    spacing = SAGITTAL_MM / SAGITTAL_PX
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (spacing, spacing))
    descriptors, heavy = [], []
    with TemporaryDirectory() as work:
        maps = make_label_maps(_PATIENTS, _SEED, Path(work))["sagittal"]
    for number, rows in enumerate(np.array_split(np.arange(len(maps.labels)), len(maps.labels) // 30)):
        for t2 in (False, True):
            rng = np.random.default_rng([_SEED, number, t2])
            images = draw_images(maps, rows, "sagittal", rng, negatives=0.0, t2=t2).images
            descriptors += [describe(image.numpy(), plane) for image in images]
            heavy += [t2] * len(rows)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    return model.fit(np.array(descriptors), heavy)


def show_views(scores: dict[str, dict[str, float]]) -> None:
    """Print them for people."""
    say("T1 or T2 from pixels alone, on the real mid-sagittal slices:")
    for name, row in scores.items():
        say(f"  {name}: AUC {row['auc']:.3f}, {row['right']:.0%} right")
