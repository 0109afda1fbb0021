"""What the slice selector chose: what was seen, how sure the places are, and how far they are from readers' marks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Condition, Family, Level, View
from lsdc.features.sight import rows_with_status
from lsdc.features.store import FeatureStore
from lsdc.metrics.localization import LocationError, location_errors, summarize_location_errors
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import FAMILY_NAMES, LEVEL_NAMES, new_panel, styled
from lsdc.report.sections import Drawing, Panel, Row, Section, Table

_TITLE = "What the selector chose"
_STEPS = (0, 1, 2, 3, 4)


def locating_section(store: FeatureStore | None, marked: CohortHeaders | None) -> Section:
    """Show what was seen, and how far places are from readers' marks.

    Parameters
    ----------
    store : FeatureStore or None
        The model's store; its studies were located by selectors that were not fitted on them.
    marked : CohortHeaders or None
        The cohort of the store with its annotated points.

    Returns
    -------
    Section
        Tables and panels, and what is missing for the rest.
    """
    if store is None:
        return Section(
            "locating", _TITLE, absent="What was seen and where: give the store that the model was fitted on, as "
            "`--store STORE`.",
        )  # fmt: skip
    rows = rows_with_status(store.rows)
    parts: list[Drawing | Table] = [_seen(rows), _confidence(rows)]
    errors = [] if marked is None else location_errors_of(store, marked)
    absent = ""
    if errors:
        parts += [_error_drawing(errors), _error_table(errors)]
    elif marked is None:
        absent = (
            "Errors in slices and mm: give the folder with train_label_coordinates.csv that the store was made of, as "
            "`--data DATA`."
        )
    else:
        absent = "Errors in slices and mm: none of the annotated points is of a study of this store."
    return Section("locating", _TITLE, tuple(parts), absent=absent)


def location_errors_of(store: FeatureStore, marked: CohortHeaders) -> list[LocationError]:
    """Compare the places of a store with annotated points, from headers alone.

    Parameters
    ----------
    store : FeatureStore
        The store.
    marked : CohortHeaders
        The cohort that it was made of.

    Returns
    -------
    list of LocationError
        One per marked target of the studies that both have.
    """
    if marked.coordinates is None:
        return []
    located = dict(iter(store.rows.groupby("study_id", sort=False)))
    marks = dict(iter(marked.coordinates.groupby("study_id", sort=False)))
    found: list[LocationError] = []
    for study in marked.studies:
        name = study.study.study_id
        if name in located and name in marks:
            first = marks[name].drop_duplicates(["condition", "level"])
            found += location_errors(study.study, first, located[name])
    return found


def _seen(rows: pd.DataFrame) -> Table:
    """Count what was seen, by condition."""
    lines: list[Row] = []
    for condition in Condition:
        own = rows[rows["condition"] == condition.value]
        counts = own["status"].value_counts()
        low = ", ".join(
            f"{LEVEL_NAMES[level]} {count}"
            for level in Level
            if (count := int(((own["level"] == level.value) & (own["status"] != Status.SEEN.value)).sum()))
        )
        lines.append((condition.title, *(int(counts.get(status.value, 0)) for status in Status), low or "-"))
    return Table(
        "Targets by what was seen",
        (
            "Condition",
            *((status.value.replace("_", " "), "number") for status in Status),
            "Not surely seen, by level",
        ),
        tuple(lines),
        "Unsure targets were located, but something speaks against the place: look at them first.",
    )


@styled
def _confidence(rows: pd.DataFrame) -> Drawing:
    """Plot the confidence of places by view."""
    panels = []
    for view, family in zip((View.SAGITTAL_T2, View.SAGITTAL_T1, View.AXIAL_T2), Family):
        values = rows.loc[rows["view"] == view.value, "confidence"].to_numpy(float)
        figure, axis = new_panel(f"{FAMILY_NAMES[family]} ({view.value})", height=2.8)
        axis.hist(values[np.isfinite(values)], bins=np.linspace(0, 1, 21).tolist(), color=SERIES_COLORS[0])
        axis.set(xlabel="confidence of the place (no probability of a grade)", ylabel="targets", xlim=(0, 1))
        low = np.nanquantile(values, 0.05) if len(values) else np.nan
        middle = np.nanmedian(values) if len(values) else np.nan
        words = f"Confidence, {FAMILY_NAMES[family].lower()}: median {middle:.2f}, 5 % below {low:.2f}."
        panels.append(Panel(f"confidence_{family}", figure, words))
    reading = (
        "How sure the selector is of slice and point, for all targets of the store. A heap at the left is a view that "
        "this scanner or protocol shows differently from what the selector knows: look at previews of such studies."
    )
    return Drawing("Confidence of the place", tuple(panels), reading)


@styled
def _error_drawing(errors: Sequence[LocationError]) -> Drawing:
    """Plot errors in slices and in mm."""
    panels = []
    figure, axis = new_panel("Slices from the marked one")
    for number, family in enumerate(Family):
        steps = np.array([one.slices for one in errors if one.family is family])
        if len(steps):
            within = [float((steps <= most).mean()) for most in _STEPS]
            axis.plot(_STEPS, within, "osD"[number], linestyle=("-", "--", "-.")[number], color=SERIES_COLORS[number],
                      label=FAMILY_NAMES[family])  # fmt: skip
    axis.set(
        xlabel="at most so many slices away", ylabel="fraction of the targets", ylim=(0, 1.03), xticks=_STEPS
    )
    axis.legend(loc="lower right")
    exact = np.mean([one.slices == 0 for one in errors])
    panels.append(
        Panel("location_slices", figure, f"Chosen slices: {exact:.0%} of {len(errors)} are the marked one.")
    )
    figure, axis = new_panel("Distance in the plane")
    for number, family in enumerate(Family):
        mm = np.sort([one.mm for one in errors if one.family is family and np.isfinite(one.mm)])
        if len(mm):
            axis.plot(mm, (np.arange(len(mm)) + 1) / len(mm), linestyle=("-", "--", "-.")[number],
                      color=SERIES_COLORS[number], label=FAMILY_NAMES[family])  # fmt: skip
    known = np.array([one.mm for one in errors if np.isfinite(one.mm)])
    axis.set(xlabel="at most so many mm away", ylabel="fraction of the targets", ylim=(0, 1.03))
    axis.set_xlim(0, max(5.0, float(np.quantile(known, 0.98)) if len(known) else 5.0))
    axis.legend(loc="lower right")
    middle = np.median(known) if len(known) else np.nan
    panels.append(Panel("location_mm", figure, f"In-plane distance from the mark: median {middle:.1f} mm."))
    reading = (
        "First: which part of the targets was found within so many slices of the one that a reader marked. Second: "
        "the same for the distance within the slice. Every study was located by a selector that had not seen it."
    )
    return Drawing("Errors of the place", tuple(panels), reading)


def _error_table(errors: Sequence[LocationError]) -> Table:
    """Tabulate errors by family, beside baselines."""
    lines: list[Row] = []
    for one in summarize_location_errors(errors):
        hits = [
            f"{100 * value:.0f} %"
            for value in (one.selector.exact, one.selector.within_1, one.selector.within_2)
        ]
        base = f"{100 * one.baseline.exact:.0f} % ({one.baseline_name})"
        lines.append(
            (FAMILY_NAMES[one.family], one.n, *hits, base, f"{one.median_mm:.1f}", f"{one.p95_mm:.1f}")
        )
    columns = (
        "Condition", ("Marked", "number"), ("Same slice", "number"), ("Within 1", "number"), ("Within 2", "number"),
        "Baseline: same slice", ("Median mm", "number"), ("95 % within mm", "number"),
    )  # fmt: skip
    return Table("Errors of the place by condition", columns, tuple(lines))
