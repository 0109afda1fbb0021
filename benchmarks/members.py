"""Every member on the same simulated cohort, on equal terms: score, agreement, time, size; and what stacking adds.

    python benchmarks/members.py --work /tmp/members                     # tiny presets, 240 training, 80 test studies
    python benchmarks/members.py --work /tmp/members --preset gpu        # where a GPU is
    python benchmarks/members.py --work /tmp/members --effort long       # four times the epochs
    python benchmarks/members.py --work /tmp/members --members mlp,crop_cnn

Members are cross-fitted in two folds of the training studies (the store's five, joined); the test studies get the mean
of both. The folder of benchmarks/pipeline.py serves as --work too, and saves making the cohort again. A run that was
stopped goes on; times are then those of the last part.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pipeline import run, write_oracle

from lsdc.ensemble.nested import stack
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stackers.prior import WeightedPrior
from lsdc.ensemble.stackers.registry import load_stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.features.encoder import Encoder
from lsdc.features.store import FeatureStore
from lsdc.metrics.measures import agreement
from lsdc.metrics.official import official_score
from lsdc.metrics.prediction_tables import grades_of, read_predictions, read_truth, to_cube
from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.examples import Examples
from lsdc.models.options import Effort, Options
from lsdc.models.registry import MEMBERS
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table
from lsdc.runtime.device import pick_device

FOLDS, TEST_SHARE = 2, 0.25
WORDS = ("official", "auc", "auc_severe", "kappa", "train s", "ms per study", "parameters")


@dataclass(frozen=True)
class MembersBenchmark:
    """Compare members on a simulated cohort."""

    work: Path
    """folder for the cohort, the store and the members"""
    studies: int = 320
    """simulated studies; a quarter are test studies"""
    seed: int = 11
    """of the cohort"""
    members: str = ",".join(MEMBERS)
    """names, separated by commas"""
    preset: Literal["auto", "tiny", "cpu", "gpu"] = "tiny"
    """of the deep members"""
    effort: Effort = "standard"
    """how long the deep members train"""
    trials: int = 60
    """Optuna trials of the stack"""
    throughput: bool = False
    """measure crops per second beside timm alone even without a GPU"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Simulate, extract, fit every member, stack."""
        cohort, store = self.work / "cohort", self.work / "store"
        how = ("--studies", self.studies, "--seed", self.seed, "--test-fraction", TEST_SHARE)
        run("lsdc-phantom", "make", cohort, *how)
        run("lsdc-features", "extract", cohort, "--out", store)
        opened = FeatureStore.open(store)
        examples = Examples.from_store(opened)
        fold = examples.rows["fold"]
        examples = replace(examples, rows=examples.rows.assign(fold=np.where(fold < 0, fold, fold % FOLDS)))
        training = examples.where(opened.rows["fold"] >= 0)
        test = examples.where(opened.rows["split"] == "test")
        studies = test.rows["study_id"].iloc[::25].tolist()
        truth = grades_of(read_truth(cohort / "test_labels.csv").loc[studies])

        options = Options(preset=self.preset, effort=self.effort)
        rows: dict[str, dict[str, Any]] = {}
        learned, found = {}, {}
        for name in self.members.split(","):
            folder = self.work / f"members_{self.preset}_{self.effort}" / name
            clock: list[float] = []
            make = partial(clocked, partial(MEMBERS[name], 0, options), clock)
            learned[name] = cross_fit(make, training, folder)
            fitted = time.perf_counter()
            found[name] = predict_folds(folder, MEMBERS[name], test)
            done = time.perf_counter()
            size = getattr(MEMBERS[name].load(folder / "fold_0"), "parameters", None)
            rows[name] = judge(truth, to_cube(found[name], studies)) | {
                "train s": sum(clock), "ms per study": 1000 * (done - fitted) / len(studies), "parameters": size
            }  # fmt: skip
            self.show(rows)
        ids = training.rows["study_id"].iloc[::25].tolist()
        seen = Predictions.from_tables(learned, ids)
        grades = training.grades.reshape(-1, 5, 5).astype(np.int8)
        folds = training.rows["fold"].to_numpy(int)[::25]
        out = self.work / f"stack_{self.preset}_{self.effort}_{len(found)}"
        stack(StackingData(seen, grades, folds), out, trials=self.trials, seed=self.seed)
        cube = load_stacker(out / "stack.json").predict(Predictions.from_tables(found, studies))
        oracle = self.work / "oracle.csv"
        write_oracle(cohort, oracle)
        rows["stack"] = judge(truth, cube)
        prior = WeightedPrior().fit(seen, grades)
        rows["weighted prior"] = judge(truth, prior.predict(Predictions.from_tables(found, studies)))
        rows["oracle"] = judge(truth, to_cube(read_predictions(oracle), studies))
        self.show(rows)
        best = min((rows[name]["official"], name) for name in found)
        say(
            f"the stack gains {best[0] - rows['stack']['official']:.4f} over the best single member, {best[1]}"
        )
        result: dict[str, Any] = {"members": rows, "best_single": best[1]}
        if self.throughput or torch.cuda.is_available():
            result["throughput"] = throughput(opened, training, options)
        return result

    def show(self, rows: dict[str, dict[str, Any]]) -> None:
        """Print the table, best first."""
        order = sorted(rows.items(), key=lambda item: item[1]["official"])
        cells = [(name, *(_word(row.get(word)) for word in WORDS)) for name, row in order]
        count = round(self.studies * TEST_SHARE)
        table(f"{count} test studies, preset {self.preset}, effort {self.effort}", ["member", *WORDS], cells)


def clocked(make: Callable[[], Any], clock: list[float]) -> Any:
    """A new member that notes how long it is fitted, predictions not counted."""
    member = make()
    fit = member.fit

    def timed(*args: Any) -> Any:
        begun = time.perf_counter()
        done = fit(*args)
        clock.append(time.perf_counter() - begun)
        return done

    member.fit = timed
    return member


def judge(truth: np.ndarray, cube: np.ndarray) -> dict[str, float]:
    """Official score and agreement on the test studies."""
    known = truth >= 0
    measures = agreement(truth[known].astype(int), cube[known])
    return {"official": official_score(truth, cube).total} | {
        k: measures[k] for k in ("auc", "auc_severe", "kappa")
    }


def throughput(
    store: FeatureStore, training: Examples, options: Options, steps: int = 20
) -> dict[str, float]:
    """Crops per second in extraction and in training of crop_cnn, and as shares of timm alone at the same batch.

    Both bare passes get a ready batch over and over; ours read, augment and copy as they do in use.
    """
    device = pick_device(options.device)
    encoder = Encoder.build("regnetx_002", "bundled", device)
    crops = np.concatenate([np.asarray(store.crops[: 25 * 8])] * max(1, steps // 4))
    rates = {"extract": _rate(lambda: encoder.embed(crops), int(crops.any(axis=(2, 3, 4)).sum()))}
    ready = crops[: 25 * 8].reshape(-1, 3, *crops.shape[-2:])[:256]
    count = max(1, int(crops.any(axis=(2, 3, 4)).sum()) // len(ready))
    fixed = torch.from_numpy(ready).float().to(device)

    def forward() -> None:
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
        ):
            for _ in range(count):
                encoder.network(fixed)
        _wait(device)

    rates["extract_bare"] = _rate(forward, count * len(ready))
    member = CropCnn(0, options)
    sizes = member.sizes.get(options.resolved().preset, member.sizes["tiny"])
    views = 3 if sizes.all_views else 1
    part = training.where(np.arange(len(training)) < 25 * sizes.batch * steps)
    n = len(part) // 25
    once = Options(preset=options.preset, epochs=1)
    rates["train"] = _rate(
        lambda: CropCnn(0, once).fit(part, part.where(np.zeros(len(part), bool))), n * 25 * views
    )
    network = member.build(sizes).to(device).networks[0].backbone  # type: ignore[union-attr]
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)
    batch = torch.rand((sizes.batch * 25 * views, 3, sizes.px, sizes.px), device=device)

    def both() -> None:
        for _ in range(n // sizes.batch):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                network(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        _wait(device)

    rates["train_bare"] = _rate(both, n // sizes.batch * len(batch))
    for what, wanted in (("extract", 0.8), ("train", 0.7)):
        share = rates[what] / rates[f"{what}_bare"]
        rates[f"{what}_share"] = share
        say(
            f"{what}: {rates[what]:.0f} crops/s, {share:.0%} of timm alone on {device} ({wanted:.0%} is wanted)"
        )
    return rates


def _rate(work: Any, crops: int) -> float:
    work()
    begun = time.perf_counter()
    work()
    return crops / (time.perf_counter() - begun)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _word(value: Any) -> str:
    if value is None or pd.isna(value):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) and value < 10 else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(run_program(MembersBenchmark, "members.py"))
