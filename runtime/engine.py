"""Fan-out over processes or a cluster: results as they come; where it is asked for, a failure instead of an error.

Within `lsdc.runtime.engine_choice.working_on`, another engine than this machine's processes runs the work.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lsdc.runtime.console import track
from lsdc.runtime.engine_choice import chosen_engine
from lsdc.runtime.errors import ConfigError, LsdcError
from lsdc.runtime.machine import default_workers, memory_share
from lsdc.runtime.worker_pool import Died, Outcome, TookTooLong, WorkerPool
from lsdc.runtime.worker_process import Answer, answer_to, on_one_thread

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Failure:
    """Why an item has no result.

    Parameters
    ----------
    reason : str
        A kind of error and its place in the code, or how the process ended; no value that was worked on.
    error : Exception or None
        What the work raised; None where its process died or was ended.
    """

    reason: str
    error: Exception | None = None


def attempt_each(
    work: Callable[[T], R],
    items: Sequence[T],
    description: str,
    workers: int | None = None,
    *,
    seconds: Callable[[T], float],
    fatal: tuple[type[Exception], ...] = (),
) -> Iterator[tuple[T, R | Failure]]:
    """Apply `work` to every item in other processes; what one item does to its process is that item's failure.

    Unlike `fan_out`, this never works in this process, also with one worker: a library that crashes must not end it.
    An item on which a process died is tried once more, alone, as it may have been another's memory that was missing.

    Parameters
    ----------
    work : callable
        A module-level function (it is sent to the workers).
    items : sequence
        What to work on.
    description : str
        Words for the progress.
    workers : int, optional
        Processes. Default: one per core.
    seconds : callable
        Item to the time that it may take.
    fatal : tuple of exception types
        Errors that are raised, since they concern all items.

    Yields
    ------
    tuple
        The item and its result, or its failure, in any order.

    Raises
    ------
    ConfigError
        When `workers` is below 1.
    LsdcError
        When no worker can be started.
    """
    workers, engine = _needed(workers, items), chosen_engine()
    if not items:
        return
    if engine is not None:
        outcomes = engine.outcomes(work, items, seconds)
    elif _may_have_no_children():
        outcomes = _tried_here(work, items)
    else:
        outcomes = _tried_twice(work, items, workers, seconds)
    yield from _without_fatal(outcomes, description, len(items), fatal)


def attempt_here(
    work: Callable[[T], R],
    items: Sequence[T],
    description: str,
    *,
    fatal: tuple[type[Exception], ...] = (),
) -> Iterator[tuple[T, R | Failure]]:
    """Apply `work` to every item in this process, for few items that are known to be harmless.

    Parameters
    ----------
    work : callable
        What to do.
    items : sequence
        What to work on.
    description : str
        Words for the progress.
    fatal : tuple of exception types
        Errors that are raised, since they concern all items.

    Yields
    ------
    tuple
        The item and its result, or its failure, in order.
    """
    yield from _without_fatal(_tried_here(work, items), description, len(items), fatal)


def fan_out(
    work: Callable[[T], R], items: Sequence[T], description: str, workers: int | None = None
) -> Iterator[tuple[T, R]]:
    """Apply `work` to every item on several processes; yield (item, result) as they finish, in any order.

    Each item is worked on by one thread, in whichever process: results do not depend on the number of workers.

    Parameters
    ----------
    work : callable
        A module-level function (it is sent to the workers).
    items : sequence
        What to work on.
    description : str
        Words for the progress.
    workers : int, optional
        Processes; 1 runs in this one, as does any number in a worker. Default: one per core.

    Yields
    ------
    tuple
        The item and its result. An exception in `work` propagates.

    Raises
    ------
    ConfigError
        When `workers` is below 1.
    LsdcError
        When a worker process was killed.
    """
    workers, engine = _needed(workers, items), chosen_engine()
    if engine is None and (workers <= 1 or _may_have_no_children()):
        for item in track(items, description):
            with on_one_thread():
                result = work(item)
            yield item, result
        return
    if not items:
        return
    tried = _tried_twice(work, items, workers, None) if engine is None else engine.outcomes(work, items, None)
    with contextlib.closing(tried) as outcomes:
        for item, outcome in track(outcomes, description, len(items)):
            if not isinstance(outcome, Answer):
                raise LsdcError(
                    "a worker process was killed, perhaps because memory ran out; run the same again, "
                    "with fewer workers"
                )
            if outcome.error is not None:
                raise outcome.error
            yield item, outcome.result


def for_each(
    work: Callable[[T], object], items: Sequence[T], description: str, workers: int | None = None
) -> None:
    """Apply `work` to every item on several processes, for what it does and not for what it returns.

    Parameters
    ----------
    work : callable
        A module-level function (it is sent to the workers).
    items : sequence
        What to work on.
    description : str
        Words for the progress.
    workers : int, optional
        Processes; 1 runs in this one. Default: one per core.
    """
    for _ in fan_out(work, items, description, workers):
        pass


def check_workers(workers: int | None) -> None:
    """Refuse a number of workers that is none; call it before long work.

    Parameters
    ----------
    workers : int or None
        What the caller gave; None is one per core.

    Raises
    ------
    ConfigError
        When it is below 1.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}")


def _needed(workers: int | None, items: Sequence[T]) -> int:
    """Check the number of workers; no more are needed than there are items."""
    check_workers(workers)
    return min(workers or default_workers(), len(items))


def _may_have_no_children() -> bool:
    """Tell whether this process is a worker itself."""
    return multiprocessing.current_process().daemon


def _tried_twice(
    work: Callable[[T], R],
    items: Sequence[T],
    workers: int,
    seconds: Callable[[T], float] | None,
) -> Generator[tuple[T, Outcome], None, None]:
    """Work on items, and then, one after the other, on those whose process died."""
    memory = None if seconds is None else memory_share(workers)
    again = []
    for item, outcome in WorkerPool(work, workers, memory, seconds).outcomes(items):
        if isinstance(outcome, Died):
            again.append(item)
        else:
            yield item, outcome
    for item in again:
        yield from WorkerPool(work, 1, memory, seconds).outcomes([item])


def _tried_here(work: Callable[[T], R], items: Sequence[T]) -> Generator[tuple[T, Outcome], None, None]:
    """Work on items in this process."""
    for item in items:
        try:
            with on_one_thread():
                answer = Answer(work(item))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this item's failure
            answer = answer_to(error)
        yield item, answer


def _without_fatal(
    outcomes: Generator[tuple[T, Outcome], None, None],
    description: str,
    count: int,
    fatal: tuple[type[Exception], ...],
) -> Iterator[tuple[T, Any]]:
    """Give each item's result or failure, and raise the errors that concern all items."""
    with contextlib.closing(outcomes):
        for item, outcome in track(outcomes, description, count):
            if isinstance(outcome, Answer) and isinstance(outcome.error, fatal):
                assert outcome.error is not None
                raise outcome.error
            if isinstance(outcome, Answer) and outcome.error is None:
                yield item, outcome.result
            else:
                yield item, _failure(outcome)


def _failure(outcome: Outcome) -> Failure:
    """Say in words what an outcome without a result is; the words of errors may quote values, and are left out."""
    if isinstance(outcome, Died):
        return Failure(f"the process that worked on it died twice ({outcome.how})")
    if isinstance(outcome, TookTooLong):
        return Failure(f"it took longer than {outcome.seconds:.0f} s and was stopped")
    error = outcome.error
    if isinstance(error, MemoryError):
        return Failure("it needs more memory than a worker may take (MemoryError)", error)
    words = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    return Failure(f"{outcome.kind}{words} in {outcome.place}", error)
