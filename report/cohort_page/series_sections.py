"""The sections on series: how many of each view, how they were acquired, and which were chosen."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import View
from lsdc.report.cohort_page.series_facts import NO_VIEW
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import new_panel, styled
from lsdc.report.sections import Drawing, Panel, Section, Table

_VIEWS = [view.value for view in View]
_MEASURES = {
    "slices": ("Slices", "slices of a stack"),
    "columns": ("Image width", "px"),
    "spacing_mm": ("Pixel spacing", "mm"),
    "distance_mm": ("Distance from slice to slice", "mm"),
    "echo_ms": ("Echo time (TE)", "ms"),
    "repetition_ms": ("Repetition time (TR)", "ms"),
}
_DASHES = ("-", "--", "-.")


def view_section(facts: pd.DataFrame, studies: int) -> Section:
    """Show how many series each view has.

    Parameters
    ----------
    facts : DataFrame
        What `series_facts` gave.
    studies : int
        Number of studies.

    Returns
    -------
    Section
        One table.
    """
    lines = []
    for view in _VIEWS:
        own = facts[facts["view"] == view]
        per_study = own.groupby("study_id")["series_id"].nunique()
        several = int((per_study > 1).sum())
        lines.append(
            (
                view,
                f"{len(per_study)} ({100 * len(per_study) / max(studies, 1):.0f} %)",
                studies - len(per_study),
                several,
                int(own.groupby(["study_id", "series_id"]).ngroups),
                len(own),
                int(own["slices"].sum()),
                _spread(own["slices"], 0),
            )
        )
    columns = (
        "View", ("Studies with it", "number"), ("Without", "number"), ("With several", "number"), ("Series", "number"),
        ("Stacks", "number"), ("Slices in all", "number"), ("Slices of a stack: median (5 to 95 %)", "number"),
    )  # fmt: skip
    reading = (
        "A study without a view still has its 25 targets; those that are graded in that view are then “not seen”. "
        "A stack is a run of parallel slices; one series may hold several. Several axial stacks usually are blocks of "
        "levels; of several sagittal series one is chosen."
    )
    return Section("views", "Series by view", (Table("Series by view", columns, tuple(lines), reading),))


def acquisition_section(facts: pd.DataFrame) -> Section:
    """Show how series were acquired.

    Parameters
    ----------
    facts : DataFrame
        What `series_facts` gave.

    Returns
    -------
    Section
        A panel for each measure, and tables of matrices, vendors and fields.
    """
    used = facts[facts["view"] != NO_VIEW]
    if used.empty:
        return Section(
            "acquisition", "Acquisition", absent="How series were acquired: no series is one of the views."
        )
    sizes = used["rows"].astype(str) + " x " + used["columns"].astype(str)
    common = tuple(
        (view, ", ".join(f"{size} ({count})" for size, count in Counter(own).most_common(6)))
        for view in _VIEWS
        if len(own := sizes[used["view"] == view].tolist())
    )
    one_each = used.drop_duplicates("study_id")
    field = one_each["field_t"].map(lambda tesla: f"{tesla:g} T" if np.isfinite(tesla) else "unknown")
    scanners = pd.crosstab(one_each["vendor"], field)
    parts = (
        Drawing(
            "How the views were acquired", _draw_measures(used),
            "Each line shows which part of the stacks (up) has at most the value (right): steep where all are alike, "
            "steps where several protocols meet. A long tail is a protocol that a model may not have seen.",
        ),
        Table("Image sizes, height x width in px (number of stacks)", ("View", "Most common"), common),
        Table(
            "Studies by vendor and field strength", ("Vendor", *((str(name), "number") for name in scanners)),
            tuple((str(name), *(int(value) for value in row)) for name, *row in scanners.itertuples()),
            "By the first series of each study. Vendors are recognized from a short list; other words of a header are "
            "not repeated here.",
        ),
    )  # fmt: skip
    return Section("acquisition", "Acquisition", parts)


@styled
def _draw_measures(used: pd.DataFrame) -> tuple[Panel, ...]:
    """Plot the distribution of each measure by view."""
    panels = []
    for name, (title, unit) in _MEASURES.items():
        figure, axis = new_panel(title, height=2.9)
        said = []
        for number, view in enumerate(_VIEWS):
            values = np.sort(used.loc[(used["view"] == view) & used[name].notna(), name].to_numpy(float))
            if len(values):
                axis.plot(
                    np.concatenate([values[:1], values]), np.linspace(0, 1, len(values) + 1),
                    drawstyle="steps-post", color=SERIES_COLORS[number], linestyle=_DASHES[number], label=view,
                )  # fmt: skip
                said.append(f"{view} {np.median(values):.4g}")
        if not said:
            continue
        axis.set(xlabel=unit, ylabel="fraction of stacks", ylim=(0, 1.03))
        figure.legend(loc="outside lower center", ncols=3)
        panels.append(Panel(f"acquisition_{name}", figure, f"{title}, {unit}; medians: {', '.join(said)}."))
    return tuple(panels)


def choice_section(choices: pd.DataFrame, by_store: bool) -> Section:
    """Show which series were passed over, and why.

    Parameters
    ----------
    choices : DataFrame
        What `choices_of` gave.
    by_store : bool
        Whether a store's extraction decided.

    Returns
    -------
    Section
        One table.
    """
    chosen = choices["view"] != NO_VIEW
    counts = choices[~chosen].groupby(["plane", "passed_over"]).size().reset_index(name="count")
    counts = counts.sort_values("count", ascending=False, kind="stable")
    lines = tuple(
        (reason or "no reason given", plane, count) for plane, reason, count in counts.itertuples(index=False)
    )
    lead = (
        f"{int(chosen.sum())} of {len(choices)} stacks of slices are used as views, {int((~chosen).sum())} were "
        "passed over. "
    ) + (
        "This is what the extraction of the store decided, by headers and pictures."
        if by_store
        else "This is by headers alone; where they do not tell which part of the patient a series shows, `extract` "
        "also looks at the pictures. Give the finished store as `--store STORE` to see what it decided."
    )
    if not lines:
        return Section("choice", "Chosen and passed over", lead=lead)
    table = Table(
        "Series that were passed over",
        ("Reason", "Plane", ("Stacks", "number")),
        lines,
        "A reason that surprises you is worth a look: `series.csv` in a store names every series.",
    )
    return Section("choice", "Chosen and passed over", (table,), lead)


def _spread(values: pd.Series, digits: int) -> str:
    """Write median and 5 and 95 percentiles."""
    if values.empty:
        return "-"
    low, middle, high = values.quantile([0.05, 0.5, 0.95])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
