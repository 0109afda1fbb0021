"""The record of what was written of a graded study, by which a later call knows what is left to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.errors import ArtifactError, Problem


@dataclass(frozen=True)
class StudyRecord:
    """What was written of a study, as a file beside its page says it.

    Parameters
    ----------
    dicom : tuple of str or None
        Names of the DICOM objects; None where none were asked for.
    problems : tuple of Problem
        What could not be written.
    failed : bool
        Whether the images could not be shown.
    content : str
        Hash of all that is said of the study.
    """

    dicom: tuple[str, ...] | None
    problems: tuple[Problem, ...]
    failed: bool
    content: str

    def write(self, path: Path) -> None:
        """Write the file.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Parameters
        ----------
        path : Path
            The file.

        Returns
        -------
        StudyRecord
            Equal to the one that was written; that of an earlier version has no content.

        Raises
        ------
        ArtifactError
            When it is damaged.
        """
        found = read_json(path)
        try:
            names, problems = found["dicom"], tuple(Problem(**one) for one in found["problems"])
            return cls(
                None if names is None else tuple(names), problems, found["failed"], found.get("content", "")
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{path}: is damaged; delete it, and the study is written anew") from error
