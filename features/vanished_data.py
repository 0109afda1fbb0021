"""Studies whose files have gone since they were found: a fault of the folder, and not of a study."""

from __future__ import annotations

import errno
import os

from lsdc.cohort.discovery.sources import StudySource
from lsdc.runtime.errors import LsdcError

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.EHOSTDOWN)
"""What the system says of files that were removed, and of those on a disk or a server that went away."""


class VanishedError(LsdcError):
    """Files that were there when a run began have gone: the run ends, so that nothing counts as unreadable."""


def check_present(source: StudySource) -> None:
    """Refuse to go on where a file of a study is no longer there; call it after the study was read.

    A file that is there but cannot be read, and a link that leads nowhere, are a matter of the study alone.

    Parameters
    ----------
    source : StudySource
        What discovery found.

    Raises
    ------
    VanishedError
        When one of its files has gone.
    """
    if source.origin is not None:
        return  # fetching it has told
    for series in source.series:
        for path in series.files:
            try:
                os.lstat(path)
            except OSError as error:
                if error.errno in _GONE:
                    raise VanishedError(
                        f"study {source.study_id}: its files were there when the run began, and have gone; bring the "
                        "folder back, then run the same command, which resumes"
                    ) from None
