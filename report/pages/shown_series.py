"""Which series a study's page shows, and what they are called."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lsdc.cohort.study import Series, Study
from lsdc.cohort.vocabulary import View
from lsdc.features.located_study import LocatedStudy
from lsdc.report.pages.short_ids import short_ids

_MOST_MORE = 120
"""Slices of further series that are put into a page, so that it stays small enough to be sent."""


@dataclass(frozen=True)
class ShownSeries:
    """A series that a page shows.

    Parameters
    ----------
    index : int
        Index into `study.series`.
    series : Series
        The series.
    view : View
        Its view.
    name : str
        What it is called; see `series_names`.
    """

    index: int
    series: Series
    view: View
    name: str


def series_names(study: Study) -> list[str]:
    """Name all series of a study, so that each can be told from the others.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    list of str
        In the order of its series: `series` and the id or its end, and `part 2` where one id has several stacks of
        slices.
    """
    ids = [series.series_id for series in study.series]
    return [
        f"series {short}" + (f", part {ids[: index + 1].count(name)}" if ids.count(name) > 1 else "")
        for index, (name, short) in enumerate(zip(ids, short_ids(ids)))
    ]


def choose_shown(located: LocatedStudy) -> list[ShownSeries]:
    """Choose the series of a page: of each view that with most targets, then others while they are not too many.

    Parameters
    ----------
    located : LocatedStudy
        The study with its located targets.

    Returns
    -------
    list of ShownSeries
        By view, and in each view that with most targets first.
    """
    targets = Counter(location.series for location in located.locations)
    names = series_names(located.study)
    known = [
        ShownSeries(index, series, series.view, names[index])
        for index, series in enumerate(located.study.series)
        if series.view is not None and series.slices
    ]
    known.sort(key=lambda item: (-targets[item.index], -len(item.series.slices)))
    best = [next((item for item in known if item.view is view), None) for view in View]
    shown = [item for item in best if item is not None]
    room = _MOST_MORE
    for item in known:
        if item not in shown and len(item.series.slices) <= room:
            room -= len(item.series.slices)
            shown.append(item)
    order = list(View)
    return sorted(shown, key=lambda item: order.index(item.view))
