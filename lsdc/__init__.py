"""Grades lumbar spine degeneration from MRI: from DICOM studies to graded, stacked and scored predictions."""

from typing import Any

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
_imported, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # as slow as all else together

        return version("lsdc-toolkit")
    return _imported(name)
