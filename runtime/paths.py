"""What names a file or a folder in the public functions."""

from __future__ import annotations

import os

PathLike = str | os.PathLike[str]
"""A path as text or as a `pathlib.Path`; the functions that take one make a `Path` of it first."""
