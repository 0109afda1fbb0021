"""Studies that failed: each has rows and a record, and is tried once more when an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Sequence

from lsdc.cohort.discovery.origin import UNFETCHED_REMEDY, UnfetchedError
from lsdc.cohort.study import Study
from lsdc.features.extract_worker import ExampleTask, StudyTask, extract_study, write_example, write_study
from lsdc.features.vanished_data import VanishedError, check_present
from lsdc.runtime.console import warn
from lsdc.runtime.engine import Failure, attempt_each
from lsdc.runtime.errors import ArtifactError, Problem
from lsdc.runtime.json_files import read_json, write_json
from lsdc.runtime.output_faults import OutputError
from lsdc.runtime.remote_errors import BREAKS_OFF, RemoteError

FATAL = (OutputError, VanishedError, ArtifactError, RemoteError)
"""What ends the run: a disk that takes nothing more, a folder or a server that has gone, a selector that cannot be
read."""
_SECONDS, _SECONDS_PER_FILE = 600.0, 0.2
"""A study may take so long, and so much more for each of its files; usual ones take a few seconds."""
_MOST_TRIES = 2
UNREAD = "its study could not be extracted"
"""The reason of all rows of a study that failed."""
_REMEDY = "look at its files, or leave it out; please report it if they are sound"


def extract_studies(tasks: Sequence[StudyTask], workers: int | None) -> None:
    """Extract the studies that an earlier run left undone, and those that failed or came incompletely there once.

    A study that fails is put down with 25 rows, no image, and a problem that says why. So is one of which
    no file behind a URL is there and may be read. One of which transfers break off is put down with what came of it.

    Parameters
    ----------
    tasks : sequence of StudyTask
        All studies of the store.
    workers : int or None
        Processes; None is one per core.

    Raises
    ------
    VanishedError
        When files of a study have gone.
    OutputError
        When the results cannot be written.
    """
    todo = [task for task in tasks if not task.rows_path.is_file() or 0 < _tries(task) < _MOST_TRIES]
    attempts = attempt_each(extract_study, todo, "extracting", workers, seconds=_seconds, fatal=FATAL)
    for task, outcome in attempts:
        if task.failure_path.is_file():
            for embedding in task.work.glob("embedding_*.npy"):
                embedding.unlink()  # made while the study had no image, or others
        if isinstance(outcome, Failure):
            _put_down(task, outcome)
        elif outcome:
            _note(task, BREAKS_OFF)
        else:
            task.failure_path.unlink(missing_ok=True)
    _warn_of_failures(tasks)


def _warn_of_failures(tasks: Sequence[StudyTask]) -> None:
    """Say how many studies are not in the store as they should be."""
    reasons = [read_json(task.failure_path)["reason"] for task in tasks if task.failure_path.is_file()]
    incomplete = reasons.count(BREAKS_OFF)
    for count, words in (
        (len(reasons) - incomplete, "failed; their rows hold no image"),
        (incomplete, "lack files whose transfers broke off"),
    ):
        if count:
            warn(
                f"{count} of {len(tasks)} studies {words}, and problems.csv says why; to try them again, extract to "
                "another directory"
            )


def make_examples(tasks: Sequence[ExampleTask], workers: int | None) -> None:
    """Make the selector's examples of the studies for which there is none; a study that fails teaches nothing.

    Parameters
    ----------
    tasks : sequence of ExampleTask
        The annotated studies.
    workers : int or None
        Processes; None is one per core.

    Raises
    ------
    VanishedError
        When files of a study have gone.
    OutputError
        When an example cannot be written.
    """
    todo = [task for task in tasks if not task.out.is_file() and _tries(task) < _MOST_TRIES]
    attempts = attempt_each(write_example, todo, "reading", workers, seconds=_seconds, fatal=FATAL)
    for task, outcome in attempts:
        if isinstance(outcome, Failure):
            _note(task, _reason(outcome))
        else:
            task.failure_path.unlink(missing_ok=True)


def example_problems(tasks: Sequence[ExampleTask]) -> list[Problem]:
    """List the studies from which the selector was to learn and could not, and annotated points that are not sound.

    Parameters
    ----------
    tasks : sequence of ExampleTask
        The annotated studies.

    Returns
    -------
    list of Problem
        In the order of the tasks.
    """
    problems = []
    for task in tasks:
        if task.failure_path.is_file():
            reason = read_json(task.failure_path)["reason"]
            said = f"the slice selector does not learn from this study: {reason}"
            problems.append(Problem(task.source.study_id, said, _REMEDY))
        if task.marks_path.is_file():
            problems += [Problem(**item) for item in read_json(task.marks_path)]
    return problems


def _seconds(task: StudyTask | ExampleTask) -> float:
    """Give a study the time that one of its size may take."""
    return _SECONDS + _SECONDS_PER_FILE * task.source.n_files


def _tries(task: StudyTask | ExampleTask) -> int:
    """Count how often a study has failed."""
    return int(read_json(task.failure_path)["tries"]) if task.failure_path.is_file() else 0


def _reason(failure: Failure) -> str:
    """Say why; of a file that cannot be fetched, which one."""
    return str(failure.error) if isinstance(failure.error, UnfetchedError) else failure.reason


def _note(task: StudyTask | ExampleTask, reason: str) -> None:
    """Count a failure; of a folder that has gone, no study is to blame."""
    check_present(task.source)
    write_json(task.failure_path, {"tries": _tries(task) + 1, "reason": reason})


def _put_down(task: StudyTask, failure: Failure) -> None:
    """Write what a store holds of a study that failed, as if nothing of it could be read."""
    _note(task, _reason(failure))
    remedy = UNFETCHED_REMEDY if isinstance(failure.error, UnfetchedError) else _REMEDY
    problem = Problem(task.source.study_id, f"study failed: {_reason(failure)}", remedy)
    task.arrays.clear(task.index)
    study = Study(task.source.study_id, (), (*task.source.problems, problem))
    write_study(task, study, UNREAD)
