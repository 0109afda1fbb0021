"""Train the encoder that is shipped: simulated anatomy under random acquisitions, to read what the simulator knows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.features.encoder import Encoder
from lsdc.phantom.painter import Painter
from lsdc.pretraining.encoder.batches import Teacher
from lsdc.pretraining.encoder.label_patches import KINDS, Patches, make_patches
from lsdc.pretraining.encoder.linear_probe import OWN, linear_probe
from lsdc.pretraining.encoder.random_acquisition import FRAMES, Choice
from lsdc.pretraining.encoder.tasks import FAMILIES, Goals, Graders, Lessons, lesson_loss
from lsdc.runtime import ConfigError
from lsdc.runtime.artefact import claim, write_json, write_weights
from lsdc.runtime.console import say, table
from lsdc.runtime.device import fast_bfloat16, pick_device
from lsdc.runtime.training import History, Recipe, train

LEAST_PATIENTS = 10
VALIDATION, TEST = 0.05, 0.15
_JUDGED = 1536
"""Pictures in the validation set."""


@dataclass(frozen=True)
class Pretrained:
    """What `pretrain` made.

    Parameters
    ----------
    weights, card : Path
        Half-precision safetensors, and its recipe and scores.
    scores : dict
        Linear probe on held-out simulated patients: `trained` and `random` weights.
    """

    weights: Path
    card: Path
    scores: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Pretraining:
    """One run of `lsdc-features pretrain`; see the fields of the command.

    Parameters
    ----------
    out : Path
        File to write; work is kept in a folder beside it until the end.
    backbone : str
        A timm model.
    patients, epochs, steps, batch, seed, crop_px : int
        The recipe: simulated patients; epochs of so many steps, each of `batch` patches seen twice.
    lessons : Lessons
        What is asked.
    painter : Painter
        How varied the acquisitions are.
    boxes : float
        Share of midline crops that show the disc's own box.
    device : str
        For the training.
    workers : int or None
        Processes that simulate.
    """

    out: Path
    backbone: str = "regnetx_002"
    patients: int = 1200
    epochs: int = 18
    steps: int = 200
    batch: int = 96
    seed: int = 0
    crop_px: int = 96
    lessons: Lessons = field(default_factory=Lessons)
    painter: Painter = field(default_factory=Painter)
    boxes: float = 0.5
    device: str = "auto"
    workers: int | None = None

    def run(self) -> Pretrained:
        """Simulate, train, score, write; goes on where an earlier run stopped."""
        if self.patients < LEAST_PATIENTS:
            raise ConfigError(f"--patients must be at least {LEAST_PATIENTS}, not {self.patients}")
        work = self.out.with_name(f"{self.out.stem}.unfinished")
        claim(work, self.recipe(), lambda: "delete it, or give another --out")
        patches = make_patches(self.patients, self.seed, work / "patches", self.workers)
        device = pick_device(self.device)
        encoder = Encoder.build(self.backbone, "random", device, self.seed)
        scores = {"random": self._probe(encoder, patches)}
        history = self.train(encoder, patches, work / "checkpoint.pt")
        self._save(encoder)
        trained = Encoder.build(self.backbone, str(self.out), device)
        scores["trained"] = self._probe(trained, patches)
        card = self.out.with_suffix(".json")
        write_json(card, self._card(patches, scores, history, trained.digest))
        _show(scores)
        shutil.rmtree(work)
        return Pretrained(self.out, card, scores)

    def recipe(self) -> dict[str, Any]:
        """What the weights depend on."""
        return {key: value for key, value in asdict(self).items() if key not in ("out", "device", "workers")}

    def _split(self, patches: Patches) -> dict[str, NDArray[np.int64]]:
        order = np.random.default_rng(self.seed).permutation(self.patients)
        a = max(2, round(self.patients * TEST))
        b = a + max(1, round(self.patients * VALIDATION))
        of = patches.rows["patient"].to_numpy()
        parts = {"test": order[:a], "validation": order[a:b], "train": order[b:]}
        return {name: np.flatnonzero(np.isin(of, part)) for name, part in parts.items()}

    def train(self, encoder: Encoder, patches: Patches, checkpoint: Path) -> History:
        """Train an encoder in place on the patches of some of the patients."""
        torch.manual_seed(self.seed)
        device, parts = encoder.device, self._split(patches)
        network = Graders(encoder).to(device, memory_format=torch.channels_last)
        goals, teacher = Goals(patches.rows, parts["train"]), self._teacher(patches)
        loss = partial(_loss, lessons=self.lessons)

        def lesson(rows: NDArray[np.int64], seed: tuple[int, ...]) -> dict[str, Tensor]:
            batch = teacher.lesson(rows, goals, self.batch, seed)
            return {name: value.to(device) for name, value in batch.items()}

        def batches(epoch: int) -> Iterator[dict[str, Tensor]]:
            for step in range(self.steps):
                yield lesson(parts["train"], (self.seed, epoch, step))

        steps = max(1, _JUDGED // (2 * self.batch))
        judged = [lesson(parts["validation"], (self.seed, 10**6, step)) for step in range(steps)]
        precision = "bfloat16" if fast_bfloat16(device) else "float32"
        return train(
            network,
            batches,
            loss,
            Recipe(self.epochs, 3e-3, weight_decay=0.03, ema=0.995, precision=precision, seed=self.seed),
            steps_per_epoch=self.steps,
            evaluate=lambda model: float(np.mean([float(loss(model, batch)) for batch in judged])),
            checkpoint=checkpoint,
            description="pretraining",
            device=device,
        )

    def _save(self, encoder: Encoder) -> None:
        write_weights(self.out, encoder.network.state_dict(), backbone=self.backbone)

    def _teacher(self, patches: Patches) -> Teacher:
        return Teacher(patches, self.crop_px, self.painter, self.boxes)

    def _probe(self, encoder: Encoder, patches: Patches) -> dict[str, float]:
        encoder.network.eval()
        test, teacher = self._split(patches)["test"], self._teacher(patches)
        embeddings, rows = [], []
        for family, (kind, frame) in zip(
            FAMILIES, (("disc", "canal"), ("foramen",) * 2, ("axial", "axial_recess"))
        ):
            part = patches.rows.iloc[test]
            part = part[(part["kind"] == KINDS.index(kind)) & (part[family] >= 0)]
            choice = Choice(
                part.index.to_numpy(), np.full(len(part), FRAMES.index(frame)), np.zeros(len(part), bool)
            )
            pictures = np.concatenate(list(teacher.pictures(choice, (self.seed, 2, len(family)))))
            embeddings.append(encoder.features(pictures))
            rows.append(part.assign(study_id=part["patient"], family=family, grade=part[family])[
                ["study_id", "family", "grade", *OWN.values()]])  # fmt: skip
        return linear_probe(np.concatenate(embeddings), pd.concat(rows, ignore_index=True))

    def _card(
        self,
        patches: Patches,
        scores: dict[str, dict[str, float]],
        history: History,
        digest: str,
    ) -> dict[str, Any]:
        named = ["backbone", "patients", "epochs", "steps", "batch", "seed", "crop_px"]
        flags = [word for name in named for word in (f"--{name.replace('_', '-')}", getattr(self, name))]
        return {
            "what": "image encoder for lumbar MR crops, trained on simulated patients only",
            "backbone": self.backbone,
            "digest": digest,
            "command": " ".join(["lsdc-features pretrain --out", self.out.name, *map(str, flags)]),
            "recipe": self.recipe(),
            "patches": {name: len(rows) for name, rows in self._split(patches).items()},
            "training_loss": [round(value, 4) for value in history.loss],
            "validation_loss": [round(value, 4) for value in history.score],
            "linear_probe_on_held_out_patients": scores,
            "limits": "simulated anatomy and contrast; check on your own studies before trusting it",
        }


def _loss(network: nn.Module, batch: dict[str, Tensor], lessons: Lessons) -> Tensor:
    return lesson_loss(network(batch["pictures"]), batch, lessons)


def _show(scores: dict[str, dict[str, float]]) -> None:
    names = list(scores["random"])
    rows = [[name, *(values[key] for key in names)] for name, values in scores.items()]
    table("Linear probe on held-out simulated patients", ["weights", *names], rows)
    say("r2 of the measurement that decides the grade: higher is better; weighted log loss: lower is better")
