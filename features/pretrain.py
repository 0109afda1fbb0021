"""Train the encoder that is shipped: on simulated studies, to read what the simulator measured."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn

from lsdc.features.annotated import Material, prepare, simulated
from lsdc.features.augment import Augment, middle
from lsdc.features.encoder import Encoder
from lsdc.features.graders import Goals, Graders, grading_loss
from lsdc.features.probe import linear_probe
from lsdc.runtime.artefact import atomic, read_json, write_json
from lsdc.runtime.console import say, table
from lsdc.runtime.device import pick_device
from lsdc.runtime.training import History, Recipe, train

MARGIN = 4 / 3
VALIDATION, TEST = 0.1, 0.25


@dataclass(frozen=True)
class Pretrained:
    """What `pretrain` made.

    Parameters
    ----------
    weights, card : Path
        Half-precision safetensors, and its recipe and scores.
    scores : dict
        Linear probe on held-out simulated studies: `trained` and `random` weights.
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
    studies, epochs, batch, seed, crop_px : int
        The recipe.
    device : str
        For the training.
    workers : int or None
        Processes that simulate and cut.
    cohort : Path or None
        A simulated cohort to use instead of making one.
    """

    out: Path
    backbone: str = "regnetx_002"
    studies: int = 400
    epochs: int = 12
    batch: int = 64
    seed: int = 0
    crop_px: int = 96
    device: str = "auto"
    workers: int | None = None
    cohort: Path | None = None

    def run(self) -> Pretrained:
        """Simulate, cut, train, score, write; goes on where an earlier run stopped."""
        work = self.out.with_name(f"{self.out.stem}.unfinished")
        recipe = self.recipe()
        cohort = simulated(work, recipe, self.cohort, self.studies, self.seed, self.workers)
        margin_px = round(self.crop_px * MARGIN)
        material = prepare(cohort, work / "crops", margin_px, MARGIN, self.seed, self.workers)
        parts = self._split(material)
        device = pick_device(self.device)
        encoder = Encoder.build(self.backbone, "random", device, self.seed)
        scores = {"random": self._probe(encoder, material, parts["test"])}
        history = self._train(encoder, material, parts, device, work / "checkpoint.pt")
        self._save(encoder)
        trained = Encoder.build(self.backbone, str(self.out), device)
        scores["trained"] = self._probe(trained, material, parts["test"])
        card = self.out.with_suffix(".json")
        write_json(card, self._card(material, parts, scores, history, trained.digest))
        _show(scores)
        shutil.rmtree(work)
        return Pretrained(self.out, card, scores)

    def recipe(self) -> dict[str, Any]:
        """What the weights depend on."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("out", "device", "workers")}
        made_by = None
        if self.cohort is not None and (self.cohort / "config.json").is_file():
            made_by = read_json(self.cohort / "config.json")
        return kept | {"augment": asdict(Augment()), "margin": MARGIN, "cohort": made_by}

    def _split(self, material: Material) -> dict[str, NDArray[np.int64]]:
        studies = sorted(set(material.rows["study_id"]))
        order = np.random.default_rng(self.seed).permutation(studies)
        a = max(2, round(len(order) * TEST))
        b = a + max(1, round(len(order) * VALIDATION))
        parts = {"test": order[:a], "validation": order[a:b], "train": order[b:]}
        return {name: material.where(set(map(str, part))) for name, part in parts.items()}

    def _train(
        self,
        encoder: Encoder,
        material: Material,
        parts: dict[str, NDArray[np.int64]],
        device: torch.device,
        checkpoint: Path,
    ) -> History:
        goals = Goals(material, parts["train"])
        torch.manual_seed(self.seed)
        network = Graders(encoder, len(material.names)).to(device, memory_format=torch.channels_last)
        augment = Augment()

        def batches(epoch: int) -> Iterator[dict[str, Tensor]]:
            generator = torch.Generator(device).manual_seed(self.seed * 1_000_003 + epoch)
            order = np.random.default_rng([self.seed, epoch]).permutation(parts["train"])
            for start in range(0, len(order) - self.batch + 1, self.batch):
                rows, views, pictures = _present(material, order[start : start + self.batch], device)
                axial = torch.from_numpy(views == 2).to(device)
                changed = augment(pictures, axial, self.crop_px, generator)
                yield {"pictures": changed, **goals.tensors(rows, views, device)}

        def evaluate(model: nn.Module) -> float:
            losses, counts = [], []
            chosen = parts["validation"]
            with torch.inference_mode():
                for start in range(0, len(chosen), self.batch):
                    rows, views, pictures = _present(material, chosen[start : start + self.batch], device)
                    batch = {"pictures": middle(pictures, self.crop_px), **goals.tensors(rows, views, device)}
                    losses.append(float(grading_loss(model, batch)))
                    counts.append(len(rows))
            return float(np.average(losses, weights=counts))

        history = train(
            network,
            batches,
            grading_loss,
            Recipe(epochs=self.epochs, learning_rate=2e-3, weight_decay=0.02, ema=0.99, seed=self.seed),
            steps_per_epoch=len(parts["train"]) // self.batch,
            evaluate=evaluate,
            checkpoint=checkpoint,
            description="pretraining",
            device=device,
        )
        network.eval()
        return history

    def _save(self, encoder: Encoder) -> None:
        tensors = {
            name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
            for name, value in encoder.network.state_dict().items()
        }
        with atomic(self.out) as temporary:
            temporary.write_bytes(save(tensors, {"backbone": self.backbone}))

    def _probe(self, encoder: Encoder, material: Material, test: NDArray[np.int64]) -> dict[str, float]:
        encoder.network.eval()
        start = (material.crops.shape[-1] - self.crop_px) // 2
        square = slice(start, start + self.crop_px)
        embedding = np.concatenate(
            [
                encoder.embed(np.ascontiguousarray(material.crops[rows, ..., square, square]))
                for rows in np.array_split(test, max(1, len(test) // 400))
            ]
        )
        return linear_probe(embedding, material.rows.iloc[test])

    def _card(
        self,
        material: Material,
        parts: dict[str, NDArray[np.int64]],
        scores: dict[str, dict[str, float]],
        history: History,
        digest: str,
    ) -> dict[str, Any]:
        named = [
            "backbone",
            "epochs",
            "batch",
            "seed",
            "crop_px",
            *(["studies"] if self.cohort is None else []),
        ]
        flags = [word for name in named for word in (f"--{name.replace('_', '-')}", getattr(self, name))]
        return {
            "what": "image encoder for lumbar MR crops, trained on simulated patients only",
            "backbone": self.backbone,
            "digest": digest,
            "command": " ".join(["lsdc-features pretrain --out", self.out.name, *map(str, flags)]),
            "recipe": self.recipe(),
            "measurements": list(material.names),
            "targets": {name: len(rows) for name, rows in parts.items()},
            "training_loss": [round(value, 4) for value in history.loss],
            "validation_loss": [round(value, 4) for value in history.score],
            "linear_probe_on_held_out_studies": scores,
            "limits": "simulated anatomy and contrast; check on your own studies before trusting it",
        }


def _present(
    material: Material, rows: NDArray[np.int64], device: torch.device
) -> tuple[NDArray[np.int64], NDArray[np.int64], Tensor]:
    """Row and view of every crop that is there among some rows, and the crops."""
    crops = material.crops[np.sort(rows)]
    row, view = np.nonzero(crops.any(axis=(2, 3, 4)))
    return np.sort(rows)[row], view, torch.from_numpy(crops[row, view]).to(device)


def _show(scores: dict[str, dict[str, float]]) -> None:
    names = list(scores["random"])
    rows = [[name, *(values[key] for key in names)] for name, values in scores.items()]
    table("Linear probe on held-out simulated studies", ["weights", *names], rows)
    say("r2 of the measurement that decides the grade: higher is better; weighted log loss: lower is better")


def card_of(weights: Path) -> dict[str, Any]:
    """The card that lies beside a weights file."""
    return dict(read_json(weights.with_suffix(".json")))
