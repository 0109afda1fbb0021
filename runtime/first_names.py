"""Naming the first few of many things in a message."""

from __future__ import annotations

from collections.abc import Sequence


def first_of(names: Sequence[str], most: int = 3) -> str:
    """Name the first of some things, and show that there are more.

    Parameters
    ----------
    names : sequence of str
        What they are called.
    most : int
        So many are named.

    Returns
    -------
    str
        With commas between them.

    Examples
    --------
    >>> first_of(["a", "b"]), first_of(["a", "b", "c", "d"])
    ('a, b', 'a, b, c, …')
    """
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
