"""From a feature store to a fitted, stacked and scored ensemble; a killed fit resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.cohort.vocabulary import TARGETS, parse_row_id
from lsdc.ensemble.feature_hashes import feature_hashes
from lsdc.ensemble.fit_card import FIT_CARD, FitCard
from lsdc.ensemble.fold_tasks import fit_folds
from lsdc.ensemble.head_folds import fit_heads, workers_for
from lsdc.ensemble.model import Model
from lsdc.ensemble.nested import stack
from lsdc.ensemble.predictions import Predictions
from lsdc.ensemble.stack_artifact import DURATIONS, NESTED, UNLISTED, read_checked
from lsdc.ensemble.stacked import Stacked
from lsdc.ensemble.stacking_data import StackingData
from lsdc.ensemble.suspects.decisions import read_decisions
from lsdc.ensemble.suspects.learned_labels import LearnedLabels, Noise
from lsdc.ensemble.thresholds import THRESHOLDS, Thresholds
from lsdc.ensemble.training_data import TrainingData, training_rows
from lsdc.ensemble.tuning.search import check_search
from lsdc.ensemble.tuning.settings_file import with_settings
from lsdc.features.extractor import EXTRACTOR, selector_digest, write_extractor
from lsdc.features.stage_clock import StageClock
from lsdc.features.store import FeatureStore
from lsdc.metrics.prediction_tables import COLUMNS, SHAPE
from lsdc.models.crossfit import Relabel, cross_fit
from lsdc.models.default_members import AUTO, expand_auto
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.registry import MEMBERS, Factory, MemberLike, origin_of, resolve_members
from lsdc.models.search_space import Settings
from lsdc.runtime import ConfigError
from lsdc.runtime.artifact import (
    atomic,
    claim,
    fingerprint,
    list_files,
    read_json,
    take_back,
    write_json,
    write_manifest,
)
from lsdc.runtime.console import say
from lsdc.runtime.distributed import rank, wait_for_all, world
from lsdc.runtime.engine_choice import EngineName, check_engine, working_on
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder


@dataclass(frozen=True, repr=False)
class Fitted(Stacked):
    """What `fit` wrote; a notebook shows it as tables.

    Parameters
    ----------
    model : Path
        The model directory; `predict` and `Model.open` take it.
    studies : int
        Number of labeled training studies.
    chosen : str
        Name of the stacker that predicts: `tuned`, or `plain_mean` where nothing surely beats it.
    weights : dict of str to dict of str to float
        By family: the positive weights of members and stackers in the tuned mix; they sum to 1.
    report : NestedReport
        Scores on studies held out, beside the baselines.
    """


def fit(
    store: PathLike,
    out: PathLike,
    members: Sequence[MemberLike] = (AUTO,),
    *,
    trials: int = 60,
    seed: int = 0,
    options: Options | None = None,
    settings: Mapping[str, Settings] | None = None,
    noise: Noise = "none",
    decisions: PathLike | None = None,
    oof: PathLike | None = None,
    engine: EngineName = "local",
    scheduler: str | None = None,
) -> Fitted:
    """Fit members on a store's labeled training studies, stack them, and score the stack.

    Every member is cross-fitted by study over the folds of the store; the stack is tuned on these out-of-fold
    predictions, and the same procedure is scored by nested cross-validation. A killed run resumes when it is
    called again with the same arguments. Under torchrun all processes fit folds, and the first one stacks.

    Parameters
    ----------
    store : path
        A finished feature store.
    out : path
        The model directory, new or begun with the same arguments.
    members : sequence
        Names (`lightgbm`), classes named as `module:Class`, member classes, or `SklearnMember`s; see
        `lsdc.models.registry.resolve_members`. `auto`, the default, stands for those that `auto_members` chooses by
        the number of studies and the effort.
    trials : int
        Number of Optuna trials, at least 1. More take longer and rarely serve much; see the nested score.
    seed : int
        Seed of the members, of the search and of the bootstrap.
    options : Options, optional
        Choices for the deep members, such as epochs and device. Default: `Options()`.
    settings : mapping of str to mapping of str to float, optional
        Settings by member, as `tune_member` finds and `read_settings` reads them. Default: those of the members.
    noise : {"none", "drop", "soften"}
        What members do about labels that are probably wrong, as told for each fold by the other training studies
        alone: leave them out, or learn the probabilities of the true grade. The stack and all scores keep the labels
        of the store.
    decisions : path, optional
        A suspects.csv that a person filled in, see `find_suspects`; it also concerns only what members learn.
    oof : path, optional
        Folder for one CSV for each member with its out-of-fold predictions, by the ids of the studies; the model holds
        them by pseudonyms.
    engine : {"local", "dask"}
        What fits members on folds: this process, or the workers of a Dask scheduler, which must see `store` and `out`
        at the same paths; a fold of a member is a task. The stack is made here.
    scheduler : str, optional
        Address of the Dask scheduler, such as `tcp://host:8786`.

    Returns
    -------
    Fitted
        Where the model is, its weights, and its scores on studies held out.

    Raises
    ------
    ConfigError
        When `members`, `trials` or `noise` cannot be used, something that a member needs is not installed, or the
        scheduler cannot be reached.
    TableError
        When the decisions are malformed, or of rows or labels that the store does not have.
    ArtifactError
        When the store is damaged or has too few labeled studies, `out` was begun with other arguments, or another
        process is writing to it.

    Examples
    --------
    >>> fitted = fit("store", "model", ["lightgbm", "mlp"], trials=20)  # doctest: +SKIP
    >>> fitted.report.nested.total  # doctest: +SKIP
    0.504
    """
    store, out = Path(store), check_output_folder(out)
    if oof is not None:
        oof = check_output_folder(oof)  # before members are fitted
    check_search(trials, seed)
    check_engine(engine, scheduler)
    if engine != "local" and world() > 1:
        raise ConfigError("engine: under torchrun its processes fit the folds; leave the engine out")
    options = (options or Options()).resolved()
    resolve_members(expand_auto(members, 0))  # what is misspelled is said before the store is read
    opened = FeatureStore.open(store)
    training = training_rows(opened)
    n_studies = int(training.sum()) // len(TARGETS)
    factories = resolve_members(expand_auto(members, n_studies, options))
    factories = with_settings(factories, settings or {})
    origins = _check_installed(factories, seed, options)
    decided = None if decisions is None else read_decisions(decisions, opened.rows[training])
    labels = LearnedLabels(noise, decided, seed)
    configuration = {
        "store": opened.manifest["rows_sha256"],
        "members": list(factories),
        "trials": trials,
        "seed": seed,
        "options": asdict(options),
    }
    foreign = {name: origin for name, origin in origins.items() if name not in MEMBERS}
    if foreign:
        configuration["origins"] = foreign
    if settings:
        configuration["settings"] = {name: dict(chosen) for name, chosen in settings.items()}
    if not labels.changes_nothing:
        configuration["labels"] = labels.configuration()
    redo = "finish it with the same arguments, or choose a new directory for the model"
    begun = rank() == 0 and claim(out, configuration, lambda: redo)
    clock = StageClock()
    with only_writer(out) if rank() == 0 else nullcontext():
        relabel = None if labels.changes_nothing else labels
        if engine != "local":
            undo = partial(take_back, out) if begun else None
            with clock.stage("folds"), working_on(engine, scheduler, reads=[store], writes=out, unused=undo):
                makes = {name: partial(factory, seed, options) for name, factory in factories.items()}
                fit_folds(makes, TrainingData.of(opened), out / "members", relabel)
        share = engine == "local" and world() == 1 and workers_for(n_studies) != 1
        tables = _cross_fit_members(
            factories, opened, training, seed, options, relabel, out / "members", clock, share
        )
        if rank() == 0:
            if oof is not None:
                _write_oof(tables, Path(oof))
            # No id of a patient goes into a model, which may be given away.
            pseudonyms = Pseudonyms(fingerprint(configuration))
            hidden = {name: pseudonyms.hidden(table) for name, table in tables.items()}
            rows = opened.rows[training]
            data = _stacking_data(hidden, pseudonyms.hidden(rows))
            _write_training(
                out, hidden, feature_hashes(opened), pseudonyms, rows["study_id"].unique().tolist()
            )
            with clock.stage("stack"):
                stack(data, out, trials=trials, seed=seed)
            _write_durations(out / DURATIONS, clock)
            write_json(out / THRESHOLDS, Thresholds.of(read_checked(out / NESTED, ("grade",))).to_dict())
            write_json(out / FIT_CARD, FitCard.of(opened, rows, seed).to_dict())
            if not write_extractor(opened, out / EXTRACTOR, pseudonyms):
                say(f"{opened.path}: was not made by `lsdc-features extract`; the model holds no extractor")
            write_manifest(
                out,
                Model.kind,
                Model.schema,
                feature_fingerprint=opened.feature_fingerprint,
                selector_digest=selector_digest(opened),
                salt=pseudonyms.salt,
                members=list(factories),
                origins=origins,
                configuration=configuration,
                files=list_files(out, without=UNLISTED),
            )
        wait_for_all()
    return Fitted.read(out)


def _check_installed(factories: Mapping[str, Factory], seed: int, options: Options) -> dict[str, str]:
    """Refuse members that lack a package, and say where the class of each is defined."""
    origins = {}
    for name, factory in factories.items():
        member = factory(seed, options)
        member.require()
        origins[name] = origin_of(member)
    return origins


def _cross_fit_members(
    factories: Mapping[str, Factory],
    store: FeatureStore,
    training: NDArray[np.bool_],
    seed: int,
    options: Options,
    relabel: Relabel | None,
    folder: Path,
    clock: StageClock,
    share: bool,
) -> dict[str, pd.DataFrame]:
    """Fit every member on every fold, heads on several processes where asked, and collect their predictions."""
    examples = Examples.from_store(store).where(training)
    rows = store.rows[training]
    makes = {name: partial(factory, seed, options) for name, factory in factories.items()}
    taken = fit_heads(makes, TrainingData.of(store), examples, folder, relabel) if share else {}
    tables = {}
    for name, make in makes.items():
        say(f"{name}: {rows['fold'].nunique()} folds, {len(rows) // len(TARGETS)} studies")
        with clock.stage(name):
            tables[name] = cross_fit(make, examples, folder / name, relabel=relabel)
        clock.seconds[name] += taken.get(name, 0.0)
    return tables


def _stacking_data(tables: Mapping[str, pd.DataFrame], rows: pd.DataFrame) -> StackingData:
    """Align the out-of-fold predictions with grades and folds of the training rows."""
    studies = [parse_row_id(row_id)[0] for row_id in rows["row_id"].iloc[:: len(TARGETS)]]
    folds = rows["fold"].to_numpy(int)[:: len(TARGETS)]
    grades = rows["grade"].to_numpy(np.int8).reshape(-1, *SHAPE)
    return StackingData(Predictions.from_tables(tables, studies), grades, folds)


def _write_oof(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write the out-of-fold predictions of each member as a CSV, for other programs and for `blend`."""
    for name, table in tables.items():
        with atomic(folder / f"{name}.csv") as temporary:
            table[["row_id", *COLUMNS, "fold"]].to_csv(temporary, index=False)
    say(f"{folder}: out-of-fold predictions of {len(tables)} members")


def _write_durations(path: Path, clock: StageClock) -> None:
    """Note the seconds of members and stack; of a run that resumed, the longest time that any of its parts took."""
    before = read_json(path) if path.is_file() else {}
    write_json(path, {name: max(seconds, before.get(name, 0)) for name, seconds in clock.seconds.items()})


def _write_training(
    out: Path,
    tables: Mapping[str, pd.DataFrame],
    hashes: Mapping[str, str],
    pseudonyms: Pseudonyms,
    studies: Sequence[str],
) -> None:
    """Write the out-of-fold predictions, and which studies they are of."""
    with atomic(out / "oof.parquet") as temporary:
        pd.concat([table.assign(member=name) for name, table in tables.items()]).to_parquet(
            temporary, index=False
        )
    write_json(out / "studies.json", {pseudonyms.of(study): hashes[study] for study in studies})
