"""What names a file or a folder in the public functions."""

from __future__ import annotations

import os
from collections.abc import Sequence

PathLike = str | os.PathLike[str]
"""A path as text or as a `pathlib.Path`; the functions that take one make a `Path` of it first."""


def one_or_more(paths: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    """Take one path for a sequence of one.

    Parameters
    ----------
    paths : path or sequence of path
        What was given where several may be.

    Returns
    -------
    sequence of path
        All of them.

    Examples
    --------
    >>> one_or_more("a.csv"), one_or_more(["a.csv", "b.csv"])
    (['a.csv'], ['a.csv', 'b.csv'])
    """
    return [paths] if isinstance(paths, str | os.PathLike) else paths
