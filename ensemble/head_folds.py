"""Folds of the heads on several processes of this machine, where the studies are many."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lsdc.ensemble.fold_tasks import FoldTask, fit_one_fold, unfitted
from lsdc.ensemble.training_data import TrainingData
from lsdc.models.crossfit import Relabel
from lsdc.models.examples import Examples
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.member import Member
from lsdc.runtime.engine import fan_out
from lsdc.runtime.machine import default_workers, memory_share

_MANY_STUDIES = 200
_COPIES, _LIBRARIES = 3, 2**29
"""Memory of a process that fits heads: so many times that of the embeddings, and so many bytes for code."""


def workers_for(studies: int) -> int | None:
    """Tell how many processes are to share the fits on so many studies.

    Parameters
    ----------
    studies : int
        Labeled studies.

    Returns
    -------
    int or None
        1 below 200 studies, where starting processes takes as long as they save; None, one per core, from there on.

    Examples
    --------
    >>> workers_for(45)
    1
    """
    return None if studies >= _MANY_STUDIES else 1


def fit_heads(
    members: Mapping[str, Callable[[], Member]],
    data: TrainingData,
    examples: Examples,
    folder: Path,
    relabel: Relabel | None = None,
    workers: int | None = None,
) -> dict[str, float]:
    """Fit the folds of built-in heads that are not fitted yet, so that `cross_fit` finds them finished.

    A head is fitted by one thread and takes little memory, so that several can be fitted at once. Networks use all
    cores or the GPU as they are; of other people's members nothing is known.

    Parameters
    ----------
    members : mapping of str to callable
        What makes each member, by its name; those that are no built-in heads are left alone.
    data : TrainingData
        Where the other processes find what they learn from.
    examples : Examples
        The same here.
    folder : Path
        Folder of the members' folders.
    relabel : Relabel, optional
        Changes the labels that they learn from. Default: those of the store.
    workers : int, optional
        Processes. Default: one per core, and no more than the memory of the machine holds.

    Returns
    -------
    dict of str to float
        Seconds of work by member, those of all processes together.

    Raises
    ------
    ArtifactError
        When a folder holds models of other examples, of another member or of another seed.
    """
    heads = {name: make for name, make in members.items() if _is_built_in_head(make())}
    tasks = unfitted(heads, data, examples, folder, relabel)
    if workers is None:
        workers = _most_workers(examples)
    seconds = {task.folder.name: 0.0 for task in tasks}
    for task, taken in fan_out(_timed, tasks, "fitting heads", workers):
        seconds[task.folder.name] += taken
    return seconds


def _most_workers(examples: Examples) -> int:
    """Count the processes that have room for the embeddings, this one among them."""
    room = memory_share(1)
    if room is None:
        return default_workers()
    each = _COPIES * examples.embedding.nbytes + _LIBRARIES
    return max(1, min(default_workers(), room // each - 1))


def _is_built_in_head(member: Member) -> bool:
    """Tell whether a member is a head of this package, which another process can import."""
    return isinstance(member, HeadMember) and type(member).__module__.startswith("lsdc.models.")


def _timed(task: FoldTask) -> float:
    """Fit a fold, and return how many seconds that took."""
    begun = time.perf_counter()
    fit_one_fold(task)
    return time.perf_counter() - begun
