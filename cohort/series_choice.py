"""Which series of a study are its views: what suits a view best, and lies where the other views lie.

A table of the cohort that describes a series is trusted. Other series are compared, for each view, by

1. where they lie: all views of a study cover the same part of the patient, that whose headers name the lumbar spine,
   or at least no other region, where such parts differ; where headers do not tell, the slice selector looks;
2. what they show: plain images and Dixon's in-phase ones before those with suppressed fat, and T1 without a contrast
   agent before T1 with one;
3. the rest: a place in the patient that is known, a field of the usual size, original images before derived ones,
   more slices, larger images.

Of sagittal series one is chosen for each view. Axial series may share the levels among them, so all are chosen but
those that lie elsewhere, and those that suit worse than others that cover them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lsdc.cohort.coverage import NEAR_MM, SAME_PART, SHORTEST_MM, Extent, extent_of, parts_of
from lsdc.cohort.study import Series
from lsdc.cohort.vocabulary import View

ELSEWHERE = "lies elsewhere than the other views"
LIKE = "like the series that was chosen"
REASONS = (
    "its header names another region",
    "its place in the patient is not known",
    "with suppressed fat or a contrast agent; a plainer series was chosen",
    "shows much more than the lumbar spine; a closer one was chosen",
    "made from other images; an original series was chosen",
    "fewer slices than the series that was chosen",
    "smaller images than the series that was chosen",
)
"""By what the chosen series suits better, in the order of `_suitability`."""
_TALLEST_MM = 420.0
"""A higher sagittal field shows more than the lumbar spine, at a lower resolution."""
_KIND = 5
"""So many entries of `_suitability` tell what a series is, those after them how much of it there is."""
_COVERED_MM = 4.0
"""An axial slice is covered by another one whose plane is this near."""


def choose_series(series: Sequence[Series]) -> list[Series]:
    """Leave their view only to the series that are to be used; the others say why they are passed over.

    Parameters
    ----------
    series : sequence of Series
        All series of a study.

    Returns
    -------
    list of Series
        The same, in the same order; those passed over have no view, and a reason.
    """
    reasons = _elsewhere(series)
    for view in View:
        rivals = [k for k, item in enumerate(series) if item.view is view and k not in reasons]
        choose = _covered_by_better if view is View.AXIAL_T2 else _worse_than_best
        reasons |= choose(series, rivals)
    return [
        replace(item, view=None, passed_over=reasons[k]) if k in reasons else item
        for k, item in enumerate(series)
    ]


def _elsewhere(series: Sequence[Series]) -> dict[int, str]:
    """Find series that cover another part of the patient than that which headers say is the lumbar spine."""
    extents = {k: extent_of(item) for k, item in enumerate(series) if item.view is not None and item.placed}
    parts = parts_of({
        k: extent
        for k, extent in extents.items()
        if series[k].view is View.AXIAL_T2 or extent.length >= SHORTEST_MM
    })  # fmt: skip
    if len(parts) < 2:
        return {}
    ranks = [_rank_of_part(series, part) for part in parts]
    if ranks.count(max(ranks)) > 1:  # nothing tells; the pictures have to
        return {}
    best = parts[ranks.index(max(ranks))]
    return {
        k: ELSEWHERE
        for part in parts
        if part is not best
        for k in part
        if _is_free(series[k]) and not _touches(extents[k], [extents[j] for j in best], series[k])
    }


def _rank_of_part(series: Sequence[Series], part: Sequence[int]) -> tuple[bool, bool, bool]:
    """Rank a part of the patient by what is said of it: by a table, lumbar, no other region."""
    return (
        any(not _is_free(series[k]) for k in part),
        any("lumbar" in series[k].traits for k in part),
        not any("other_region" in series[k].traits for k in part),
    )


def _touches(extent: Extent, others: Sequence[Extent], series: Series) -> bool:
    """Tell whether an axial stack reaches into a part or nearly so; single blocks of levels lie beside each other."""
    near = (other.foot - NEAR_MM < extent.head and extent.foot < other.head + NEAR_MM for other in others)
    return series.view is View.AXIAL_T2 and any(near)


def _is_free(series: Series) -> bool:
    """Tell whether a series may be passed over: no table describes it."""
    return "view_guessed" in series.flags


def _worse_than_best(series: Sequence[Series], rivals: Sequence[int]) -> dict[int, str]:
    """Choose one of several sagittal series; those of another part of the patient are left for the pictures."""
    if len(rivals) < 2:
        return {}
    best = max(rivals, key=lambda k: (not _is_free(series[k]), *_suitability(series[k]), -k))
    extent = extent_of(series[best])
    return {
        k: _reason(series[k], series[best])
        for k in rivals
        if k != best and _is_free(series[k]) and not extent_of(series[k]).shared_with(extent) < SAME_PART
    }


def _covered_by_better(series: Sequence[Series], rivals: Sequence[int]) -> dict[int, str]:
    """Find axial series that suit worse than others that cover them."""
    reasons: dict[int, str] = {}
    order = sorted(
        rivals, key=lambda k: (not _is_free(series[k]), *_suitability(series[k]), -k), reverse=True
    )
    for rank, k in enumerate(order):
        better = [
            j
            for j in order[:rank]
            if j not in reasons and _suitability(series[j])[:_KIND] > _suitability(series[k])[:_KIND]
        ]
        if better and _is_free(series[k]) and _is_covered(series[k], [series[j] for j in better]):
            reasons[k] = _reason(series[k], series[better[0]])
    return reasons


def _is_covered(series: Series, others: Sequence[Series]) -> bool:
    """Tell whether most slices of a stack have a slice of others beside them; without places, they have."""
    others = [other for other in others if other.placed]
    if not series.placed or not others:
        return True
    covered = 0
    for item in series.slices:
        rows, columns = item.pixels.shape
        center = item.plane.to_patient([((columns - 1) / 2, (rows - 1) / 2)])[0]
        nearest = (other.slices[other.nearest(center)].plane.distance(center)[0] for other in others)
        covered += min(map(abs, nearest)) <= _COVERED_MM
    return covered > len(series.slices) / 2


def _suitability(series: Series) -> tuple[bool, bool, int, bool, bool, int, int]:
    """Rank how well a series suits its view; what counts most comes first."""
    traits = series.traits
    plainness = 3
    if series.view is View.SAGITTAL_T1:
        plainness -= 2 * bool(traits & {"fat_saturated", "water"}) + ("contrast_agent" in traits)
    elif traits & {"inversion", "fat_saturated", "water"}:
        plainness -= 1
    usual_field = series.view is View.AXIAL_T2 or not extent_of(series).length > _TALLEST_MM
    size = series.slices[0].pixels.size
    named = "other_region" not in traits
    return named, series.placed, plainness, usual_field, "derived" not in traits, len(series.slices), size


def _reason(passed: Series, chosen: Series) -> str:
    """Say by what the chosen series suits better."""
    pairs = zip(REASONS, _suitability(passed), _suitability(chosen))
    return next((reason for reason, worse, better in pairs if worse < better), LIKE)
