"""What the first study of a run may do to the process that extracts it, for `faults.py`."""

from __future__ import annotations

import os
import signal

import numpy as np

from lsdc.features.extract_worker import StudyTask, extract_study


def dies(task: StudyTask) -> None:
    """Die on the first study as a decoder with a bad pointer does."""
    if task.index == 0:
        os.kill(os.getpid(), signal.SIGSEGV)
    extract_study(task)


def hangs(task: StudyTask) -> None:
    """Never come back from the first study."""
    if task.index == 0:
        while True:
            pass
    extract_study(task)


def hoards(task: StudyTask) -> None:
    """Take all memory that there is for the first study."""
    if task.index == 0:
        hoard = []
        while True:
            hoard.append(np.empty(1 << 27))
    extract_study(task)


def raises(task: StudyTask) -> None:
    """Fail on the first study."""
    if task.index == 0:
        raise ZeroDivisionError
    extract_study(task)
