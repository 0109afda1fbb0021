"""The official score and its parts, by family and level, beside what a model has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lsdc.cohort.vocabulary import Family, Level
from lsdc.ensemble.nested_report import NestedReport
from lsdc.report.model_page.loss_table import LossTable, signed, spelled
from lsdc.report.model_page.scored_model import BEST, STACK, ScoredModel
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import FAMILY_NAMES, LEVEL_NAMES, new_panel, styled
from lsdc.report.sections import Drawing, Panel, Row, Section, Table

ALL_LEVELS = "all levels"
_SHORT = {BEST: "best per family"}
"""What the plots call predictions whose name is long."""
PART_NAMES: dict[str, str] = {
    **{str(family): name for family, name in FAMILY_NAMES.items()},
    "any_severe": "Any severe",
}
"""What the pages call the parts of the score."""
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")


def score_section(model: ScoredModel) -> Section:
    """Show the scores of a model beside its baselines.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    Section
        A table by part, a panel for each family, and a table by level.
    """
    sets = {STACK: model.nested, **model.baselines}
    found = {name: LossTable.of(model.grades, cube) for name, cube in sets.items()}
    report = model.opened.outcome.report
    # The fit drew more resamples, with its own seed: the page gives one interval to one score.
    found[STACK] = replace(found[STACK], total=report.interval)
    parts = Table(
        "Official score and its parts, with 95 % intervals",
        ("Predictions", *((word, "number") for word in ("Total", *PART_NAMES.values()))),
        tuple(
            (_capital(name), *(spelled(one) for one in (table.total, *table.parts.values())))
            for name, table in found.items()
        )
        + (() if model.baselines else _recorded(report)),
        "Lower is better. The total is the mean of the four parts. Every prediction comes from parts that were not "
        "fitted on the study: the stack and the baselines were fitted anew without each fold. For each family of "
        "conditions the best member is chosen on the other folds.",
    )
    levels = Table(
        "Weighted log loss by condition and level",
        ("Condition and level", *((_capital(name), "number") for name in found)),
        tuple(
            (
                f"{FAMILY_NAMES[family]}, {LEVEL_NAMES[level]}",
                *(spelled(t.by_level[family, level]) for t in found.values()),
            )
            for family in Family
            for level in Level
        ),
        folded=True,
    )
    drawing = Drawing(
        "Loss by condition and level",
        draw_losses(found),
        "Each dot is the weighted log loss of one set of predictions; lines are 95 % intervals over studies. Left is "
        "better. Where the stack's line lies left of the weighted prior's dot, the model knows more than how frequent "
        "the grades are. Long lines mean few studies with moderate or severe findings.",
    )
    lead = (
        f"Measured on {model.opened.outcome.studies} studies. Against the plain mean of the members the stack's total "
        f"differs by {signed(report.versus_mean)}, against the {BEST}, by "
        f"{signed(report.versus_best_single)}; below zero the stack is better. "
        f"On the studies that the stack itself was fitted on, the total would look like {report.in_sample.total:.3f}: "
        "that figure is too good and is given only as a warning."
    )
    absent = "" if model.baselines else (
        "The baselines by level: a blend keeps only its own nested predictions; a model made by `lsdc-ensemble fit` "
        "keeps those of its members too."
    )  # fmt: skip
    return Section("scores", "Scores beside baselines", (parts, drawing, levels), lead, absent)


def _recorded(report: NestedReport) -> tuple[Row, ...]:
    """Give the scores that a report recorded, without intervals; the stack's own comes from its predictions."""
    rows = report.table().drop(index="stack, nested").rename(index={"best single": BEST})
    return tuple(
        (_capital(str(name)), *(f"{value:.3f}" for value in scores)) for name, *scores in rows.itertuples()
    )


def _capital(name: str) -> str:
    """Begin with a capital letter, and leave the rest: names of members are not changed."""
    return f"{name[:1].upper()}{name[1:]}"


@styled
def draw_losses(found: Mapping[str, LossTable]) -> tuple[Panel, ...]:
    """Plot losses by level, a panel for each family.

    Parameters
    ----------
    found : mapping of str to LossTable
        By name of the predictions; the first is drawn with its interval and on top.

    Returns
    -------
    tuple of Panel
        One per family that has a label.
    """
    panels = []
    rows = [*LEVEL_NAMES.values(), ALL_LEVELS]
    for family in Family:
        figure, axis = new_panel(FAMILY_NAMES[family], height=3.7)
        for number, (name, table) in enumerate(found.items()):
            points = [*(table.by_level[family, level] for level in Level), table.parts[family.value]]
            y = np.arange(len(rows)) + 0.16 * (number - (len(found) - 1) / 2)
            x = np.array([one.value for one in points])
            color = SERIES_COLORS[number]
            axis.plot(x, y, _MARKS[number], color=color, markersize=5, label=_SHORT.get(name, name), zorder=3)
            axis.hlines(
                y, [one.low for one in points], [one.high for one in points], color=color, linewidth=1
            )
        axis.set_yticks(np.arange(len(rows)), rows)
        axis.invert_yaxis()
        axis.set_xlabel("weighted log loss (lower is better)")
        figure.legend(loc="outside lower center", ncols=2)
        said = ", ".join(f"{name} {table.parts[family.value].value:.3f}" for name, table in found.items())
        alternative = f"Loss of the {FAMILY_NAMES[family].lower()} by level; over all levels: {said}."
        if np.isfinite([table.parts[family.value].value for table in found.values()]).any():
            panels.append(Panel(f"scores_{family}", figure, alternative))
    return tuple(panels)
