"""Grades lumbar spine degeneration from MRI: from DICOM studies to graded, stacked and scored predictions."""

from importlib.metadata import version

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version("lsdc-toolkit")
