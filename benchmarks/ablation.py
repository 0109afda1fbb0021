"""What each idea of the encoder's pretraining gives: short trainings that leave one out, judged on real discs.

    python benchmarks/ablation.py --data ../shared/real-images --work runs/ablation

The trainings are a fraction of the shipped one's length; compare them with each other only.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from yardsticks import FINDINGS, PX, probe, read_discs

from lsdc.features.encoder import Encoder
from lsdc.features.reference_encoders import resize_crops
from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.label_patches import make_label_patches
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.task_weights import TaskWeights
from lsdc.pretraining.encoder.training import train_encoder
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table
from lsdc.runtime.device import pick_device


@dataclass(frozen=True)
class Ablation:
    """Train short, leave one idea out at a time, and judge."""

    data: Path
    """folder with discs/ and gradings.csv"""
    work: Path = Path("runs/ablation")
    """folder for the patches and what is done; an interrupted run goes on"""
    patients: int = 400
    """simulated patients, shared by all trainings"""
    epochs: int = 2
    """of each training"""
    steps: int = 150
    """per epoch"""
    batch: int = 96
    """patches per step, each under two acquisitions"""
    seed: int = 0
    """of the patients and the trainings"""
    only: tuple[str, ...] = ()
    """names of the variants to run; default all"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Train and judge every variant."""
        whole = EncoderSettings(
            patients=self.patients, epochs=self.epochs, steps=self.steps, batch=self.batch, seed=self.seed
        )
        tasks = whole.tasks
        variants = {
            "all": whole,
            "no second acquisition (pairs)": replace(whole, tasks=replace(tasks, pairs=0.0)),
            "no tissue maps": replace(whole, tasks=replace(tasks, tissues=0.0)),
            "no measures": replace(whole, tasks=replace(tasks, measures=0.0)),
            "no findings": replace(whole, tasks=replace(tasks, findings=0.0)),
            "no level": replace(whole, tasks=replace(tasks, level=0.0)),
            "pairs alone": replace(whole, tasks=TaskWeights(0.0, 0.0, 0.0, 0.0, 0.0, 1.0)),
            "usual sequences, one patient's tissues": replace(whole, painter=Painter(vary=0.0, usual=True)),
            "no crops of the disc's own box": replace(whole, boxes=0.0),
        }
        if self.only:
            variants = {name: variants[name] for name in self.only}
        patches = make_label_patches(self.patients, self.seed, self.work / "patches")
        crops, rows = read_discs(self.data)
        pictures = np.repeat(resize_crops(crops, PX, PX)[:, None], 3, axis=1)
        scores: dict[str, Any] = {}
        for name, settings in variants.items():
            done = self.work / f"{name}.json"
            if not done.is_file():
                device = pick_device("auto")
                encoder = Encoder.build(settings.backbone, "random", device, settings.seed)
                train_encoder(encoder, patches, settings, self.work / f"{done.stem}.checkpoint")
                write_json(done, probe(encoder.features(pictures), rows))
            scores[name] = read_json(done)
        names = [*FINDINGS, "mean"]
        table(
            f"AUC on {len(rows)} real discs after {self.epochs * self.steps} steps",
            ["pretraining", *names, "95 % interval"],
            [
                (name, *(f"{row[part]:.3f}" for part in names), "{:.3f} to {:.3f}".format(*row["interval"]))
                for name, row in scores.items()
            ],
        )
        return scores


if __name__ == "__main__":
    sys.exit(run_program(Ablation, "ablation.py"))
