"""Training examples that lie in files: what is sent to another process is where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import overload

from lsdc.slice_selector.training_example import SelectorExample


class ExampleFiles(Sequence[SelectorExample]):
    """Examples that are read whenever they are asked for, and not kept.

    The examples of a whole cohort are gigabytes, which no pipe or network should carry for every fold, and of which a
    process needs only a part.

    Parameters
    ----------
    paths : iterable of Path
        Files that `SelectorExample.save` wrote.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)

    @overload
    def __getitem__(self, index: int) -> SelectorExample: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SelectorExample, ...]: ...

    def __getitem__(self, index: int | slice) -> SelectorExample | tuple[SelectorExample, ...]:
        """Read an example, or some."""
        if isinstance(index, slice):
            return tuple(map(SelectorExample.load, self.paths[index]))
        return SelectorExample.load(self.paths[index])

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)

    def __reduce__(self) -> tuple[type[ExampleFiles], tuple[tuple[Path, ...]]]:
        """Travel without the examples."""
        return ExampleFiles, (self.paths,)
