"""Make the weights of the localizers that are bundled, from simulated patients only and from random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lsdc.pretraining.localizer.label_maps import LabelMaps, make_label_maps
from lsdc.pretraining.localizer.scoring import score_localizer
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.pretraining.localizer.simulated_images import draw_images
from lsdc.runtime.artifact import claim, write_json
from lsdc.runtime.console import say
from lsdc.runtime.device import pick_device
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History, Recipe
from lsdc.slice_selector.localizer import BACKBONES, CHANNELS, Localizer

_TEST = 0.1
"""Fraction of the patients."""


@dataclass(frozen=True)
class PretrainedLocalizer:
    """Weights that `pretrain_localizer` made, and what they are worth.

    Parameters
    ----------
    path : Path
        Folder with `sagittal.safetensors`, `axial.safetensors` and the card; `Localizer.load` opens the weights.
    card : Path
        JSON with recipe and scores.
    scores : dict
        Errors on held-out simulated patients for `sagittal` and `axial`; see `score_localizer`.
    histories : dict of str to History
        Losses by epoch of both networks.
    """

    path: Path
    card: Path
    scores: dict[str, dict[str, float]]
    histories: dict[str, History]


def pretrain_localizer(
    out: PathLike,
    settings: LocalizerSettings | None = None,
    *,
    device: str = "auto",
    workers: int | None = None,
) -> PretrainedLocalizer:
    """Train the networks that find disc levels on sagittal images and sides on axial ones, on simulated anatomy.

    An interrupted call resumes when it is repeated; its work lies in a folder beside `out` until the end.

    Parameters
    ----------
    out : path
        Folder for the weights and their card.
    settings : LocalizerSettings, optional
        The recipe; by default that of the bundled weights, except the seed.
    device : str, default "auto"
        Where to train: `auto`, `cpu`, `cuda` or `mps`.
    workers : int, optional
        Number of processes that simulate; by default one per core.

    Returns
    -------
    PretrainedLocalizer
        Paths and scores.

    Raises
    ------
    ArtifactError
        When the work beside `out` was begun with other settings.
    ConfigError
        When there is no such device.
    """
    settings, folder = settings or LocalizerSettings(), Path(out)
    work = folder.with_name(f"{folder.name}.unfinished")
    claim(work, settings.recipe(), lambda: "delete it, or choose another folder to write")
    where = pick_device(device)
    maps = make_label_maps(settings.patients, settings.seed, work / "label_maps", workers)
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(settings.seed).permutation(settings.patients)
    held_out = max(1, round(_TEST * settings.patients))
    scores, histories = {}, {}
    for kind in CHANNELS:
        localizer, weights = Localizer(kind), folder / f"{kind}.safetensors"
        checkpoint = work / f"{kind}.checkpoint"
        histories[kind] = train_localizer(
            localizer, maps[kind].of(order[held_out:]), settings, where, checkpoint
        )
        localizer.save(weights)
        # What is judged is what was written, in half precision.
        saved = Localizer.load(weights, kind)
        scores[kind] = score_localizer(saved, maps[kind].of(order[:held_out]), settings.seed)
    card = folder / "model_card.json"
    write_json(card, _card(folder, settings, held_out, scores))
    shutil.rmtree(work)
    say(f"{folder}: {scores}")
    return PretrainedLocalizer(folder, card, scores, histories)


def train_localizer(
    localizer: Localizer,
    maps: LabelMaps,
    settings: LocalizerSettings,
    device: torch.device,
    checkpoint: Path | None = None,
) -> History:
    """Train one network in place on images of some label maps.

    Parameters
    ----------
    localizer : Localizer
        Sagittal or axial.
    maps : LabelMaps
        Of the training patients, of the same kind.
    settings : LocalizerSettings
        The recipe.
    device : torch.device
        Where to train.
    checkpoint : Path, optional
        File written after each epoch, from which an interrupted training resumes.

    Returns
    -------
    History
        Loss by epoch.
    """
    steps = settings.steps if localizer.kind == "sagittal" else max(1, settings.steps // 3)

    def batches(epoch: int) -> Iterator[tuple[Tensor, ...]]:
        for step in range(steps):
            rng = np.random.default_rng([settings.seed, epoch, step])
            rows = rng.choice(len(maps.labels), settings.batch)
            images = draw_images(maps, rows, localizer.kind, rng)
            yield images if images.classes.numel() else images[:3]

    # Weights averaged along a path that does not settle carry over better to images of another kind (Izmailov et al.
    # 2018; Cha et al. 2021); here over its last tenth or so, because young averages follow faster.
    recipe = Recipe(
        settings.epochs, 2e-3, schedule="constant", weight_decay=0.02, ema=0.9995, seed=settings.seed
    )
    return localizer.learn(batches, steps, recipe, device=device, checkpoint=checkpoint)


def _card(
    out: Path, settings: LocalizerSettings, held_out: int, scores: dict[str, dict[str, float]]
) -> dict[str, Any]:
    recipe = settings.recipe()
    flags = " ".join(f"--{name} {value}" for name, value in recipe.items())
    return {
        "what": "heatmap networks that find lumbar disc levels; trained on simulated patients only",
        "command": f"lsdc-pretrain localizer --out {out.name} {flags}",
        "backbones": BACKBONES,
        "recipe": recipe,
        "patients": {"trained": settings.patients - held_out, "held_out": held_out},
        "scores": scores,
        "limits": "simulated anatomy; look at the points before trusting them",
    }
