"""Where a target is: the selector's result."""

from __future__ import annotations

from dataclasses import dataclass

from lsdc.cohort.vocabulary import Target, View


@dataclass(frozen=True)
class Location:
    """The place of one target in a study.

    Parameters
    ----------
    target : Target
        What is located.
    view : View
        The target's own view.
    series, slice : int or None
        Index into `study.series` and into its slices; None where the own view is absent or does not reach.
    point : (float, float)
        Column and row in that slice, px; NaN where absent.
    patient : (float, float, float)
        mm towards the patient's left, posterior, head; known whenever any view gave the level, else NaN.
    confidence : float
        0 to 1.
    located_by : str
        `network`, `geometry` (projected from another view), `mean_position`, or `absent`.
    flags : frozenset of str
        `view_absent`, `out_of_stack`.
    """

    target: Target
    view: View
    series: int | None
    slice: int | None
    point: tuple[float, float]
    patient: tuple[float, float, float]
    confidence: float
    located_by: str
    flags: frozenset[str] = frozenset()
