"""Make the weights of the encoder that is bundled."""

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
from lsdc.pretraining.encoder.probe_scores import GRADED_BY, probe_pictures, probe_scores
from lsdc.pretraining.encoder.random_acquisition import FRAMES, Choice
from lsdc.pretraining.encoder.real_crops import RealCrops
from lsdc.pretraining.encoder.right_answers import FAMILIES
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.encoder.training import split_patients, train_encoder
from lsdc.pretraining.picture_reading import divide_pictures
from lsdc.pretraining.real_pictures import CREDIT, PictureParts
from lsdc.runtime.artifact import claim, write_json, write_weights
from lsdc.runtime.console import say, table
from lsdc.runtime.device import pick_device
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.recipe import History
from lsdc.runtime.whole_files import check_output_file

_FLAGS = ("backbone", "start", "patients", "epochs", "steps", "batch", "seed", "crop_px")
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
        Scores of linear probes on held-out simulated patients, by weights: `trained`, and `start`, those that training
        began with; see `probe_scores`. Where real pictures were trained on, also `trained_on_pictures` and
        `start_on_pictures`, on those of held-out patients; see `probe_pictures`.
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
    pictures: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> PretrainedEncoder:
    """Train an encoder on simulated anatomy under random acquisitions, to read what the simulator knows.

    With `pictures`, crops of real discs are shown beside the simulated ones: it learns to read what readers noted of
    them and to know a crop again under other changes, and the features of both kinds are brought together.

    An interrupted call resumes when it is repeated; its work lies in a folder beside `out` until the end.

    Parameters
    ----------
    out : path
        Safetensors file to write; the card is written beside it.
    settings : EncoderSettings, optional
        The recipe; by default that of the bundled weights, except the seed and the pictures.
    pictures : path, optional
        Folder of real pictures to train on too; see `read_pictures`. By default patients are simulated only.
    device : str, default "auto"
        Where to train: `auto`, `cpu`, `cuda` or `mps`.
    workers : int, optional
        Number of processes that simulate patients, and images for a GPU; by default one per core.

    Returns
    -------
    PretrainedEncoder
        Paths and scores.

    Raises
    ------
    ArtifactError
        When the work beside `out` was begun with other settings, another process is at it, or a part of `pictures`
        is absent.
    ConfigError
        When timm has no such backbone, or there is no such device.
    """
    settings, path = settings or EncoderSettings(), check_output_file(out)
    work = path.with_name(f"{path.stem}.unfinished")
    real = None if pictures is None else divide_pictures(pictures)
    claimed = settings.recipe() | ({} if real is None else {"pictures": real.digest})
    claim(work, claimed, lambda: "delete it, or choose another file to write")
    with only_writer(work):
        patches = make_label_patches(settings.patients, settings.seed, work / "patches", workers)
        where = pick_device(device)
        encoder = Encoder.build(settings.backbone, settings.start, where, settings.seed)
        scores: dict[str, dict[str, float]] = {}
        _score(scores, "start", encoder, patches, settings, real)
        shown = None if real is None else RealCrops.of(real.train)
        history = train_encoder(
            encoder, patches, settings, work / "checkpoint.pt", real=shown, workers=workers
        )
        write_weights(path, encoder.network.state_dict(), backbone=settings.backbone)
        # What is judged is what was written, in half precision.
        trained = Encoder.build(settings.backbone, str(path), where)
        _score(scores, "trained", trained, patches, settings, real)
        card = path.with_suffix(".json")
        write_json(card, _card(path, settings, patches, scores, history, trained.digest, real))
        _show(scores)
        shutil.rmtree(work)
    return PretrainedEncoder(path, card, scores, history)


def _score(
    scores: dict[str, dict[str, float]],
    name: str,
    encoder: Encoder,
    patches: LabelPatches,
    settings: EncoderSettings,
    real: PictureParts | None,
) -> None:
    """Add the scores of an encoder on held-out simulated patients and, where there are such, on held-out pictures."""
    scores[name] = _probe(encoder, patches, settings)
    if real is not None and real.held_out.discs:
        scores[f"{name}_on_pictures"] = probe_pictures(encoder, real.held_out.discs, settings.crop_px)


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
    real: PictureParts | None,
) -> dict[str, Any]:
    flags = [f"--{name.replace('_', '-')} {getattr(settings, name)}" for name in _FLAGS]
    flags += [] if real is None else ["--pictures PICTURES"]
    trained_on = "simulated patients only" if real is None else "simulated patients and real pictures"
    card = {
        "what": f"image encoder for lumbar MR crops, trained on {trained_on}",
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
    if real is None:
        return card
    shown = {"discs": len(real.train.discs), "slices": len(real.train.slices)}
    limits = "foramina and axial crops were simulated ones only; check on your own studies before trusting it"
    return card | {"pictures": {"credit": CREDIT, **real.about(), "trained_on": shown}, "limits": limits}


def _show(scores: dict[str, dict[str, float]]) -> None:
    for title, named in (
        ("simulated patients", [name for name in scores if not name.endswith("_on_pictures")]),
        ("patients' discs on real pictures, AUC", [name for name in scores if name.endswith("_on_pictures")]),
    ):
        if named:
            columns = list(scores[named[0]])
            rows = [[name, *(scores[name][key] for key in columns)] for name in named]
            table(f"Linear probe on held-out {title}", ["weights", *columns], rows)
    say("r2 of the measurement that decides the grade: higher is better; weighted log loss: lower is better")
