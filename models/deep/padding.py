"""Zeros around images and volumes, for networks that halve their sides several times."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(values: Tensor, multiple: int, *, centered: bool = False) -> Tensor:
    """Add zeros so that a number divides every side.

    Parameters
    ----------
    values : (n, c, ...) Tensor
        Images or volumes.
    multiple : int
        What must divide every side.
    centered : bool
        Add zeros at both ends of a side; by default only at the far end, so that pixel positions stay.

    Returns
    -------
    (n, c, ...) Tensor
        The values themselves where nothing is missing.

    Examples
    --------
    >>> import torch
    >>> pad_to_multiple(torch.ones(1, 1, 6, 8), 4).shape
    torch.Size([1, 1, 8, 8])
    """
    missing = [-size % multiple for size in values.shape[2:]]
    if not any(missing):
        return values
    before = [size // 2 if centered else 0 for size in missing]
    pads = [
        part for size, first in zip(reversed(missing), reversed(before)) for part in (first, size - first)
    ]
    return functional.pad(values, pads)
