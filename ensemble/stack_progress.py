"""Finished parts of a stack that is being made: a killed run takes them from their files."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from lsdc.ensemble.stackers.default import DefaultStacker
from lsdc.ensemble.stackers.registry import load_stacker, save_stacker
from lsdc.ensemble.stacking_data import StackingData
from lsdc.metrics.official import Probabilities
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import atomic, claim, take_back
from lsdc.runtime.npy_files import open_array


@dataclass(frozen=True)
class StackProgress:
    """A folder for the finished parts of a stack; make one with `begin`.

    Parameters
    ----------
    folder : Path
        It is there while the stack is being made.
    """

    folder: Path

    @classmethod
    def begin(cls, folder: Path, data: StackingData, trials: int, seed: int) -> Self:
        """Begin, or go on with what an earlier run of the same stack has finished.

        Parameters
        ----------
        folder : Path
            New, or left by a run that was killed.
        data : StackingData
            What the stack is fitted and scored on.
        trials, seed : int
            Of its searches.

        Returns
        -------
        StackProgress
            Of this folder.

        Raises
        ------
        ArtifactError
            When the parts that are there are of other data, or of another search.
        """
        claim(
            folder,
            {"problem": data.hash, "trials": trials, "seed": seed},
            lambda: "finish it with the same arguments, or choose a new directory",
        )
        return cls(folder)

    def tuned(self, make: Callable[[], DefaultStacker]) -> DefaultStacker:
        """Fit the stack on all studies, or read the one that was fitted before.

        Parameters
        ----------
        make : callable
            Fits it.

        Returns
        -------
        DefaultStacker
            As it is read again, so that an interrupted run does not differ from a whole one.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        path = self.folder / "tuned.json"
        if not path.is_file():
            save_stacker(path, make())
        found = load_stacker(path)
        if not isinstance(found, DefaultStacker):
            raise ArtifactError(
                f"{path}: damaged, it holds {found.name}; delete it, and run the same command again"
            )
        return found

    def find(self, fold: int, data: StackingData) -> Probabilities | None:
        """Read what was predicted for a fold.

        Parameters
        ----------
        fold : int
            Which one.
        data : StackingData
            What the stack is scored on; k of its studies are in the fold.

        Returns
        -------
        (k, 5, 5, 3) float64 or None
            Probabilities; None where the fold is not finished.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        path = self._path(fold)
        if not path.is_file():
            return None
        try:
            shape = (int((data.folds == fold).sum()), *data.predictions.cubes.shape[2:])
            found = np.array(open_array(path, np.float64, shape))
            if not ((found >= 0) & (found <= 1 + 1e-6)).all():  # not a number is refused too
                raise ValueError("values that are no probabilities")
        except (OSError, ValueError) as error:
            raise ArtifactError(
                f"{path}: damaged ({error}); delete it, and run the same command again"
            ) from error
        return found

    def keep(self, fold: int, probabilities: Probabilities) -> None:
        """Write what is predicted for a fold.

        Parameters
        ----------
        fold : int
            Which one.
        probabilities : (k, 5, 5, 3) float64
            For its studies.
        """
        content = io.BytesIO()
        np.save(content, probabilities)  # to a file on a full disk it says only how many numbers went there
        with atomic(self._path(fold)) as temporary:
            temporary.write_bytes(content.getvalue())

    def _path(self, fold: int) -> Path:
        return self.folder / f"fold_{fold}.npy"

    def end(self) -> None:
        """Remove the folder: the stack is written, and needs it no more. A kill in between leaves what can go on."""
        take_back(self.folder)
        self.folder.rmdir()
