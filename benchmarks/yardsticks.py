"""Yardsticks for encoders: crops of discs with gradings, a probe, and features that need no training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from lsdc.features.encoder import Encoder
from lsdc.features.linear_probe import linear_probe
from lsdc.features.reference_encoders import resize_crops
from lsdc.features.store_settings import Settings

FINDINGS = {
    "narrowing": lambda row: row["narrowing"] > 0,
    "bulging": lambda row: row["bulging"] > 0,
    "herniation": lambda row: row["herniation"] > 0,
    "pfirrmann": lambda row: row["pfirrmann"] >= 4,
    "modic": lambda row: row["modic"] > 0,
}
PX = 96
Crops = list[NDArray[np.uint8]]


def read_gradings(data: Path) -> pd.DataFrame:
    """One row per disc; `ivd_label` 1 is the lowest."""
    gradings = pd.read_csv(data / "gradings.csv")
    return gradings.assign(patient=gradings["patient"].astype(str))


def read_discs(data: Path) -> tuple[Crops, pd.DataFrame]:
    """Crops of discs, and their gradings, where the number per patient and view agrees."""
    gradings = read_gradings(data)
    found: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in (data / "discs").glob("*.png"):
        patient, rest = path.stem.split("_", 1)
        view, number = rest.rsplit("_disc_", 1)
        found.setdefault((patient, view), []).append((int(number), path))
    crops, rows = [], []
    for (patient, _), paths in sorted(found.items()):
        graded = gradings[gradings["patient"] == patient].sort_values("disc_from_top")
        if len(graded) != len(paths):
            continue
        for (_, path), (_, row) in zip(sorted(paths), graded.iterrows()):
            crops.append(np.asarray(Image.open(path).convert("L")))
            rows.append(row)
    return crops, pd.DataFrame(rows).reset_index(drop=True)


def probe(features: NDArray, rows: pd.DataFrame) -> dict[str, Any]:
    """AUC per finding of a logistic probe, cross-fitted by patient, their mean, and its 95 % interval by patients."""
    groups = rows["patient"].to_numpy()
    scores = {}
    for name, rule in FINDINGS.items():
        truth = rule(rows).to_numpy()
        scores[name] = (truth, cross_fitted(features, truth, groups, balanced=True))
    result: dict[str, Any] = {name: roc_auc_score(*pair) for name, pair in scores.items()}
    result["mean"] = float(np.mean(list(result.values())))
    rng, patients = np.random.default_rng(0), np.unique(groups)
    members = {patient: np.flatnonzero(groups == patient) for patient in patients}
    means = []
    for _ in range(200):
        drawn = np.concatenate([members[patient] for patient in rng.choice(patients, len(patients))])
        parts = [(truth[drawn], score[drawn]) for truth, score in scores.values()]
        if all(truth.any() and not truth.all() for truth, _ in parts):
            means.append(np.mean([roc_auc_score(*part) for part in parts]))
    result["interval"] = np.quantile(means, [0.025, 0.975]).tolist()
    return result


def cross_fitted(features: NDArray, truth: NDArray, groups: NDArray, balanced: bool) -> NDArray:
    """Decision function of a logistic probe for patients whom it was not fitted on."""
    return linear_probe(features, truth, groups, balanced=balanced).scores


def crops_per_second(weights: str, crops: int = 1024, rounds: int = 3) -> float:
    """How many crops of `PX` the toolkit's encoder embeds per second, at best."""
    encoder = Encoder.build(Settings().backbone, weights, torch.device("cpu"))
    pictures = np.random.default_rng(0).integers(0, 256, (crops, 3, PX, PX), dtype=np.uint8)
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        encoder.features(pictures)
        seconds.append(time.perf_counter() - begun)
    return crops / min(seconds)


def ours(weights: str) -> Callable[[Crops], NDArray]:
    """The toolkit's encoder."""

    def embed(crops: Crops) -> NDArray:
        encoder = Encoder.build(Settings().backbone, weights, torch.device("cpu"))
        return encoder.features(np.repeat(resize_crops(crops, PX, PX)[:, None], 3, axis=1))

    return embed
