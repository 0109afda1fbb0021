"""The page of a cohort: what its studies are, before anything is extracted from them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lsdc.cohort.dicom.kinds import SIMULATED
from lsdc.features.store import FeatureStore
from lsdc.report.cohort_page.annotation_sections import annotation_section
from lsdc.report.cohort_page.cohort_headers import CohortHeaders, without_root
from lsdc.report.cohort_page.label_sections import correlation_section, grade_section
from lsdc.report.cohort_page.series_facts import choices_of, series_facts
from lsdc.report.cohort_page.series_sections import acquisition_section, choice_section, view_section
from lsdc.report.pages.sentences import how_many_simulated, sentence
from lsdc.report.plots import save_plots
from lsdc.report.section_pages import titled, write_sections
from lsdc.report.sections import Section, Table, figures_of
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_file, check_output_folder

_MOST_PROBLEMS = 200


@dataclass(frozen=True)
class Overview:
    """A cohort's page.

    Parameters
    ----------
    page : Path
        The HTML file; it holds all it shows.
    studies, series, files, problems : int
        What was found.
    labeled : int
        Studies in the table of labels; 0 without one.
    plots : tuple of Path
        Plots that were written beside it.
    seconds : float
        How long it took.
    """

    page: Path
    studies: int
    series: int
    files: int
    problems: int
    labeled: int
    plots: tuple[Path, ...]
    seconds: float


def overview(
    data: PathLike,
    out: PathLike,
    *,
    store: PathLike | None = None,
    plots: PathLike | None = None,
    workers: int | None = None,
) -> Overview:
    """Write a page on a cohort: series, acquisition, grades, annotations, problems, and what was chosen.

    Headers and tables are read, never pixels. No name, date or free text of a header is on the page; problems are
    named by the paths of their files, with the folders' names as they are.

    Parameters
    ----------
    data : path
        A folder in the competition's layout, any tree of DICOM files, or a ZIP archive, with or without labels; or
        a URL of one, whose files are then fetched whole.
    out : path
        HTML file to write.
    store : path, optional
        A store that was extracted from it: the page then shows which series the extraction chose. Default: the choice
        by headers.
    plots : path, optional
        Folder for every plot as SVG and PNG. Default: none are written.
    workers : int, optional
        Processes that read headers. Default: one per core.

    Returns
    -------
    Overview
        The page, and counts.

    Raises
    ------
    DiscoveryError
        When there is no study.
    TableError
        When a table is malformed.
    ArtifactError
        When the store is damaged.
    LsdcError
        When a file cannot be written.

    Examples
    --------
    >>> overview("cohort", "overview.html").studies  # doctest: +SKIP
    60
    """
    begun = time.monotonic()
    out = check_output_file(out, [data])
    folder = None if plots is None else check_output_folder(plots)
    opened = None if store is None else FeatureStore.open(store)
    cohort = CohortHeaders.read(data, workers)
    facts = series_facts(cohort)
    sections = (
        view_section(facts, len(cohort.studies)),
        acquisition_section(facts),
        choice_section(*choices_of(facts, opened)),
        grade_section(cohort.labels),
        correlation_section(cohort.labels),
        annotation_section(cohort),
        _problem_section(cohort),
    )
    files = sum(one.files for one in cohort.studies)
    splits = Counter(one.split for one in cohort.studies)
    summary = {
        "studies": f"{len(cohort.studies)}",
        **({f"in {split}": f"{count}" for split, count in splits.items()} if len(splits) > 1 else {}),
        "series": f"{facts['series_id'].nunique()}",
        "files": f"{files}",
        "labeled studies": "none" if cohort.labels is None else f"{len(cohort.labels)}",
        "annotated points": "none" if cohort.coordinates is None else f"{len(cohort.coordinates)}",
        "problems": f"{len(cohort.problems)}",
    }
    page = write_sections(
        out,
        sections,
        title=titled("Cohort", Path(data).resolve().name),
        summary=summary,
        notices=_notices(cohort),
    )
    drawn = () if folder is None else save_plots(figures_of(sections), folder)
    labeled = 0 if cohort.labels is None else len(cohort.labels)
    seconds = time.monotonic() - begun
    say(f"{page}: {len(cohort.studies)} studies, {files} files, {len(cohort.problems)} problems")
    return Overview(
        page,
        len(cohort.studies),
        int(facts["series_id"].nunique()),
        files,
        len(cohort.problems),
        labeled,
        drawn,
        seconds,
    )


def _notices(cohort: CohortHeaders) -> list[tuple[str, str]]:
    """Say how many studies are of simulated patients, where some are."""
    made = sum(any(SIMULATED in item.traits for item in one.study.series) for one in cohort.studies)
    said = how_many_simulated(made, len(cohort.studies))
    return [("Simulated patients", sentence(said))] if said else []


def _problem_section(cohort: CohortHeaders) -> Section:
    """List what cannot be used, by path below the folder."""
    if not cohort.problems:
        return Section("problems", "Problems", lead="None: every file belongs to a study and can be opened.")
    problems = [without_root(one, cohort.root) for one in cohort.problems]
    kinds = Counter((one.reason, one.remedy) for one in problems)
    counts = Table(
        "Problems by reason", ("Reason", "What to do", ("Count", "number")),
        tuple((reason, remedy or "-", count) for (reason, remedy), count in kinds.most_common()),
    )  # fmt: skip
    shown = min(len(problems), _MOST_PROBLEMS)
    more = f"{shown} of {len(problems)}. Paths hold your folders' names; look at them before you give the page away."
    each = Table(
        "All problems", ("Path below the folder", "Reason", "What to do"),
        tuple((one.path, one.reason, one.remedy or "-") for one in problems[:_MOST_PROBLEMS]), more, folded=True,
    )  # fmt: skip
    return Section("problems", "Problems", (counts, each))
