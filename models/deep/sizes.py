"""How large a deep member is, and how long it trains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """How large a member is, and how long it trains; each member has one for every preset.

    Parameters
    ----------
    px : int
        Side of the images that the network sees, px.
    batch : int
        Studies per step.
    epochs : int
        Most passes over the training studies; training stops earlier when the score does not improve.
    rate : float
        Peak learning rate.
    width : int
        Width of the layers after the backbone.
    all_views : bool
        Read every view of a target, not only the one in which it is graded.
    """

    px: int
    batch: int
    epochs: int
    rate: float
    width: int = 64
    all_views: bool = False
