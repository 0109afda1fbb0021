"""Make the weights of the localizers that are bundled, from random weights."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lsdc.pretraining.localizer.label_maps import make_label_maps
from lsdc.pretraining.localizer.real_maps import RealMaps
from lsdc.pretraining.localizer.scoring import score_localizer, score_on_pictures
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.pretraining.localizer.training import train_localizer
from lsdc.pretraining.picture_reading import divide_pictures
from lsdc.pretraining.real_pictures import CREDIT, PictureParts
from lsdc.runtime.artifact import claim, write_json
from lsdc.runtime.console import say
from lsdc.runtime.device import pick_device
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History
from lsdc.runtime.whole_files import check_output_folder
from lsdc.slice_selector.localizer import BACKBONES, CHANNELS, Localizer
from lsdc.slice_selector.selector import SliceSelector

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
        Errors on held-out simulated patients for `sagittal` and `axial`, see `score_localizer`; and, where real
        pictures were trained on, for `pictures`, on those of held-out patients, see `score_on_pictures`.
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
    pictures: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> PretrainedLocalizer:
    """Train the networks that find disc levels on sagittal images and sides on axial ones, on simulated anatomy.

    With `pictures`, the sagittal network learns from real slices too: from the drawn discs, and from points that the
    bundled localizer is sure of on both weightings.

    An interrupted call resumes when it is repeated; its work lies in a folder beside `out` until the end.

    Parameters
    ----------
    out : path
        Folder for the weights and their card.
    settings : LocalizerSettings, optional
        The recipe; by default that of the bundled weights, except the seed and the pictures.
    pictures : path, optional
        Folder of real pictures to train on too; see `read_pictures`. By default patients are simulated only.
    device : str, default "auto"
        Where to train: `auto`, `cpu`, `cuda` or `mps`.
    workers : int, optional
        Number of processes that simulate patients, and images for a GPU; by default one per core.

    Returns
    -------
    PretrainedLocalizer
        Paths and scores.

    Raises
    ------
    ArtifactError
        When the work beside `out` was begun with other settings, another process is at it, or a part of `pictures`
        is absent.
    ConfigError
        When there is no such device.
    """
    settings, folder = settings or LocalizerSettings(), check_output_folder(out)
    work = folder.with_name(f"{folder.name}.unfinished")
    real = None if pictures is None else divide_pictures(pictures)
    claimed = settings.recipe() | ({} if real is None else {"pictures": real.digest})
    claim(work, claimed, lambda: "delete it, or choose another folder to write")
    with only_writer(work):
        where = pick_device(device)
        maps = make_label_maps(settings.patients, settings.seed, work / "label_maps", workers)
        folder.mkdir(parents=True, exist_ok=True)
        order = np.random.default_rng(settings.seed).permutation(settings.patients)
        held_out = max(1, round(_TEST * settings.patients))
        scores, histories = {}, {}
        for kind in CHANNELS:
            localizer, weights = _begun(kind, settings.start), folder / f"{kind}.safetensors"
            shown = RealMaps.of(real.train) if real is not None and kind == "sagittal" else None
            histories[kind] = train_localizer(
                localizer, maps[kind], maps[kind].rows_of(order[held_out:]), settings, where,
                work / f"{kind}.checkpoint", real=shown, workers=workers,
            )  # fmt: skip
            localizer.save(weights)
            # What is judged is what was written, in half precision.
            saved = Localizer.load(weights, kind)
            scores[kind] = score_localizer(
                saved, maps[kind], maps[kind].rows_of(order[:held_out]), settings.seed
            )
            if shown is not None and real is not None:
                scores["pictures"] = score_on_pictures(saved, real.held_out)
        card = folder / "model_card.json"
        write_json(card, _card(folder, settings, held_out, scores, real))
        shutil.rmtree(work)
    say(f"{folder}: {scores}")
    return PretrainedLocalizer(folder, card, scores, histories)


def _begun(kind: str, start: str) -> Localizer:
    """Make the localizer that training begins with."""
    if start == "random":
        return Localizer(kind)
    if start == "bundled":
        return SliceSelector.bundled().localizers[kind]
    return Localizer.load(Path(start) / f"{kind}.safetensors", kind)


def _card(
    out: Path,
    settings: LocalizerSettings,
    held_out: int,
    scores: dict[str, dict[str, float]],
    real: PictureParts | None,
) -> dict[str, Any]:
    recipe = settings.recipe()
    flags = [f"--{name} {value}" for name, value in recipe.items()]
    trained_on = "simulated patients only"
    if real is not None:
        trained_on = "simulated patients and, the sagittal one, on real mid-sagittal pictures"
        flags.append("--pictures PICTURES")
    card = {
        "what": f"heatmap networks that find lumbar disc levels; trained on {trained_on}",
        "command": " ".join([f"lsdc-pretrain localizer --out {out.name}", *flags]),
        "backbones": BACKBONES,
        "recipe": recipe,
        "patients": {"trained": settings.patients - held_out, "held_out": held_out},
        "scores": scores,
        "limits": "look at the points before trusting them; foramina and axial images are simulated ones only",
    }
    if real is None:
        return card | {"limits": "simulated anatomy; look at the points before trusting them"}
    slices = {"drawn": 0, "found": 0}
    for picture in real.train.slices:
        slices["found" if picture.mask is None else "drawn"] += 1
    return card | {"pictures": {"credit": CREDIT, **real.about(), "slices_trained_on": slices}}
