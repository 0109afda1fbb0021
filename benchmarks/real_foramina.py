"""Points and grades on real sagittal T1 slices whose foramina readers have marked and graded.

    python benchmarks/real_foramina.py --data COHORT --work DIR --reference MEMBERS

COHORT is a folder in the competition's layout with train.csv, train_label_coordinates.csv and folds.csv. Everything
that is fitted is cross-fitted on the given folds. MEMBERS is a folder of other people's out-of-fold tables, which are
scored on the same rows.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import foraminal_sheets
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from foraminal_grades import blended, grades_summary, paired_difference, prior, probe
from foraminal_points import embeddings_in, flat, locate_bundled, located_in, patches_of, points_summary

from lsdc.cohort.discovery.studies import discover
from lsdc.cohort.folds import read_folds
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.features.extraction import extract
from lsdc.features.shard_manifest import entry_of, write_shards
from lsdc.features.store import FeatureStore
from lsdc.features.store_settings import Settings
from lsdc.features.store_shards import SHARDS
from lsdc.metrics.prediction_tables import read_predictions
from lsdc.models.options import Effort, Options
from lsdc.runtime.artifact import MANIFEST, atomic, file_hash, read_json, write_json
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import existing, say, table
from lsdc.runtime.engine import fan_out
from lsdc.runtime.errors import LsdcError
from lsdc.runtime.file_list import file_entry, list_files

CURVE = (50, 100, 200, 400)
"""Numbers of studies of the learning curve."""


@dataclass(frozen=True)
class RealForamina:
    """Judge points and grades on real foramina."""

    data: Path
    """a cohort in the competition's layout, with folds.csv"""
    work: Path = Path("runs/real_foramina")
    """folder for the store and the models; what is finished there is not done again"""
    reference: Path | None = None
    """folder of other people's out-of-fold tables for the same studies"""
    members: str = "auto"
    """members to fit, separated by commas; auto is what `fit` takes by itself"""
    effort: Effort = "standard"
    """how long deep members train"""
    studies: int | None = None
    """only the first so many studies"""
    curve: bool = False
    """fit on 50, 100, 200 and 400 studies too"""
    sheets: bool = False
    """draw the 60 worst points and 60 random ones into WORK/sheets; look at every one"""
    workers: int | None = None
    """processes; one per core by default"""
    seconds: dict[str, float] = field(default_factory=dict)
    """not a flag to set: how long each stage took"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Locate, extract, fit, and measure."""
        data = lay_out(self.data, self.studies, self.work / "cohort")
        cohort = discover(data)
        assert cohort.coordinates is not None and cohort.labels is not None
        sources = [source for source in cohort.studies if source.study_id in set(cohort.labels.index)]
        by_study = dict(iter(cohort.coordinates.groupby("study_id")))
        tasks = [(source, by_study[source.study_id]) for source in sources if source.study_id in by_study]
        with self._stage("bundled selector"):
            bundled = {
                name: found for _, (name, found) in fan_out(locate_bundled, tasks, "bundled", self.workers)
            }
        marks = {mark.study_id: mark for mark, _, _ in bundled.values()}
        with self._stage("extract"):
            settings = Settings(folds=data / "folds.csv")
            store = FeatureStore.open(
                extract(data, self.work / "store", settings, workers=self.workers).store
            )
        fitted = located_in(store)
        result: dict[str, Any] = {
            "studies": len(marks),
            "bundled": points_summary(marks, {name: found for name, (_, found, _) in bundled.items()}),
            "fitted": points_summary(marks, fitted),
        }
        if self.sheets:
            places = {name: mark.patient for name, mark in marks.items()}
            foraminal_sheets.draw(sources, places, fitted, self.work / "sheets")
        labels = cohort.labels.loc[sorted(set(store.rows["study_id"]) & set(cohort.labels.index))]
        folds = dict(zip(labels.index, read_folds(data / "folds.csv", labels.index.tolist())))
        with self._stage("fit"):
            tables = self._fitted(store, labels.index.tolist())
        with self._stage("probes"):
            seen = {name: flat(at) for name, (_, _, at) in bundled.items()}
            tables["pixels at annotated points"] = probe(labels, folds, seen)
            seen = patches_of(sources, fitted, self.workers)
            tables["pixels at our points"] = probe(labels, folds, seen)
            tables["embeddings at our points"] = probe(labels, folds, embeddings_in(store))
        tables["prior"] = prior(labels, folds)
        if self.reference is not None:
            with self._stage("beside the reference"):
                result["beside_reference"] = self._beside(labels, data, tables)
        result["foraminal"] = {name: grades_summary(labels, one) for name, one in tables.items()}
        if self.curve:
            with self._stage("curve"):
                result["curve"] = self._curve(store, labels)
        result["seconds"] = {name: round(value, 1) for name, value in self.seconds.items()}
        show(result)
        return result

    def _fitted(self, store: FeatureStore, studies: list[str]) -> dict[str, pd.DataFrame]:
        """Nested predictions of the stack, and out-of-fold ones of its members, by the ids of the studies."""
        members, options = self.members.split(","), Options(effort=self.effort)
        fit(store.path, self.work / "model", members, options=options)
        model = Model.open(self.work / "model")
        rows = model.out_of_fold_of(studies)
        tables = {name: rows[rows["member"] == name] for name in model.members}
        return {"stack": nested_of(model, studies)} | tables

    def _beside(self, labels: pd.DataFrame, data: Path, tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
        """Add the reference's tables and stacks with and without ours; return their paired differences."""
        assert self.reference is not None
        theirs = {
            path.stem: read_predictions(path) for path in sorted(self.reference.glob("sagittal_t1*.csv"))
        }
        ours = {name: tables[name] for name in Model.open(self.work / "model").members}
        files = data / "train.csv", data / "folds.csv"
        tables |= theirs
        tables["reference stack"] = blended(*files, theirs, self.work / "blend_reference")
        tables["reference and ours"] = blended(*files, theirs | ours, self.work / "blend_both")
        return {
            "both minus reference": paired_difference(
                labels, tables["reference and ours"], tables["reference stack"]
            ),
            "ours minus reference": paired_difference(labels, tables["stack"], tables["reference stack"]),
        }

    def _curve(self, store: FeatureStore, labels: pd.DataFrame) -> dict[str, Any]:
        """Foraminal loss of the stack fitted on the first studies alone, nested among these.

        The points are still those of selectors that learned from all studies outside the fold.
        """
        found = {}
        for n in CURVE:
            if n < len(labels):
                out = self.work / f"model_{n}"
                part = limited(store, set(labels.index[:n]), self.work / f"store_{n}")
                fit(part, out, self.members.split(","), options=Options(effort=self.effort))
                nested = nested_of(Model.open(out), labels.index[:n].tolist())
                found[str(n)] = grades_summary(labels.iloc[:n], nested)
        return found

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - begun


def nested_of(model: Model, studies: list[str]) -> pd.DataFrame:
    """Nested predictions by the ids of the studies, which a model names by pseudonyms."""
    found = model.pseudonyms.restored(model.nested, studies)
    if not len(found):
        raise LsdcError(f"{model.path}: was not fitted on these studies; remove it")
    return found


def lay_out(data: Path, studies: int | None, out: Path) -> Path:
    """Lay out the first studies of a cohort with links to their pictures, and the labels of foramina alone.

    Only their view is there: members would learn nothing of the other conditions but how often each grade is.
    """
    folds = existing(data / "folds.csv", "table of folds (study_id, fold)")
    chosen = pd.read_csv(folds, dtype={"study_id": str})["study_id"].iloc[:studies]
    (out / "train_images").mkdir(parents=True, exist_ok=True)
    for study in chosen:
        link = out / "train_images" / study
        if not link.is_symlink():
            link.symlink_to((data / "train_images" / study).resolve())
    for link in (out / "train_images").iterdir():
        if link.name not in set(chosen):
            link.unlink()
    for path in data.glob("*.csv"):
        rows = pd.read_csv(path, dtype={"study_id": str})
        if "study_id" not in rows:
            continue
        if path.name == "train.csv":
            others = [str(name) for name in rows if name != "study_id" and "foraminal" not in str(name)]
            rows[others] = None
        rows[rows["study_id"].isin(chosen)].to_csv(out / path.name, index=False)
    return out


def limited(store: FeatureStore, studies: set[str], out: Path) -> Path:
    """Write a store in which only some studies have labels and folds; its arrays are links to those of the other."""
    if not out.is_dir():
        with atomic(out) as copy:
            shutil.copytree(
                store.path, copy, ignore=shutil.ignore_patterns("*.npy", "work"), dirs_exist_ok=True
            )
            for array in store.path.rglob("*.npy"):
                (copy / array.relative_to(store.path)).symlink_to(array.resolve())
            shards = []
            for part in store.parts.all:
                folder = part.path.relative_to(store.path)
                digest = _keep_labels(copy / folder, studies)
                shards.append(entry_of(part, str(folder)) | {"rows_sha256": digest})
            if SHARDS in store.manifest:
                own = list_files(copy, without=(SHARDS,))
                write_shards(copy, store.manifest, shards, store.manifest["arrays"], own)
    return out


def _keep_labels(folder: Path, studies: set[str]) -> str:
    """Take labels and folds from the other studies of a part of a store; return the digest of its rows."""
    path = folder / "rows.parquet"
    rows = pq.read_table(path)
    kept = pc.is_in(rows["study_id"], pa.array(sorted(studies)))
    for name in ("grade", "fold"):
        column = rows.schema.get_field_index(name)
        values = pc.if_else(kept, rows[name], pa.scalar(-1, rows[name].type))
        rows = rows.set_column(column, rows.schema.field(column), values)
    pq.write_table(rows, path)
    manifest, digest = read_json(folder / MANIFEST), file_hash(path)
    files = manifest["files"] | {path.name: file_entry(path)}
    write_json(folder / MANIFEST, manifest | {"rows_sha256": digest, "files": files})
    return digest


def show(result: dict[str, Any]) -> None:
    """Print the tables for people."""
    columns = (
        "points",
        "located",
        "within_8mm",
        "within_5mm",
        "median_mm",
        "level_right",
        "side_right",
        "exact_slice",
    )
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
    for name, one in result.get("beside_reference", {}).items():
        say("{}: {:+.4f} ({:+.4f} to {:+.4f})".format(name, one["difference"], *one["interval"]))
    for studies, one in result.get("curve", {}).items():
        say("{} studies: loss {:.3f} ({:.3f} to {:.3f})".format(studies, one["loss"], *one["interval"]))
    say(f"seconds: {result['seconds']}")


if __name__ == "__main__":
    sys.exit(run_program(RealForamina, "real_foramina.py"))
