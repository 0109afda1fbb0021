"""Make the model that is shipped: simulated patients, seen through the bundled selector and encoder."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.bundled.card import ModelCard, RealFigures
from lsdc.ensemble.bundled.judging import Judges
from lsdc.ensemble.bundled.settings import GraderSettings
from lsdc.ensemble.fitting import fit
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested import record
from lsdc.ensemble.nested_report import NestedReport
from lsdc.ensemble.nested_scoring import score_nested
from lsdc.ensemble.stack_artifact import UNLISTED
from lsdc.ensemble.stacked import REPORT, Stacked
from lsdc.ensemble.stackers.transferred import Transfer, TransferredMean
from lsdc.ensemble.stacking_data import StackingData
from lsdc.features.extraction import extract
from lsdc.features.store import FeatureStore
from lsdc.models.heads.severity_axis import SeverityAxis
from lsdc.phantom.writer import simulate
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import MANIFEST, atomic, claim, list_files, write_json
from lsdc.runtime.console import existing, say
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder

_COORDINATES = "train_label_coordinates.csv"
_TRIALS = 1
"""Of the stack that `fit` tunes, which is not the one that is kept."""
_LEFT_OUT = ("optuna.journal", "config.json", "logs")
_NEVER_SAW = (
    "a grade of a real patient while it learned",
    "real canals and recesses with grades, so nothing is known of its worth there",
    "patients after surgery, children, tumors, infections and fractures",
)


@dataclass(frozen=True)
class MadeGrader:
    """What `make_grader` wrote.

    Parameters
    ----------
    model : Path
        The model directory, with its card.
    card : ModelCard
        What it says of itself.
    megabytes : float
        Size of the directory.
    """

    model: Path
    card: ModelCard
    megabytes: float


def make_grader(
    out: PathLike,
    settings: GraderSettings | None = None,
    *,
    judge: PathLike | None = None,
    work: PathLike | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> MadeGrader:
    """Fit a grader on simulated patients, seen as a stranger's studies are: by the bundled selector and encoder.

    The bundled model is made with it, after encoder or localizer have changed. It reads embeddings and levels alone,
    no headers. An interrupted call resumes when it is repeated.

    Parameters
    ----------
    out : path
        The model directory to write; a model that is there is replaced.
    settings : GraderSettings, optional
        Patients, and trust.
    judge : path, optional
        A cohort of real patients with labels, in the competition's layout. Its annotated points are not used. Its
        first studies choose trust and shift (see `lsdc.ensemble.stackers.transferred.Transfer`), the others measure;
        only these figures go into the model. Without it the card says that nothing was measured on real patients.
    work : path, optional
        Folder for cohort and stores; what is finished there is not done again. Default: a folder beside `out`, removed
        at the end.
    device : str, default "auto"
        Where the encoder runs.
    workers : int, optional
        Number of processes; by default one per core.

    Returns
    -------
    MadeGrader
        The model, and its card.

    Raises
    ------
    ArtifactError
        When `out` holds something else, or `work` was begun with other settings.
    LsdcError
        When `judge` holds no labeled study.
    """
    settings, out = settings or GraderSettings(), check_output_folder(out)
    if out.exists() and not (out / MANIFEST).is_file():
        raise ArtifactError(f"{out}: exists and is no model; choose another directory, or delete it")
    folder = out.with_name(f"{out.name}.unfinished") if work is None else Path(work)
    store = _simulated_store(folder, settings, device, workers)
    fit(store.path, folder / "model", [SeverityAxis], trials=_TRIALS, seed=settings.seed)
    model = Model.open(folder / "model")
    data = model.fitted_data
    transfers = dict.fromkeys(Family, Transfer(settings.trust))
    real: dict[Family, RealFigures] = {}
    measured_on = ""
    if judge is not None:
        judges = _judges(model, Path(judge), folder, device, workers)
        transfers, real, measured_on = _judged(judges, data, settings, transfers)
    made = folder / "made"
    report = _restacked(model, TransferredMean(transfers), data, made)
    card = _card(out.name, settings, transfers, report, real, measured_on)
    card.write(made)
    files = list_files(made, without=UNLISTED)
    write_json(made / MANIFEST, model.manifest | {"files": files})
    with atomic(out) as temporary:
        shutil.copytree(made, temporary)
        shutil.rmtree(out, ignore_errors=True)
    shutil.rmtree(made if work is not None else folder)
    for sentence in card.statement():
        say(sentence)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return MadeGrader(out, card, round(size / 1e6, 2))


def _simulated_store(
    folder: Path, settings: GraderSettings, device: str, workers: int | None
) -> FeatureStore:
    """Simulate patients, and extract them without the annotated points that they come with."""
    claim(
        folder,
        {"patients": settings.patients, "seed": settings.seed},
        lambda: "choose another folder, or delete it",
    )
    cohort = folder / "cohort"
    simulate(cohort, settings.patients, seed=settings.seed, workers=workers)
    (cohort / _COORDINATES).unlink(missing_ok=True)
    return FeatureStore.open(extract(cohort, folder / "store", device=device, workers=workers).store)


def _judges(model: Model, cohort: Path, folder: Path, device: str, workers: int | None) -> Judges:
    """Extract a real cohort without its annotated points, and predict it."""
    seen = folder / "judge"
    claim(seen, {"cohort": str(cohort.resolve())}, lambda: "choose another folder for the work, or delete it")
    for item in existing(cohort, "judging cohort").iterdir():
        link = seen / item.name
        if item.name != _COORDINATES and not link.exists():
            link.symlink_to(item.resolve(), target_is_directory=item.is_dir())
    store = extract(seen, folder / "judge_store", device=device, workers=workers).store
    return Judges.of(model, FeatureStore.open(store), device)


def _judged(
    judges: Judges, data: StackingData, settings: GraderSettings, transfers: dict[Family, Transfer]
) -> tuple[dict[Family, Transfer], dict[Family, RealFigures], str]:
    """Choose the transfers on the first labeled studies of a real cohort, and measure on the others."""
    studies = len(judges.data.grades)
    first = np.arange(studies) < min(settings.choosing, studies // 2)
    chosen = transfers | judges.where(first).transfers(TransferredMean().fit(data.predictions, data.grades))
    stacker = TransferredMean(chosen).fit(data.predictions, data.grades)
    words = "studies of real patients, located and embedded without their labels"
    if first.any():
        words += f", after trust and shift were chosen on {first.sum()} others"
    return chosen, judges.where(~first).figures(stacker), words


def _restacked(model: Model, stacker: TransferredMean, data: StackingData, out: Path) -> NestedReport:
    """Copy what prediction needs of a model, with another stack and its scores, and no path of this machine."""
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(model.path, out, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    stacker.fit(data.predictions, data.grades)
    report, nested = score_nested(partial(TransferredMean, stacker.transfers), stacker, data)
    weights = {family.value: weights for family, weights in stacker.weights_.items()}
    stacked = Stacked(out, len(data.grades), stacker.name, weights, report)
    record(stacked, stacker, data, nested)
    write_json(out / REPORT, {name: value for name, value in stacked.to_dict().items() if name != "model"})
    return report


def _card(
    name: str,
    settings: GraderSettings,
    transfers: dict[Family, Transfer],
    report: NestedReport,
    real: dict[Family, RealFigures],
    measured_on: str,
) -> ModelCard:
    """Say what the model is; its score on simulated patients is the nested one."""
    flags = " ".join(f"--{name} {value}" for name, value in asdict(settings).items())
    simulated = {part: round(value, 4) for part, value in asdict(report.nested).items()}
    return ModelCard(
        what=f"a model of the bundled encoder's embeddings, fitted on {settings.patients} simulated patients alone",
        command=f"lsdc-pretrain grader --out {name} {flags}" + (" --judge COHORT" if real else ""),
        recipe=asdict(settings)
        | {"transfers": {family.value: asdict(one) for family, one in transfers.items()}},
        simulated=simulated | {"prior": round(report.prior.total, 4)},
        real=real,
        measured_on=measured_on,
        never_saw=_NEVER_SAW,
    )
