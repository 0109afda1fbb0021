"""Points and grades on real sagittal T1 slices whose foramina readers have marked and graded.

    python benchmarks/real_foramina.py --data COHORT --work DIR --reference MEMBERS

COHORT is a folder in the competition's layout with train.csv, train_label_coordinates.csv and folds.csv. Everything
that is fitted is cross-fitted on the given folds. MEMBERS is a folder of other people's out-of-fold tables, which are
scored on the same rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.discovery.sources import StudySource
from lsdc.cohort.discovery.studies import discover, read_study
from lsdc.cohort.folds import read_folds
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import GRADES, Condition, Family, Level, Side, View
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.features.extraction import extract
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.metrics.measures import agreement
from lsdc.metrics.official import CONDITIONS_OF, study_losses
from lsdc.metrics.prediction_tables import grades_of, read_predictions, row_ids, table_of, to_cube
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table
from lsdc.runtime.engine import fan_out
from lsdc.slice_selector.selector import SliceSelector

FORAMINA = [condition for condition in Condition if condition.family is Family.FORAMINAL]
PATCH_MM, PATCH_PX, COMPONENTS = 33.0, 28, 80
"""Side of the raw patches of the pixel probe, in the patient and in the image, and how many components it keeps."""


@dataclass(frozen=True)
class Marks:
    """What readers marked in one study: ten foramina, NaN where one was not marked.

    Parameters
    ----------
    study_id : str
        The study.
    patient : (2, 5, 3) float
        By side (left, right) and level, mm in patient space.
    """

    study_id: str
    patient: NDArray[np.float64]


@dataclass(frozen=True)
class RealForamina:
    """Judge points and grades on real foramina."""

    data: Path
    """a cohort in the competition's layout, with folds.csv"""
    work: Path = Path("runs/real_foramina")
    """folder for the store and the models; what is finished there is not done again"""
    reference: Path | None = None
    """folder of other people's out-of-fold tables for the same studies"""
    members: str = "lightgbm,xgboost,mlp"
    """members to fit, separated by commas"""
    studies: int | None = None
    """only the first so many studies"""
    curve: bool = False
    """fit on 50, 100, 200 and 400 studies too"""
    workers: int | None = None
    """processes; one per core by default"""
    seconds: dict[str, float] = field(default_factory=dict)
    """not a flag to set: how long each stage took"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Locate, extract, fit, and measure."""
        cohort = discover(self.data)
        assert cohort.coordinates is not None and cohort.labels is not None
        sources = [source for source in cohort.studies if source.study_id in set(cohort.labels.index)]
        sources = sources[: self.studies]
        by_study = dict(iter(cohort.coordinates.groupby("study_id")))
        tasks = [(source, by_study[source.study_id]) for source in sources if source.study_id in by_study]
        with self._stage("bundled selector"):
            bundled = {name: found for _, (name, found) in fan_out(_locate, tasks, "bundled", self.workers)}
        marks = {mark.study_id: mark for mark, _, _ in bundled.values()}
        with self._stage("extract"):
            store = FeatureStore.open(
                extract(
                    self.data,
                    self.work / "store",
                    Settings(folds=self.data / "folds.csv"),
                    workers=self.workers,
                ).store
            )
        fitted = located_in(store)
        result: dict[str, Any] = {
            "studies": len(marks),
            "bundled": points_summary(marks, {name: found for name, (_, found, _) in bundled.items()}),
            "fitted": points_summary(marks, fitted),
        }
        with self._stage("fit"):
            fit(store.path, self.work / "model", self.members.split(","))
        labels = cohort.labels.loc[sorted(set(store.rows["study_id"]) & set(cohort.labels.index))]
        patches = {
            "pixels at annotated points": {name: at for name, (_, _, at) in bundled.items()},
            "pixels at our points": _patches_of(sources, fitted, self.workers),
        }
        folds = dict(zip(labels.index, read_folds(self.data / "folds.csv", labels.index.tolist())))
        result["foraminal"] = self._grades(labels, folds, patches)
        result["seconds"] = {name: round(value, 1) for name, value in self.seconds.items()}
        show(result)
        return result

    def _grades(self, labels: pd.DataFrame, folds: dict[str, int], patches: dict[str, Any]) -> dict[str, Any]:
        model = Model.open(self.work / "model")
        tables = {"stack": model.nested}
        tables |= {name: model.out_of_fold.query("member == @name") for name in model.members}
        for name, found in patches.items():
            with self._stage(name):
                tables[name] = pixel_probe(labels, folds, found)
        if self.reference is not None:
            tables |= {
                path.stem: read_predictions(path) for path in sorted(self.reference.glob("sagittal_t1*.csv"))
            }
        tables["prior"] = prior(labels, folds)
        return {name: grades_summary(labels, one) for name, one in tables.items()}

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun


Located = NDArray[np.float64]
"""(2, 5, 3): by side and level, mm in patient space; NaN where nothing was located."""


def _locate(task: tuple[StudySource, pd.DataFrame]) -> tuple[str, tuple[Marks, Located, NDArray[np.uint8]]]:
    """Marks of a study, where the bundled selector puts them, and raw patches at the marks."""
    source, coordinates = task
    study = read_study(source)
    marks = marks_of(study, coordinates)
    found = np.full((2, 5, 3), np.nan)
    for item in _bundled().locate(study):
        condition = item.target.condition
        if condition.family is Family.FORAMINAL and item.series is not None:
            side = list(Side).index(condition.side) if condition.side else 0
            found[side, list(Level).index(item.target.level)] = item.patient
    return study.study_id, (marks, found, patches_at(study, marks.patient))


_SELECTOR: list[SliceSelector] = []


def _bundled() -> SliceSelector:
    if not _SELECTOR:
        _SELECTOR.append(SliceSelector.bundled())
    return _SELECTOR[0]


def marks_of(study: Study, coordinates: pd.DataFrame) -> Marks:
    """Turn a study's rows of the coordinate table into patient space."""
    slices = {
        (series.series_id, item.instance_number): item.plane
        for series in study.series
        for item in series.slices
    }
    patient = np.full((2, 5, 3), np.nan)
    rows: Any = coordinates.itertuples()
    for row in rows:
        condition = Condition(row.condition)
        plane = slices.get((str(row.series_id), int(row.instance_number)))
        if condition.family is Family.FORAMINAL and condition.side is not None and plane is not None:
            place = list(Side).index(condition.side), [level.value for level in Level].index(row.level)
            patient[place] = plane.to_patient([[row.x, row.y]])[0]
    return Marks(study.study_id, patient)


def patches_at(study: Study, patient: Located) -> NDArray[np.uint8]:
    """Raw patches (2, 5, px, px) around points on the nearest sagittal T1 slice; zeros where there is no point."""
    out = np.zeros((2, 5, PATCH_PX, PATCH_PX), np.uint8)
    series = next((item for item in study.series if item.view is View.SAGITTAL_T1), None)
    if series is None:
        return out
    cutter = Cutter(series, View.SAGITTAL_T1)
    for place in np.argwhere(np.isfinite(patient[..., 0])):
        point = patient[tuple(place)]
        index = series.nearest(point)
        column, row = (float(value) for value in series.slices[index].plane.to_pixel(point)[0])
        out[tuple(place)] = cutter.cut(index, (column, row), PATCH_MM, PATCH_PX)
    return out


def _patches_of(
    sources: Sequence[StudySource], found: dict[str, Located], workers: int | None
) -> dict[str, NDArray[np.uint8]]:
    tasks = [(source, found[source.study_id]) for source in sources if source.study_id in found]
    return {task[0].study_id: patches for task, patches in fan_out(_patch_task, tasks, "patches", workers)}


def _patch_task(task: tuple[StudySource, Located]) -> NDArray[np.uint8]:
    return patches_at(read_study(task[0]), task[1])


def located_in(store: FeatureStore) -> dict[str, Located]:
    """Where the foramina of a store's studies were located."""
    found: dict[str, Located] = {}
    rows = store.rows[store.rows["condition"].isin([condition.value for condition in FORAMINA])]
    items: Any = rows.itertuples()
    for row in items:
        place = found.setdefault(row.study_id, np.full((2, 5, 3), np.nan))
        side, level = (
            int(row.condition.startswith("right")),
            [level.value for level in Level].index(row.level),
        )
        if row.instance_number >= 0:
            place[side, level] = (row.left_mm, row.posterior_mm, row.head_mm)
    return found


def points_summary(marks: dict[str, Marks], found: dict[str, Located]) -> dict[str, Any]:
    """How near points are to the marks, with intervals over studies; what was not located counts as missed."""
    names = [name for name in marks if name in found]
    true = np.array([marks[name].patient for name in names])
    ours = np.array([found[name] for name in names])
    marked = np.isfinite(true[..., 0])
    # The slices are sagittal: posterior and head are the directions in the plane, left is across.
    mm = np.where(marked, np.linalg.norm((ours - true)[..., 1:], axis=-1), np.nan)
    apart = np.linalg.norm(ours[:, :, :, None, 1:] - true[:, :, None, :, 1:], axis=-1)
    nearest = np.where(np.isfinite(apart), apart, np.inf).argmin(axis=-1)
    level_right = (nearest == np.arange(5)) & np.isfinite(ours[..., 0])
    sides = np.nanmean(true[..., 0], axis=2)
    away = np.abs(ours[..., 0] - sides[:, :, None])
    other = np.abs(ours[..., 0] - sides[:, ::-1, None])
    side_right = away < other
    hits = {
        "within_8mm": mm <= 8,
        "within_5mm": mm <= 5,
        "level_right": level_right,
        "side_right": side_right,
    }
    summary: dict[str, Any] = {"points": int(marked.sum()), "median_mm": float(np.nanmedian(mm))}
    summary["located"] = float(np.isfinite(mm[marked]).mean())
    for name, hit in hits.items():
        interval = _fraction(hit & marked, marked)
        summary[name] = interval.value
        summary[f"{name}_interval"] = [interval.low, interval.high]
    bias = np.nanmean(np.where(marked[..., None], ours - true, np.nan), axis=(0, 1))
    summary["bias_mm_posterior_head_by_level"] = bias[:, 1:].round(2).tolist()
    return summary


def _fraction(hit: NDArray[np.bool_], marked: NDArray[np.bool_]) -> Interval:
    hits, n = hit.sum(axis=(1, 2)), marked.sum(axis=(1, 2))
    return bootstrap_interval(lambda counts: (counts @ hits) / (counts @ n), len(n), seed=0)


def grades_summary(labels: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
    """Foraminal loss, AUC and kappa of a table on the labeled studies that it has."""
    ids = np.array(row_ids(labels.index)).reshape(len(labels), -1)
    there = np.asarray(np.isin(ids, predictions["row_id"]).any(axis=1))
    part = labels.loc[labels.index[there]]
    cube = to_cube(predictions, part.index.tolist())
    grades = grades_of(part)
    others = [k for k in range(5) if k not in CONDITIONS_OF[Family.FORAMINAL]]
    grades = grades.copy()
    grades[:, others] = -1
    grades[~np.isfinite(cube).all(axis=-1)] = -1
    cube = np.where(np.isfinite(cube), cube, 1 / 3)
    losses = study_losses(grades, cube)
    column = list(Family).index(Family.FORAMINAL)
    interval = bootstrap_interval(lambda counts: losses.parts(counts)[:, column], len(grades), seed=0)
    labeled = grades >= 0
    found = agreement(grades[labeled].astype(int), cube[labeled])
    moderate = _auc(grades[labeled] >= 1, cube[labeled][:, 1:].sum(axis=1))
    by_level = [
        float(study_losses(np.where(np.arange(5) == k, grades, np.int8(-1)), cube).parts()[column])
        for k in range(5)
    ]
    return {
        "loss": interval.value,
        "interval": [interval.low, interval.high],
        "auc_severe": found["auc_severe"],
        "auc_moderate": moderate,
        "kappa": found["kappa"],
        "by_level": by_level,
        "rows": int(labeled.sum()),
    }


def _auc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, score))


def prior(labels: pd.DataFrame, folds: dict[str, int]) -> pd.DataFrame:
    """The weighted prior, counted without each fold."""
    from lsdc.ensemble.nested_scoring import cross_fit_stacker
    from lsdc.ensemble.predictions import Predictions
    from lsdc.ensemble.stackers.prior import WeightedPrior
    from lsdc.ensemble.stacking_data import StackingData

    grades = grades_of(labels)
    given = Predictions(("none",), tuple(labels.index), np.full((1, *grades.shape, len(GRADES)), np.nan))
    of = np.array([folds[name] for name in labels.index])
    cube = cross_fit_stacker(WeightedPrior, StackingData(given, grades, of))
    return table_of(row_ids(labels.index), cube.reshape(-1, len(GRADES)))


def pixel_probe(
    labels: pd.DataFrame, folds: dict[str, int], patches: dict[str, NDArray[np.uint8]]
) -> pd.DataFrame:
    """Logistic regression on principal components of raw patches and the level, without each fold."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = [name for name in labels.index if name in patches]
    grades = grades_of(labels.loc[names])[:, [list(Condition).index(condition) for condition in FORAMINA]]
    pixels = np.array([patches[name] for name in names]).reshape(-1, PATCH_PX * PATCH_PX) / 255.0
    level = np.tile(np.eye(5), (len(names) * 2, 1))
    truth, fold = grades.ravel(), np.repeat([folds[name] for name in names], 10)
    usable = pixels.any(axis=1)
    out = np.full((len(truth), 3), np.nan)
    for k in np.unique(fold):
        train, test = usable & (fold != k) & (truth >= 0), usable & (fold == k)
        components = PCA(COMPONENTS, random_state=0).fit(pixels[train])
        X = np.hstack([components.transform(pixels), level])
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.02, max_iter=1000))
        probe.fit(X[train], truth[train], logisticregression__sample_weight=2.0 ** truth[train])
        out[test] = probe.predict_proba(X[test])
    ids = [f"{name}_{condition}_{level}" for name in names for condition in FORAMINA for level in Level]
    return table_of(ids, out)[np.isfinite(out).all(axis=1)]


def show(result: dict[str, Any]) -> None:
    """Print the tables for people."""
    columns = ("points", "located", "within_8mm", "within_5mm", "median_mm", "level_right", "side_right")
    rows = [(name, *(result[name][column] for column in columns)) for name in ("bundled", "fitted")]
    table(f"foramina of {result['studies']} studies", ["selector", *columns], rows)
    names = ("loss", "auc_severe", "auc_moderate", "kappa", "rows")
    order = sorted(result["foraminal"].items(), key=lambda item: item[1]["loss"])
    table(
        "foraminal grades, by models that have not seen the study (lower loss is better)",
        ["predictions", *names, "95 % interval"],
        [
            (name, *(one[column] for column in names), "{:.3f} to {:.3f}".format(*one["interval"]))
            for name, one in order
        ],
    )
    say(f"seconds: {result['seconds']}")


if __name__ == "__main__":
    sys.exit(run_program(RealForamina, "real_foramina.py"))
