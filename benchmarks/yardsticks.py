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
from skimage.feature import hog, local_binary_pattern
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lsdc.features.encoder import Encoder
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
    score = np.zeros(len(truth))
    for train, test in GroupKFold(5).split(features, truth, groups):
        weight = "balanced" if balanced else None
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.003, class_weight=weight, max_iter=2000)
        )
        score[test] = model.fit(features[train], truth[train]).decision_function(features[test])
    return score


def resized(crops: Crops, width: int, height: int) -> NDArray[np.uint8]:
    """All crops stretched to one size, (n, height, width)."""
    return np.stack([
        np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.BILINEAR)) for crop in crops
    ])  # fmt: skip


def pixels(crops: Crops) -> NDArray:
    """16 x 8 pixels."""
    return resized(crops, 16, 8).reshape(len(crops), -1) / 255.0


def textures(crops: Crops) -> NDArray:
    """Histograms of gradients and of local binary patterns."""
    features = []
    for picture in resized(crops, 64, 32):
        patterns = local_binary_pattern(picture, 8, 1, "uniform").astype(int)
        gradients = hog(picture, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1))
        features.append(np.append(gradients, np.bincount(patterns.ravel(), minlength=10) / patterns.size))
    return np.array(features)


def mobilenet(weights: Path | None) -> Callable[[Crops], NDArray]:
    """A MobileNetV2 of timm, random or with a file's weights."""

    def embed(crops: Crops) -> NDArray:
        import timm
        from safetensors.torch import load_file
        from torch.nn import ReLU6

        torch.manual_seed(0)
        network = timm.create_model("mobilenetv2_100", num_classes=1001, pad_type="same", act_layer=ReLU6)
        if weights is not None:
            network.load_state_dict(load_file(weights))
        network.eval().reset_classifier(0)
        pictures = torch.from_numpy(resized(crops, PX, PX)).float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
        with torch.inference_mode():
            return np.concatenate([network(batch).numpy() for batch in pictures.split(128)])

    return embed


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
        return encoder.features(np.repeat(resized(crops, PX, PX)[:, None], 3, axis=1))

    return embed
