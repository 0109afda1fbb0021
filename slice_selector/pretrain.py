"""Train the localizers that are shipped: on simulated patients, from random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lsdc.runtime import ConfigError
from lsdc.runtime.artefact import write_json
from lsdc.runtime.device import pick_device
from lsdc.runtime.training import Recipe
from lsdc.slice_selector.decode import ordered_levels, peak
from lsdc.slice_selector.example import AXIAL_MM, AXIAL_PX, PRESENT, SAGITTAL_MM, SAGITTAL_PX, SelectorExample
from lsdc.slice_selector.localizer import BACKBONES, CHANNELS, Localizer
from lsdc.slice_selector.network import STRIDE

_HELD_OUT = 0.15


def pretrain_localizer(
    examples: Sequence[SelectorExample], out: Path, seed: int = 0, epochs: int = 30, device: str = "auto"
) -> dict[str, Any]:
    """Train both localizers, score them on held-out studies, and write weights with a model card.

    Parameters
    ----------
    examples : sequence of SelectorExample
        Of simulated studies; the last 15 % are held out.
    out : Path
        Folder for `sagittal.safetensors`, `axial.safetensors`, `model_card.json`; an unfinished training goes on.
    seed, epochs : int
        The recipe.
    device : str
        See `pick_device`.

    Returns
    -------
    dict
        The model card.
    """
    cut = len(examples) - max(1, round(_HELD_OUT * len(examples)))
    if cut < 2:
        raise ConfigError(f"{len(examples)} studies are too few to train and to score a localizer")
    out.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(epochs, 2e-3, weight_decay=0.02, ema=0.99, seed=seed)
    card: dict[str, Any] = {
        "what": "heatmap networks that find lumbar disc levels; trained on simulated patients only",
        "backbones": BACKBONES, "recipe": asdict(recipe), "batch": 16,
        "studies": {"trained": cut, "held_out": len(examples) - cut}, "scores": {},
    }  # fmt: skip
    for kind in CHANNELS:
        localizer = Localizer(kind)
        checkpoint = out / f"{kind}.checkpoint"
        localizer.fit(examples[:cut], recipe, device=pick_device(device), checkpoint=checkpoint)
        localizer.save(out / f"{kind}.safetensors")
        card["scores"][kind] = score(Localizer.load(out / f"{kind}.safetensors", kind), examples[cut:])
        checkpoint.unlink(missing_ok=True)
    write_json(out / "model_card.json", card)
    return card


def score(localizer: Localizer, examples: Sequence[SelectorExample]) -> dict[str, float]:
    """Median and 95th percentile of the error (mm) of all points that are on the pictures, and the share in 8 mm."""
    side, size = (SAGITTAL_MM, SAGITTAL_PX) if localizer.kind == "sagittal" else (AXIAL_MM, AXIAL_PX)
    errors = []
    for example in examples:
        pictures = getattr(example, localizer.kind)
        if not len(pictures):
            continue
        points, state = (
            getattr(example, f"{localizer.kind}_points"),
            getattr(example, f"{localizer.kind}_state"),
        )
        maps, _ = localizer.predict(pictures)
        for picture, where, known in zip(maps, points, state):
            groups = [range(5), range(5, 10)] if localizer.kind == "sagittal" else [range(2)]
            for group in groups:
                rows = list(group)
                found = ordered_levels(picture[rows], side * STRIDE / size) if len(rows) == 5 else np.array(
                    [peak(picture[k]) for k in rows])  # fmt: skip
                away = np.hypot(*(found[:, :2] - where[rows]).T) * side / size
                errors.extend(away[known[rows] == PRESENT])
    return {
        "median_mm": float(np.median(errors)),
        "p95_mm": float(np.quantile(errors, 0.95)),
        "within_8mm": float(np.mean(np.array(errors) < 8)),
    }
