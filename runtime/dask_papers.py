"""What a Dask worker shows before it may work: its versions, and which files it sees."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Sequence
from functools import lru_cache

DECIDE = (
    "lsdc-toolkit", "numpy", "scipy", "pandas", "torch", "timm", "onnxruntime", "scikit-learn", "scikit-image",
    "lightgbm", "xgboost", "pillow", "pydicom", "pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls",
)  # fmt: skip
"""Packages whose versions decide results."""


@lru_cache(maxsize=1)
def versions_here() -> tuple[tuple[str, str], ...]:
    """List the versions of Python and of all packages that decide results.

    Returns
    -------
    tuple of (str, str)
        Names and versions, without what says for which processor a package was built; `absent` where it is not here.
    """
    found = [("Python", f"{sys.version_info.major}.{sys.version_info.minor}")]
    for name in DECIDE:
        try:
            found.append((name, importlib.metadata.version(name).partition("+")[0]))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, "absent"))
    return tuple(found)


def differences(wanted: Sequence[tuple[str, str]], there: Sequence[tuple[str, str]]) -> str:
    """Say which versions differ.

    Parameters
    ----------
    wanted : sequence of (str, str)
        Those of the client.
    there : sequence of (str, str)
        Those of the worker.

    Returns
    -------
    str
        Empty where none does.

    Examples
    --------
    >>> differences([("numpy", "2.0"), ("torch", "2.14")], [("numpy", "2.1"), ("torch", "2.14")])
    'numpy 2.1 instead of 2.0'
    """
    known = dict(there)
    return ", ".join(
        f"{name} {known.get(name, 'unknown')} instead of {version}"
        for name, version in wanted
        if known.get(name) != version
    )


def show_papers(
    reads: Sequence[str], token: str | None
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...], str | None]:
    """Tell what decides whether this worker may work; runs on a Dask worker.

    Parameters
    ----------
    reads : sequence of str
        Files and folders that it must see.
    token : str or None
        A file that the client has written to the output folder.

    Returns
    -------
    versions : tuple of (str, str)
        As `versions_here` gives them.
    unseen : tuple of str
        Those of `reads` that are not there.
    content : str or None
        What stands in the token; None where it cannot be read.
    """
    unseen = tuple(path for path in reads if not os.path.exists(path))  # noqa: PTH110 - a plain function of strings
    content = None
    if token is not None:
        try:
            with open(token, encoding="ascii") as stream:  # noqa: PTH123
                content = stream.read()
        except (OSError, ValueError):
            content = None
    return versions_here(), unseen, content
