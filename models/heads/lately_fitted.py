"""What was fitted lately, by what it was fitted on: the heads of a fold share one preparation."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class LatelyFitted(Generic[T]):
    """Keeps the last few results of something that takes long, by the content of what they were made of.

    Parameters
    ----------
    most : int
        Results to keep; the one that was not asked for longest goes first.

    Examples
    --------
    >>> lately = LatelyFitted(2)
    >>> lately.get("mean", np.arange(3), make=lambda: 1.0)
    1.0
    >>> lately.get("mean", np.arange(3), make=lambda: 2.0)  # not made again
    1.0
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._results: OrderedDict[str, T] = OrderedDict()

    def get(self, name: object, *arrays: NDArray[Any], make: Callable[[], T]) -> T:
        """Make a result, or return the one that was made of the same.

        Parameters
        ----------
        name : object
            What decides the result besides the arrays, by its text.
        *arrays : array
            What it is made of; their content counts, not which objects they are.
        make : callable
            Makes it.

        Returns
        -------
        object
            The result; the same object each time, which nobody may change.
        """
        key = _digest(name, arrays)
        if key not in self._results:
            self._results[key] = make()
        self._results.move_to_end(key)
        while len(self._results) > self.most:
            self._results.popitem(last=False)
        return self._results[key]


def _digest(name: object, arrays: tuple[NDArray[Any], ...]) -> str:
    """Compute the SHA-256 over a name and arrays."""
    found = hashlib.sha256(repr((name, [(one.shape, str(one.dtype)) for one in arrays])).encode())
    for one in arrays:
        found.update(np.ascontiguousarray(one).data)
    return found.hexdigest()
