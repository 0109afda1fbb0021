"""The page that lists graded studies, with links to their pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import GRADES, TARGETS, Condition, Level
from lsdc.report.graded_study import GradedStudy
from lsdc.report.pages.render import write_page
from lsdc.report.pages.sentences import how_many_simulated, statement_lines, summary_lines
from lsdc.report.pages.short_ids import short_ids, shown_id
from lsdc.report.pages.target_views import SHORT
from lsdc.runtime.paths import PathLike
from lsdc.runtime.safe_text import printable
from lsdc.slice_selector.status import DOUBTFUL

_NO_GRADE = -1


@dataclass(frozen=True, eq=False)
class IndexEntry:
    """What the list says of a study; it holds no images, so that many can be kept.

    Parameters
    ----------
    study_id : str
        The study's id.
    href : str
        Path of its page, relative to the list and as the file system has it; it is quoted for the link.
    grades : (25,) int64
        0 to 2, in the order of TARGETS; -1 where no grade is given.
    probabilities : (25, 3) float64
        Of normal/mild, moderate and severe; NaN where no grade is given.
    status : tuple of Status
        Whether each of the 25 targets was seen.
    level_doubt : float
        The largest doubt about the levels of a condition, 0 to 1; NaN where nothing tells.
    is_simulated : bool, default False
        Whether its images are of a simulated patient.
    """

    study_id: str
    href: str
    grades: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    status: tuple[Status, ...]
    level_doubt: float
    is_simulated: bool = False

    @classmethod
    def of(cls, graded: GradedStudy, href: str) -> Self:
        """Take from a graded study what the list says of it.

        Parameters
        ----------
        graded : GradedStudy
            The study; its images are not kept.
        href : str
            Path of its page, relative to the list.

        Returns
        -------
        IndexEntry
            Its row.
        """
        probabilities = np.array(
            [(np.nan,) * 3 if item.grade is None else item.probabilities for item in graded.targets], float
        )
        known = np.isfinite(probabilities).all(axis=1)
        probabilities[~known] = np.nan
        grades = np.where(known, np.argmax(np.where(known[:, None], probabilities, 0.0), axis=1), _NO_GRADE)
        doubts = [item.location.level_doubt for item in graded.targets if item.location.level_doubt >= 0]
        return cls(
            graded.study_id,
            href,
            grades,
            probabilities,
            tuple(item.location.status for item in graded.targets),
            max(doubts, default=float("nan")),
            graded.is_simulated,
        )

    def count(self, status: Status) -> int:
        """Count the targets of a status.

        Parameters
        ----------
        status : Status
            The status.

        Returns
        -------
        int
            0 to 25.
        """
        return self.status.count(status)


def write_index_page(
    studies: Sequence[IndexEntry],
    out: PathLike,
    *,
    title: str,
    statement: Sequence[str],
    summary: Sequence[str],
) -> Path:
    """Write the page that lists graded studies: sorted by any column, filtered by id, grade, condition and status.

    Parameters
    ----------
    studies : sequence of IndexEntry
        One per study, in the order in which they are listed at first.
    out : path
        HTML file to write; the links of `studies` are relative to it.
    title : str
        Title of the page.
    statement : sequence of str
        What must be said wherever grades are shown.
    summary : sequence of str
        What was not seen and what is unsure, in sentences.

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
    >>> entries = [IndexEntry.of(graded, f"{graded.study_id}.html")]  # doctest: +SKIP
    >>> write_index_page(entries, "report/index.html", title="Graded studies", statement=(), summary=())
    ... # doctest: +SKIP
    PosixPath('report/index.html')
    """
    shorts = short_ids([entry.study_id for entry in studies])
    simulated = how_many_simulated(sum(entry.is_simulated for entry in studies), len(studies))
    return write_page(
        out,
        "index.html.j2",
        title=printable(title, 120),
        statement=statement_lines([*([simulated] if simulated else []), *statement]),
        summary=summary_lines(summary),
        columns=[(condition.title, *SHORT[condition]) for condition in Condition],
        rows=[_row(entry, short) for entry, short in zip(studies, shorts)],
        counts=_counts(studies),
        doubtful=sum(entry.level_doubt >= DOUBTFUL for entry in studies),
    )


def _row(entry: IndexEntry, short: str) -> dict[str, Any]:
    """Write one study: the worst grade of each condition, and how much was seen."""
    worst = [(*_worst(entry, condition), _doubtful_places(entry, condition)) for condition in Condition]
    unsure, not_seen = entry.count(Status.UNSURE), entry.count(Status.NOT_SEEN)
    doubt = bool(entry.level_doubt >= DOUBTFUL)
    marks = (("unsure", unsure > 0), ("not-seen", not_seen > 0), ("doubt", doubt))
    return {
        "study": printable(entry.study_id, 80),
        "shown": shown_id(entry.study_id, short),
        "href": quote(entry.href),
        "worst": worst,
        "grades": " ".join(str(grade) for grade, *_ in worst),
        "seen": entry.count(Status.SEEN),
        "unsure": unsure,
        "not_seen": not_seen,
        "doubt": doubt,
        "marks": " ".join(mark for mark, applies in marks if applies),
    }


def _worst(entry: IndexEntry, condition: Condition) -> tuple[int, str, str]:
    """Find the worst grade of a condition, what it sorts by, and the levels that have it."""
    rows = [row for row, target in enumerate(TARGETS) if target.condition is condition]
    worst = max(int(entry.grades[row]) for row in rows)
    if worst == _NO_GRADE:
        return _NO_GRADE, "", ""
    chance = max(float(entry.probabilities[row][1:] @ (1, 2)) for row in rows if entry.grades[row] == worst)
    levels = [level.title for row, level in zip(rows, Level) if entry.grades[row] == worst]
    return worst, f"{worst + chance / 10:.4f}", ", ".join(levels) if worst else ""


def _doubtful_places(entry: IndexEntry, condition: Condition) -> str:
    """Say which levels of a condition are unsure or were not seen; nothing where all were seen surely."""
    rows = [row for row, target in enumerate(TARGETS) if target.condition is condition]
    found = {
        status: [level.title for row, level in zip(rows, Level) if entry.status[row] is status]
        for status in (Status.UNSURE, Status.NOT_SEEN)
    }
    return "; ".join(f"{status.value}: {', '.join(levels)}" for status, levels in found.items() if levels)


def _counts(studies: Sequence[IndexEntry]) -> list[tuple[str, list[int], int]]:
    """Count the grades of each condition: its title, how many of each grade, and all of them."""
    result = []
    for condition in Condition:
        rows = [row for row, target in enumerate(TARGETS) if target.condition is condition]
        grades = [int(grade) for entry in studies for grade in entry.grades[rows]]
        counts = [grades.count(grade) for grade in range(len(GRADES))]
        result.append((condition.title, counts, sum(counts)))
    return result
