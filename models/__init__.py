"""Members of the ensemble and their cross-fitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsdc.runtime.lazy import importer

if TYPE_CHECKING:
    from lsdc.models.crossfit import cross_fit, predict_folds
    from lsdc.models.examples import Examples
    from lsdc.models.member import Member, NotFittedError
    from lsdc.models.options import Options
    from lsdc.models.registry import MEMBERS, member_class

__all__ = [
    "MEMBERS",
    "Examples",
    "Member",
    "NotFittedError",
    "Options",
    "cross_fit",
    "member_class",
    "predict_folds",
]

# Imported when asked for: the command line needs `Options` and no network.
__getattr__ = importer(
    __name__,
    {
        "crossfit": ("cross_fit", "predict_folds"),
        "examples": ("Examples",),
        "member": ("Member", "NotFittedError"),
        "options": ("Options",),
        "registry": ("MEMBERS", "member_class"),
    },
)
