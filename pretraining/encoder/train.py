"""Make the weights of the encoder that is bundled, from simulated patients only."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.features.encoder import Encoder
from lsdc.pretraining.encoder.batches import BatchMaker
from lsdc.pretraining.encoder.label_patches import LabelPatches, make_label_patches
from lsdc.pretraining.encoder.patch_cutting import KINDS
from lsdc.pretraining.encoder.probe_scores import GRADED_BY, probe_scores
from lsdc.pretraining.encoder.random_acquisition import FRAMES, Choice
from lsdc.pretraining.encoder.right_answers import FAMILIES
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.training import split_patients, train_encoder
from lsdc.runtime.artifact import claim, write_json, write_weights
from lsdc.runtime.console import say, table
from lsdc.runtime.device import pick_device
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History

_FLAGS = ("backbone", "patients", "epochs", "steps", "batch", "seed", "crop_px")
"""Settings that the card spells as flags of the command."""
_PROBED = (("disc", "canal"), ("foramen", "foramen"), ("axial", "axial_recess"))
"""Kind of patch and frame that the probe of each family sees."""


@dataclass(frozen=True)
class PretrainedEncoder:
    """Weights that `pretrain_encoder` made, and what they are worth.

    Parameters
    ----------
    weights : Path
        Half-precision safetensors, which `Encoder.build` opens.
    card : Path
        JSON with recipe, losses and scores.
    scores : dict
        Scores of linear probes on held-out simulated patients, by weights: `trained`, and `random` for comparison; see
        `probe_scores`.
    history : History
        Loss and validation loss by epoch.
    """

    weights: Path
    card: Path
    scores: dict[str, dict[str, float]]
    history: History


def pretrain_encoder(
    out: PathLike,
    settings: EncoderSettings | None = None,
    *,
    device: str = "auto",
    workers: int | None = None,
) -> PretrainedEncoder:
    """Train an encoder on simulated anatomy under random acquisitions, to read what the simulator knows.

    An interrupted call resumes when it is repeated; its work lies in a folder beside `out` until the end.

    Parameters
    ----------
    out : path
        Safetensors file to write; the card is written beside it.
    settings : EncoderSettings, optional
        The recipe; by default that of the bundled weights, except the seed.
    device : str, default "auto"
        Where to train: `auto`, `cpu`, `cuda` or `mps`.
    workers : int, optional
        Number of processes that simulate; by default one per core.

    Returns
    -------
    PretrainedEncoder
        Paths and scores.

    Raises
    ------
    ArtifactError
        When the work beside `out` was begun with other settings.
    ConfigError
        When timm has no such backbone, or there is no such device.
    """
    settings, path = settings or EncoderSettings(), Path(out)
    work = path.with_name(f"{path.stem}.unfinished")
    claim(work, settings.recipe(), lambda: "delete it, or choose another file to write")
    patches = make_label_patches(settings.patients, settings.seed, work / "patches", workers)
    where = pick_device(device)
    encoder = Encoder.build(settings.backbone, "random", where, settings.seed)
    scores = {"random": _probe(encoder, patches, settings)}
    history = train_encoder(encoder, patches, settings, work / "checkpoint.pt")
    write_weights(path, encoder.network.state_dict(), backbone=settings.backbone)
    # What is judged is what was written, in half precision.
    trained = Encoder.build(settings.backbone, str(path), where)
    scores["trained"] = _probe(trained, patches, settings)
    card = path.with_suffix(".json")
    write_json(card, _card(path, settings, patches, scores, history, trained.digest))
    _show(scores)
    shutil.rmtree(work)
    return PretrainedEncoder(path, card, scores, history)


def _probe(encoder: Encoder, patches: LabelPatches, settings: EncoderSettings) -> dict[str, float]:
    """Score an encoder by linear probes on the patches of the test patients."""
    encoder.network.eval()
    test = patches.rows.iloc[split_patients(patches, settings)["test"]]
    maker = BatchMaker(patches, settings.crop_px, settings.painter, settings.boxes)
    embeddings, rows = [], []
    for family, (kind, frame) in zip(FAMILIES, _PROBED):
        part = test[(test["kind"] == KINDS.index(kind)) & (test[family] >= 0)]
        frames = np.full(len(part), FRAMES.index(frame))
        choice = Choice(part.index.to_numpy(), frames, np.zeros(len(part), bool))
        images = np.concatenate(list(maker.images(choice, (settings.seed, 2, len(family)))))
        embeddings.append(encoder.features(images))
        known = part.assign(study_id=part["patient"], family=family, grade=part[family])
        rows.append(known[["study_id", "family", "grade", *GRADED_BY.values()]])
    return probe_scores(np.concatenate(embeddings), pd.concat(rows, ignore_index=True))


def _card(
    out: Path,
    settings: EncoderSettings,
    patches: LabelPatches,
    scores: dict[str, dict[str, float]],
    history: History,
    digest: str,
) -> dict[str, Any]:
    flags = [f"--{name.replace('_', '-')} {getattr(settings, name)}" for name in _FLAGS]
    return {
        "what": "image encoder for lumbar MR crops, trained on simulated patients only",
        "backbone": settings.backbone,
        "digest": digest,
        "command": " ".join(["lsdc-pretrain encoder --out", out.name, *flags]),
        "recipe": settings.recipe(),
        "patches": {name: len(rows) for name, rows in split_patients(patches, settings).items()},
        "training_loss": [round(value, 4) for value in history.loss],
        "validation_loss": [round(value, 4) for value in history.score],
        "linear_probe_on_held_out_patients": scores,
        "limits": "simulated anatomy and contrast; check on your own studies before trusting it",
    }


def _show(scores: dict[str, dict[str, float]]) -> None:
    names = list(scores["random"])
    rows = [[name, *(values[key] for key in names)] for name, values in scores.items()]
    table("Linear probe on held-out simulated patients", ["weights", *names], rows)
    say("r2 of the measurement that decides the grade: higher is better; weighted log loss: lower is better")
