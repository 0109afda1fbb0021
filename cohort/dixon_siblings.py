"""Images of fat and of water that no word tells apart but the last letter of their descriptions.

Series named `…_F` and `…_W` at the same places are the parts of one Dixon sequence, also where neither the
description nor ImageType says so. A letter alone says nothing: it counts only beside another series of the
same geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lsdc.cohort.dicom.kinds import DIXON_HINTS, FAT_ONLY, OPPOSED
from lsdc.cohort.joined_series import place_of
from lsdc.cohort.study import Series

_HINTS = frozenset(DIXON_HINTS.values())
_NEVER = {DIXON_HINTS["fat"]: FAT_ONLY, DIXON_HINTS["opposed-phase"]: OPPOSED}
_TRAITS = {DIXON_HINTS["water"]: "water", DIXON_HINTS["in-phase"]: "in_phase"}


def tell_dixon_apart(series: Sequence[Series]) -> list[Series]:
    """Pass over what is an image of fat, or of opposed phase, by its name beside other series of the same geometry.

    Parameters
    ----------
    series : sequence of Series
        All series of a study.

    Returns
    -------
    list of Series
        The same, in the same order: those of fat and of opposed phase without a view, those of water and in phase with
        the trait that says so, all without the traits that were only perhaps. What a table describes keeps its view.
    """
    if not any(item.traits & _HINTS for item in series):
        return list(series)
    places = [frozenset(map(place_of, item.slices)) for item in series]
    result = []
    for k, item in enumerate(series):
        beside = [other for j, other in enumerate(series) if j != k and places[j] == places[k]]
        hints = item.traits & _HINTS
        plain = replace(item, traits=item.traits - hints)
        hint = min(hints, default="")
        if hint in _NEVER and item.view is not None and "view_guessed" in item.flags:
            if any(other.view is item.view and not other.traits & set(_NEVER) for other in beside):
                plain = replace(plain, view=None, passed_over=_NEVER[hint])
        elif hint in _TRAITS and any(
            other.traits & set(_NEVER) or other.passed_over in (FAT_ONLY, OPPOSED) for other in beside
        ):
            plain = replace(plain, traits=plain.traits | {_TRAITS[hint]})
        result.append(plain)
    return result
