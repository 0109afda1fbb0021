"""Train the localizers that are shipped: on simulated anatomy under random acquisitions, from random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lsdc.pretraining.localizer.label_maps import Sheets, make_sheets
from lsdc.pretraining.localizer.simulated_images import look
from lsdc.runtime import ConfigError
from lsdc.runtime.artefact import claim, write_json
from lsdc.runtime.console import say
from lsdc.runtime.device import pick_device
from lsdc.runtime.training import History, Recipe
from lsdc.slice_selector.heatmap_decoding import ordered_levels, peak
from lsdc.slice_selector.localizer import BACKBONES, CHANNELS, Localizer
from lsdc.slice_selector.network import STRIDE
from lsdc.slice_selector.training_example import AXIAL_MM, AXIAL_PX, PRESENT, SAGITTAL_MM, SAGITTAL_PX

LEAST_PATIENTS = 10
_HELD_OUT = 0.1
_SURE = 0.5
"""Confidence from which a point on a picture without a lumbar spine counts as a false alarm."""


@dataclass(frozen=True)
class LocalizerPretraining:
    """One run of `lsdc-features pretrain-localizer`; see the fields of the command.

    Parameters
    ----------
    out : Path
        Folder for `sagittal.safetensors`, `axial.safetensors`, `model_card.json`; work is kept beside it.
    patients, epochs, steps, batch, seed : int
        The recipe: simulated patients; epochs of so many steps for the sagittal network, a third for the axial.
    device : str
        For the training.
    workers : int or None
        Processes that simulate.
    """

    out: Path
    patients: int = 1000
    epochs: int = 30
    steps: int = 150
    batch: int = 32
    seed: int = 0
    device: str = "auto"
    workers: int | None = None

    def run(self) -> dict[str, Any]:
        """Simulate, train, score, write; goes on where an earlier run stopped. Returns the model card."""
        if self.patients < LEAST_PATIENTS:
            raise ConfigError(f"--patients must be at least {LEAST_PATIENTS}, not {self.patients}")
        work = self.out.with_name(f"{self.out.name}.unfinished")
        recipe = {
            key: value for key, value in asdict(self).items() if key not in ("out", "device", "workers")
        }
        claim(work, recipe, lambda: "delete it, or give another --out")
        sheets = make_sheets(self.patients, self.seed, work / "sheets", self.workers)
        self.out.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(self.seed).permutation(self.patients)
        cut = max(1, round(_HELD_OUT * self.patients))
        card: dict[str, Any] = {
            "what": "heatmap networks that find lumbar disc levels; trained on simulated patients only",
            "command": f"lsdc-features pretrain-localizer --out {self.out.name} "
            + " ".join(f"--{name} {value}" for name, value in recipe.items()),
            "backbones": BACKBONES, "recipe": recipe, "patients": {"trained": self.patients - cut, "held_out": cut},
            "scores": {}, "limits": "simulated anatomy; look at the points before trusting them",
        }  # fmt: skip
        for kind in CHANNELS:
            localizer = Localizer(kind)
            self.train(localizer, sheets[kind].of(order[cut:]), work / f"{kind}.checkpoint")
            localizer.save(self.out / f"{kind}.safetensors")
            saved = Localizer.load(self.out / f"{kind}.safetensors", kind)
            card["scores"][kind] = score(saved, sheets[kind].of(order[:cut]), self.seed)
        write_json(self.out / "model_card.json", card)
        shutil.rmtree(work)
        say(f"{self.out}: {card['scores']}")
        return card

    def train(self, localizer: Localizer, sheets: Sheets, checkpoint: Path) -> History:
        """Train one network on pictures of some sheets."""
        steps = self.steps if localizer.kind == "sagittal" else max(1, self.steps // 3)

        def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
            for step in range(steps):
                rng = np.random.default_rng([self.seed, epoch, step])
                rows = rng.choice(len(sheets.labels), self.batch)
                seen = look(sheets, rows, localizer.kind, rng)
                yield seen if seen.regions.numel() else seen[:3]

        # Weights averaged along a path that does not settle carry over better to pictures of another kind (Izmailov
        # et al. 2018; Cha et al. 2021); here over its last tenth or so, because young averages follow faster.
        recipe = Recipe(self.epochs, 2e-3, schedule="constant", weight_decay=0.02, ema=0.9995, seed=self.seed)
        return localizer.learn(batches, steps, recipe, device=pick_device(self.device), checkpoint=checkpoint)


def score(localizer: Localizer, sheets: Sheets, seed: int = 0) -> dict[str, float]:
    """Errors (mm) of all points that are on painted pictures, and how often others are pointed at with confidence.

    Parameters
    ----------
    localizer : Localizer
        Sagittal or axial.
    sheets : Sheets
        Of patients it has not seen; one picture of each.
    seed : int
        Of the pictures.

    Returns
    -------
    dict of str to float
        `median_mm`, `p95_mm`, `within_8mm`; `false_alarms`: share of pictures without a lumbar spine on which
        the mean confidence of the points is above one half.
    """
    side, size = (SAGITTAL_MM, SAGITTAL_PX) if localizer.kind == "sagittal" else (AXIAL_MM, AXIAL_PX)
    errors: list[NDArray] = []
    alarms = []
    for number, rows in enumerate(
        np.array_split(np.arange(len(sheets.labels)), max(1, len(sheets.labels) // 32))
    ):
        rng = np.random.default_rng([seed, 10**6, number])
        for negatives in (0.0, 1.0):
            pictures, points, state = (
                part.numpy() for part in look(sheets, rows, localizer.kind, rng, negatives)[:3]
            )
            maps, _ = localizer.predict(pictures.astype(np.uint8))
            for picture, where, known in zip(maps, points, state):
                found = _found(picture, localizer.kind, side * STRIDE / size)
                if negatives:
                    alarms.append(found[:5, 2].mean() > _SURE)
                    continue
                away = np.hypot(*(found[:, :2] - where).T) * side / size
                errors.append(away[known == PRESENT])
    away = np.concatenate(errors)
    return {
        "median_mm": float(np.median(away)),
        "p95_mm": float(np.quantile(away, 0.95)),
        "within_8mm": float(np.mean(away < 8)),
        "false_alarms": float(np.mean(alarms)),
    }


def _found(maps: NDArray[np.float32], kind: str, mm: float) -> NDArray[np.float64]:
    if kind == "axial":
        return np.array([peak(channel) for channel in maps])
    return np.concatenate([ordered_levels(maps[:5], mm), ordered_levels(maps[5:], mm)])
