"""The section on where readers put their marks: in the images, and in the stacks of slices."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import Condition, Level, View
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import CONDITION_NAMES, LEVEL_NAMES, new_panel, styled
from lsdc.report.sections import Drawing, Panel, Section


def annotation_places(cohort: CohortHeaders) -> pd.DataFrame:
    """Find where annotated points lie in their images and stacks.

    Parameters
    ----------
    cohort : CohortHeaders
        With coordinates.

    Returns
    -------
    DataFrame
        One row per point whose slice is there: view, condition, level, across and down (0 to 1 of the image's width
        and height), and slice (0 to 1 of the stack: from right to left, or from foot to head).
    """
    rows: list[dict[str, object]] = []
    if cohort.coordinates is None:
        return pd.DataFrame(rows)
    place = {
        (one.study.study_id, series.stored_in(number), item.instance_number): (series, number)
        for one in cohort.studies
        for series in one.study.series
        for number, item in enumerate(series.slices)
    }
    for mark in cohort.coordinates.to_dict("records"):
        series, number = place.get((mark["study_id"], mark["series_id"], mark["instance_number"]), (None, 0))
        if series is None:
            continue
        height, width = series.slices[number].pixels.shape
        last = len(series.slices) - 1
        rows.append(
            {
                "view": Condition(mark["condition"]).view.value,
                "condition": mark["condition"],
                "level": mark["level"],
                "across": mark["x"] / width,
                "down": mark["y"] / height,
                "slice": number / last if last else 0.5,
            }
        )
    return pd.DataFrame(rows, columns=["view", "condition", "level", "across", "down", "slice"])


def annotation_section(cohort: CohortHeaders) -> Section:
    """Show where annotations lie.

    Parameters
    ----------
    cohort : CohortHeaders
        The cohort.

    Returns
    -------
    Section
        Panels of points by view, and of slices.
    """
    title = "Where annotations lie"
    if cohort.coordinates is None:
        return Section(
            "annotations", title,
            absent="Annotated points: the cohort has none; put train_label_coordinates.csv beside train_images. "
            "With them `extract` teaches a slice selector of its own.",
        )  # fmt: skip
    places = annotation_places(cohort)
    lead = f"{len(cohort.coordinates)} points, {len(places)} of them on slices that are there."
    if places.empty:
        return Section("annotations", title, lead=lead)
    reading = (
        "First the points in their images: left is the image's left edge, up is its top. Every cloud should be "
        "compact; a point far from its level's cloud is worth a look. Then the slices on which they lie, as "
        "a fraction of the stack: sagittal stacks run from the patient's right to the left, axial ones from foot to "
        "head."
    )
    return Section("annotations", title, (Drawing("Points and slices", _draw_places(places), reading),), lead)


@styled
def _draw_places(places: pd.DataFrame) -> tuple[Panel, ...]:
    """Plot points of each view, then the slices of each view."""
    points, slices = [], []
    for view in View:
        own = places[places["view"] == view.value]
        if own.empty:
            continue
        figure, axis = new_panel(f"{view.value}: points", height=4.2)
        for number, level in enumerate(Level):
            here = own[own["level"] == level.value]
            axis.plot(
                here["across"], here["down"], "osD^v"[number], color=SERIES_COLORS[number], markersize=2.5,
                alpha=0.6, label=LEVEL_NAMES[level], rasterized=True,
            )  # fmt: skip
        axis.set(
            xlim=(0, 1),
            ylim=(1, 0),
            xlabel="fraction of the width",
            ylabel="fraction of the height",
            aspect="equal",
        )
        figure.legend(
            loc="outside lower center", ncols=5, markerscale=2, handletextpad=0.2, columnspacing=0.8
        )
        middle = own[["across", "down"]].median()
        words = (
            f"{len(own)} points in {view.value}, median at {middle.iloc[0]:.2f} of the width, "
            f"{middle.iloc[1]:.2f} of the height."
        )
        points.append(Panel(f"points_{view.name.lower()}", figure, words))
        figure, axis = new_panel(f"{view.value}: slices", height=2.8)
        groups = [condition for condition in Condition if condition.view is view]
        axis.hist(
            [own.loc[own["condition"] == condition.value, "slice"] for condition in groups],
            bins=np.linspace(0, 1, 21).tolist(), stacked=True, color=list(SERIES_COLORS[: len(groups)]),
            label=[CONDITION_NAMES[condition] for condition in groups],
        )  # fmt: skip
        ends = "head" if view is View.AXIAL_T2 else "left"
        axis.set(xlim=(0, 1), xlabel=f"fraction of the stack, to the {ends}", ylabel="points")
        axis.legend()
        middles = ", ".join(
            f"{CONDITION_NAMES[c]} {own.loc[own['condition'] == c.value, 'slice'].median():.2f}"
            for c in groups
        )
        slices.append(
            Panel(
                f"slices_{view.name.lower()}", figure, f"Median slice of the stack, {view.value}: {middles}."
            )
        )
    return (*points, *slices)
