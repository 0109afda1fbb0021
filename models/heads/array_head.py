"""What heads that are nothing but arrays share: settings, no use for stopping rows, a checked file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from numpy.typing import NDArray

from lsdc.models.heads.head import Features, Labels
from lsdc.models.search_space import Settings, Space
from lsdc.runtime import ArtifactError
from lsdc.runtime.tensor_files import read_arrays, write_tensors

Arrays = Mapping[str, NDArray[Any]]
"""What such a head has learned, by name."""


class ArrayHead(ABC):
    """Base class of heads whose fit does not stop early, and whose outcome is a few arrays.

    Parameters
    ----------
    settings : mapping of str to float, optional
        Values for some of `space`; by default those of `defaults`.

    Attributes
    ----------
    arrays : dict of str to array
        What was learned; empty before `fit`.
    """

    suffix: ClassVar[str]
    space: ClassVar[Space]
    defaults: ClassVar[Settings]

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = {**self.defaults, **(settings or {})}
        self.arrays: dict[str, NDArray[Any]] = {}

    def fit(self, X: Features, y: Labels, stop_X: Features, stop_y: Labels, seed: int) -> Self:
        """Fit on labeled rows.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        stop_X : (m, d) float32
            Not used: there is nothing to stop.
        stop_y : (m,) int64
            Not used.
        seed : int
            Decides everything random.

        Returns
        -------
        ArrayHead
            Itself.
        """
        return self.refit(X, y, seed)

    @abstractmethod
    def refit(self, X: Features, y: Labels, seed: int) -> Self:
        """Fit anew, such as on more rows.

        Parameters
        ----------
        X : (n, d) float32
            Features; NaN where unknown.
        y : (n,) int64
            Grades 0, 1, 2.
        seed : int
            Decides everything random.

        Returns
        -------
        ArrayHead
            Itself.
        """

    @staticmethod
    @abstractmethod
    def _check(arrays: Arrays) -> None:
        """Raise an error for arrays that no fit gives."""

    def save(self, path: Path) -> None:
        """Write the arrays as safetensors.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_tensors(path, self.arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the arrays, and check that they can be predicted from.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        ArrayHead
            The fitted head.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        head = cls()
        try:
            head.arrays = read_arrays(path)
            cls._check(head.arrays)
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return head
