"""From a folder of DICOM files to a report: find, locate, grade, and write pages that a person opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lsdc.cohort.discovery.studies import data_place, discover
from lsdc.cohort.discovery.study_ids import NamedBy
from lsdc.cohort.vocabulary import TARGETS
from lsdc.ensemble.about import About
from lsdc.ensemble.bundled.place import NAME
from lsdc.ensemble.grading import Graded, grade_store
from lsdc.ensemble.model import Model
from lsdc.ensemble.thresholds import Thresholds
from lsdc.ensemble.weighting import Weighting, check_weighting, reweighted
from lsdc.features.extraction import extract
from lsdc.features.series_table import simulated_studies, with_numbers
from lsdc.features.sight import Refusal, Sight
from lsdc.features.store import FeatureStore
from lsdc.features.study_failures import UNREAD
from lsdc.report.grades_table import GRADES_TABLE, rows_of_study, write_grades
from lsdc.report.pages.index_page import IndexEntry, write_index_page
from lsdc.report.pages.sentences import SIMULATED_PATIENT
from lsdc.report.study_outputs import StudyOutputs, graded_study, unread_study, write_outputs
from lsdc.runtime.artifact import atomic, claim
from lsdc.runtime.claims import OtherClaimError
from lsdc.runtime.console import say, warn
from lsdc.runtime.engine import Failure, attempt_each, attempt_here, check_workers
from lsdc.runtime.errors import ArtifactError, ConfigError, Problem
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.output_faults import OutputError
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote_errors import RemoteError
from lsdc.runtime.whole_files import check_output_folder

if TYPE_CHECKING:
    from lsdc.cohort.discovery.sources import Cohort

INDEX, STUDIES, FEATURES = "index.html", "studies", "features"
"""What a report holds besides the table: the list of studies, the folder of their pages, the feature store."""
OUT_OF_FOLD = (
    "the model was fitted on this study too; its grades are of members and of a stack that had not seen it (out of "
    "fold)"
)
"""What is said of a study that the model knows."""
_SECONDS, _FEW = 600.0, 2
_FATAL = OutputError, RemoteError
"""What ends the run: a disk that takes nothing more, a server that cannot be reached."""


@dataclass(frozen=True)
class GradedFolder:
    """What `grade` wrote.

    Parameters
    ----------
    index : Path
        The page to open; it links to a page for each study.
    grades : Path
        CSV with a row for each study and target: grade in words, probabilities, status, reason, place.
    studies, rows : int
        Number of studies and of targets.
    status : dict of str to int
        Number of targets that are `seen`, `unsure` and `not seen`.
    summary : tuple of str
        What was not seen, what is unsure and which series were passed over, in how many studies, and why.
    problems : Path or None
        CSV of what was left out, with reason and remedy; None where there was nothing.
    statement : tuple of str
        What is to be said of the model wherever its grades are shown.
    dicom, pdfs : tuple of Path
        DICOM objects and PDF files, where asked for.
    """

    index: Path
    grades: Path
    studies: int
    rows: int
    status: dict[str, int]
    summary: tuple[str, ...]
    problems: Path | None
    statement: tuple[str, ...]
    dicom: tuple[Path, ...] = ()
    pdfs: tuple[Path, ...] = ()


def grade(
    data: PathLike,
    out: PathLike,
    *,
    model: PathLike = NAME,
    weighting: Weighting = "none",
    refuse: Refusal = "none",
    study_id: NamedBy | None = None,
    dicom_sr: PathLike | None = None,
    pdf: bool = False,
    device: str = "auto",
    workers: int | None = None,
) -> GradedFolder:
    """Grade all studies of a folder, and write a report: a table, a list, and a page for each study.

    The same call resumes where it stopped. Pages hold the images, and no name of a patient.

    Parameters
    ----------
    data : path
        Any tree of DICOM files, a ZIP archive of one, or a folder in the competition's layout; or a URL of one,
        from which a study is fetched when it is read, and again when its page is written.
    out : path
        Folder of the report: new, empty, or begun by a call with the same model and choices. It also keeps the feature
        store. A later call may ask for more files.
    model : path, default `bundled`
        A model that `fit` made, or a file that `pack` made of it. The default is the model that is shipped; its card
        says what it is worth.
    weighting : `none` or `competition`
        What the probabilities are: of the grades themselves, or for the competition's score.
    refuse : `none`, `not-seen` or `unsure`
        Targets that get no grade: none more than those that were not seen, or also those whose place is unsure.
    study_id : `uid`, `folder` or `hash`, optional
        How studies outside of the competition's layout are named in all that is written; see `extract`.
    dicom_sr : path, optional
        Folder for a DICOM structured report of each study, and its points as a presentation state.
    pdf : bool, default False
        Write a PDF of one page for each study beside its page.
    device : str
        Where networks run: `auto` (the fastest that is there), `cpu`, `cuda`, `cuda:1` or `mps`.
    workers : int, optional
        Processes that read studies and write pages; by default one per core.

    Returns
    -------
    GradedFolder
        The files, counts, and what is to be said of them.

    Raises
    ------
    ConfigError
        When there is no such weighting, refusal or device, or `workers` is below 1.
    ArtifactError
        When the model is absent or damaged, or `out` was begun with other arguments.
    LsdcError
        When `data` holds no study, or `out` cannot be a folder.

    Examples
    --------
    >>> import lsdc
    >>> report = lsdc.grade("patients", "report")  # doctest: +SKIP
    >>> report.status  # doctest: +SKIP
    {'seen': 243, 'unsure': 7, 'not seen': 25}
    """
    check_workers(workers)
    check_weighting(weighting)
    if not os.fspath(data):
        raise ConfigError("data is empty; name the folder of the studies")
    data = data_place(data)
    out = check_output_folder(out)
    sr_folder = None if dicom_sr is None else check_output_folder(dicom_sr)
    if sr_folder is not None and study_id == "hash":
        warn(
            f"{sr_folder}: structured reports belong to the patient, and hold name, id and UIDs beside the hash; "
            "keep the folder as you keep the images"
        )
    opened = Model.open(model)
    configuration = {
        "model": opened.manifest["feature_fingerprint"],
        "members": opened.manifest["members"],
        "configuration": opened.manifest.get("configuration"),
        "weighting": weighting,
        "refuse": refuse,
        "lsdc": version("lsdc-toolkit"),
    }
    cohort = discover(data, study_id=study_id)  # before the output is claimed
    claim(out, configuration, lambda: "choose another folder for the report, or delete it")
    with only_writer(out):
        like = NAME if str(model) == NAME else opened.path
        try:
            found = extract(
                data,
                out / FEATURES,
                like=like,
                study_id=study_id,
                device=device,
                workers=workers,
                cohort=cohort,
            )
        except OtherClaimError as error:
            raise ArtifactError(
                f"{out}: the studies, their files or how studies are named have changed since it was begun; choose "
                "another folder for the report, or delete it"
            ) from error
        store = FeatureStore.open(found.store)
        opened.check_store(store)
        graded = grade_store(opened, store, np.ones(len(store.rows), bool), refuse=refuse, device=device)
        about = About.of(opened, weighting)
        orders = list(_orders(cohort, store, graded, opened.thresholds, about, out, sr_folder, pdf))
        dicom, problems = _write(orders, workers)
        outlines = [graded_study(order, unread_study(order)) for order in orders]
        rows = [row for outline, order in zip(outlines, orders) for row in rows_of_study(outline, order.rows)]
        entries = [
            IndexEntry.of(outline, f"{STUDIES}/{order.page.name}") for outline, order in zip(outlines, orders)
        ]
        write_grades(out / GRADES_TABLE, rows)
        about.write(out / GRADES_TABLE, studies=len(orders), rows=len(rows), status=found.status)
        write_index_page(
            entries,
            out / INDEX,
            title="Graded studies",
            statement=about.statement,
            summary=found.summary,
        )
        problem_table = _write_problems(out, store, problems)
    for sentence in about.statement:
        say(f"  {sentence}")
    say(f"{out / INDEX}: open it in a browser; {GRADES_TABLE} beside it holds {len(rows)} rows")
    pdfs = tuple(order.pdf for order in orders if order.pdf is not None and order.pdf.is_file())
    return GradedFolder(
        out / INDEX, out / GRADES_TABLE, len(orders), len(rows), found.status, found.summary, problem_table,
        about.statement, tuple(dicom), pdfs,
    )  # fmt: skip


def _orders(
    cohort: Cohort,
    store: FeatureStore,
    graded: Graded,
    thresholds: Thresholds,
    about: About,
    out: Path,
    structured_reports: Path | None,
    pdf: bool,
) -> Iterator[StudyOutputs]:
    """Give what each study's page is made of, in the order of the store."""
    sources = {source.study_id: source for source in cohort.studies}
    assert store.series is not None  # the store has just been made
    series = with_numbers(store.series)
    cube = reweighted(graded.cube, about.weighting)
    simulated = simulated_studies(series)
    for k, study in enumerate(graded.predictions.studies):
        rows = store.rows[store.rows["study_id"] == study]
        page = out / STUDIES / f"{study}.html"
        probabilities = tuple((float(a), float(b), float(c)) for a, b, c in cube[k].reshape(-1, 3))
        worst = (thresholds.worst_not_excluded(t.condition.family, p) for t, p in zip(TARGETS, probabilities))
        yield StudyOutputs(
            source=sources[study],
            rows=rows,
            probabilities=probabilities,
            refused=tuple(map(bool, graded.refused[k].ravel())),
            worst=tuple(worst) if about.weighting == "none" else (None,) * len(TARGETS),
            series=series[series["study_id"] == study],
            unread=UNREAD if (rows["reason"] == UNREAD).all() else "",
            failure="",
            names_files=cohort.named_by != "hash",
            summary=Sight.of(rows, [study]).summary(),
            model=about.model,
            statement=(
                *([SIMULATED_PATIENT] if study in simulated else []),
                *about.statement,
                *([OUT_OF_FOLD] if study in graded.known else []),
            ),
            weighting=about.weighting,
            page=page,
            index=f"../{INDEX}",
            structured_reports=structured_reports,
            pdfs=page.parent if pdf else None,
        )


def _write(orders: list[StudyOutputs], workers: int | None) -> tuple[list[Path], list[Problem]]:
    """Write what is not written yet, in other processes; list the DICOM objects, and what could not be written.

    A study whose images cannot be shown still gets a page, with its grades and why.
    """
    records = {order.page: record for order in orders if (record := order.earlier()) is not None}
    todo = [order for order in orders if order.page not in records]
    problems: list[Problem] = []
    if len(todo) <= _FEW:
        # A process of its own would import for longer than it works; these studies were read without harm before.
        attempts = attempt_here(write_outputs, todo, "writing pages", fatal=_FATAL)
    else:
        attempts = attempt_each(
            write_outputs, todo, "writing pages", workers, seconds=lambda _: _SECONDS, fatal=_FATAL
        )
    for order, outcome in attempts:
        if isinstance(outcome, Failure):
            said = f"its images could not be shown: {outcome.reason}"
            problems.append(
                Problem(order.source.study_id, said, "run the same again; please report it if it stays")
            )
            outcome = write_outputs(replace(order, failure=said, structured_reports=None, pdfs=None))
        records[order.page] = outcome
    problems += [one for order in orders for one in records[order.page].problems]
    return [path for order in orders for path in order.dicom(records[order.page])], problems


def _write_problems(out: Path, store: FeatureStore, problems: list[Problem]) -> Path | None:
    """Join what was left out while reading with what could not be written."""
    own = pd.DataFrame([(p.path, p.reason, p.remedy) for p in problems], columns=["path", "reason", "remedy"])
    both = pd.concat([store.problems, own], ignore_index=True).fillna("")
    path = out / "problems.csv"
    path.unlink(missing_ok=True)
    if both.empty:
        return None
    with atomic(path) as temporary:
        both.to_csv(temporary, index=False)
    warn(f"{path}: {len(both)} problems, each with what to do")
    return path
