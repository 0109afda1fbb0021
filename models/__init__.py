"""Members of the ensemble and their cross-fitting."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOMES = {
    "crossfit": ("cross_fit", "predict_folds"),
    "examples": ("Examples",),
    "member": ("Member", "NotFittedError"),
    "options": ("Options",),
    "registry": ("MEMBERS", "member_class"),
}


def __getattr__(name: str) -> Any:
    # Imported when asked for: the command line needs `Options` and no network.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"lsdc.models.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
