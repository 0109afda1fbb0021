"""The page of a graded study: its images, its grades, and all that stands behind them."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import GRADES, Condition, Grade, Level, View
from lsdc.ensemble.weighting import MEANING
from lsdc.report.graded_study import GradedStudy
from lsdc.report.pages.crop_views import shown_in
from lsdc.report.pages.render import write_page
from lsdc.report.pages.sentences import (
    MEANING_IN_SHORT,
    counted,
    model_in_words,
    statement_lines,
    summary_lines,
    without_files,
)
from lsdc.report.pages.series_rows import COLUMNS, series_rows
from lsdc.report.pages.shown_series import ShownSeries, choose_shown, series_names
from lsdc.report.pages.target_views import SHORT, TargetView, view_target
from lsdc.report.pages.upright_image import UprightImage
from lsdc.report.pages.viewer_data import HEADROOM, describe_series
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import printable
from lsdc.slice_selector.status import DOUBTFUL


def write_study_page(graded: GradedStudy, out: PathLike, *, home: str | None = None) -> Path:
    """Write the page of a graded study, to be opened in a browser without any other file.

    It holds all slices of the series that are graded, with sliders, located points and reference lines; the 25 grades
    with their probabilities, crops and the reader's grades where there are labels; what was missing and why; and what
    the model's card warns of. Of the patient it names the study's id and the series' ids, nothing else: names of files
    are left out, since they may hold the patient's.

    Parameters
    ----------
    graded : GradedStudy
        The study with its images.
    out : path
        HTML file to write.
    home : str, optional
        Path of the page that lists all studies, relative to this one; none by default, and then no link.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LsdcError
        When the file cannot be written.

    Examples
    --------
    >>> write_study_page(graded, "report/4003253.html", home="index.html")  # doctest: +SKIP
    PosixPath('report/4003253.html')
    """
    study, meaning = graded.located.study, MEANING[graded.weighting]
    shown, names = choose_shown(graded.located), series_names(study)
    views = [view_target(graded, row, names) for row in range(len(graded.targets))]
    return write_page(
        out,
        "study.html.j2",
        title=f"Study {printable(graded.study_id, 80)}",
        home=None if home is None else quote(home),
        model=model_in_words(graded.model),
        statement=statement_lines(line for line in graded.statement if meaning not in line),
        meaning=f"{MEANING_IN_SHORT[graded.weighting]}.",
        panes=[_pane(graded, shown, view) for view in View],
        levels=[level.title for level in Level],
        columns=[(condition.title, *SHORT[condition]) for condition in Condition],
        cells=_by_level(views),
        targets=views,
        start=_worst(views),
        agreement=_agreement(views),
        worse=_where_worse(views),
        doubt=_level_doubt(graded),
        not_seen=_by_reason(graded, Status.NOT_SEEN),
        unsure=_by_reason(graded, Status.UNSURE),
        summary=summary_lines(graded.summary, listed=True),
        series=series_rows(graded.series),
        series_columns=COLUMNS,
        problems=_problems(graded),
        across=len({item.series.frame_of_reference for item in shown if item.series.placed} - {""}) > 1,
        data={
            "headroom": HEADROOM,
            "series": describe_series(graded.located, shown),
            "targets": _points(graded, views, shown),
        },
    )


def _pane(graded: GradedStudy, shown: list[ShownSeries], view: View) -> dict[str, Any]:
    """Describe the pane of one view: its series, or why there is none."""
    options = [
        (place, f"{item.name}, {counted(len(item.series.slices), 'slice')}")
        for place, item in enumerate(shown)
        if item.view is view
    ]
    reasons = {item.location.reason for item in graded.targets if item.location.view is view} - {""}
    absent = printable("; ".join(sorted(reasons))) or "no series of this view"
    short = {View.SAGITTAL_T1: "T1", View.SAGITTAL_T2: "T2", View.AXIAL_T2: "Axial"}[view]
    return {"title": view.value, "short": short, "options": options, "absent": absent}


def _by_level(views: list[TargetView]) -> list[list[TargetView]]:
    """Order targets as the table has them: levels as rows, conditions as columns."""
    found = {view.slug: view for view in views}
    return [[found[f"{condition}_{level}"] for condition in Condition] for level in Level]


def _worst(views: list[TargetView]) -> str:
    """Choose what is shown at first: the worst grade that was seen, of these the most probable."""

    def badness(view: TargetView) -> tuple[bool, int, float]:
        grade = -1 if view.grade is None else view.grade
        return bool(view.crops), grade, view.probabilities[grade] if view.probabilities else 0.0

    return max(views, key=badness).slug


def _agreement(views: list[TargetView]) -> tuple[int, int] | None:
    """Count how many grades are the reader's, of those that have both; None without labels."""
    judged = [view.agrees for view in views if view.truth is not None]
    compared = [agrees for agrees in judged if agrees is not None]
    return (sum(compared), len(compared)) if judged else None


def _where_worse(views: list[TargetView]) -> str:
    """Tell whether worse grades are not excluded: nowhere (empty), `here` and there, or severe `everywhere`.

    What all cells of a table would say is said once; so it is where the model has no cut-offs.
    """
    if not any(view.worse for view in views):
        return ""
    severe = GRADES.index(Grade.SEVERE)
    graded = [view for view in views if view.grade is not None]
    return "everywhere" if all(severe in (view.grade, view.worse) for view in graded) else "here"


def _level_doubt(graded: GradedStudy) -> list[str]:
    """List the conditions whose levels may all be one too high or too low."""
    doubted = {
        item.target.condition.title: None for item in graded.targets if item.location.level_doubt >= DOUBTFUL
    }
    return list(doubted)


def _by_reason(graded: GradedStudy, status: Status) -> list[tuple[str, str]]:
    """Group the targets of a status by the reason for it: the reason, and the targets."""
    groups: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for item in graded.targets:
        if item.location.status is status:
            levels = groups[printable(item.location.reason)][item.target.condition.title]
            levels.append(item.target.level.title)
    return [
        (reason, "; ".join(f"{condition} {_listed(levels)}" for condition, levels in conditions.items()))
        for reason, conditions in groups.items()
    ]


def _listed(levels: list[str]) -> str:
    """List levels, or say that they are all."""
    return "at all levels" if len(levels) == len(Level) else ", ".join(levels)


def _problems(graded: GradedStudy) -> list[tuple[str, str, int]]:
    """Count problems by what was wrong and its remedy, without names of files."""
    counts = Counter((without_files(item.reason), item.remedy) for item in graded.located.study.problems)
    return [
        (printable(reason), printable(remedy), number) for (reason, remedy), number in counts.most_common()
    ]


def _points(graded: GradedStudy, views: list[TargetView], shown: list[ShownSeries]) -> list[dict[str, Any]]:
    """Say for each target where the viewer finds it: by view the series, the slice, and the place in the picture."""
    places = {item.index: place for place, item in enumerate(shown)}
    order = list(View)
    result = []
    for row, (item, view) in enumerate(zip(graded.targets, views)):
        at = {}
        for of, projection in shown_in(graded, row).items():
            if projection.series in places and np.isfinite(projection.point).all():
                one = graded.located.study.series[projection.series].slices[projection.slice]
                x, y = UprightImage.of(one, of).place(projection.point)
                at[order.index(of)] = [places[projection.series], projection.slice, round(x, 4), round(y, 4)]
        result.append(
            {
                "slug": view.slug,
                "level": view.level,
                "grade": view.grade,
                "letter": "" if view.grade is None else GRADES[view.grade][0].upper(),
                "status": view.status,
                "view": order.index(item.location.view),
                "at": at,
            }
        )
    return result
