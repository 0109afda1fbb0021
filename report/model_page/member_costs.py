"""Each member alone, and what leaving it out of the plain mean costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lsdc.metrics.bootstrap import Interval, bootstrap_interval
from lsdc.metrics.official import study_losses
from lsdc.report.model_page.loss_table import difference, signed, spelled
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import new_panel, styled
from lsdc.report.sections import Drawing, Listing, Panel, Section, Table

_RESAMPLES = 1000


@dataclass(frozen=True)
class MemberCost:
    """One member of a model.

    Parameters
    ----------
    name : str
        The member.
    alone : Interval
        Official score of its out-of-fold predictions.
    without : Interval or None
        Score of the plain mean of the other members minus that of all; above zero the member helps. None for a
        member that has no others beside it.
    weights : dict of str to float
        By family: its own weight in the tuned mix, without what stackers make of it.
    rows_missing : int
        Labeled rows that it lacks.
    """

    name: str
    alone: Interval
    without: Interval | None
    weights: dict[str, float]
    rows_missing: int


def member_costs(model: ScoredModel, seed: int = 0) -> tuple[MemberCost, ...]:
    """Measure each member without fitting anything anew.

    Parameters
    ----------
    model : ScoredModel
        The model.
    seed : int
        Of the bootstrap over studies.

    Returns
    -------
    tuple of MemberCost
        In the model's order; empty for a blend.
    """
    if model.data is None:
        return ()
    names, n = list(model.data.predictions.members), len(model.grades)
    outcome = model.opened.outcome
    whole = study_losses(model.grades, model.mean_of(names))
    found = []
    for name in names:
        others = [other for other in names if other != name]
        single = study_losses(model.grades, model.members_alone[name])
        without = None
        if others:
            without = difference(study_losses(model.grades, model.mean_of(others)), whole, seed)
        found.append(
            MemberCost(
                name,
                bootstrap_interval(single.totals, n, seed, _RESAMPLES),
                without,
                {family: weights.get(name, 0.0) for family, weights in outcome.weights.items()},
                outcome.report.missing.get(name, 0),
            )
        )
    return tuple(found)


def member_section(model: ScoredModel) -> Section:
    """Show what the members are worth.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    Section
        Two panels, and tables of members and of weights.
    """
    costs = member_costs(model)
    weights = model.opened.outcome.weights_table()
    mix = Table(
        "Weights of members and stackers in the tuned mix",
        ("Member or stacker", *((str(family), "number") for family in weights)),
        tuple((str(name), *(f"{100 * value:.0f} %" for value in row)) for name, *row in weights.itertuples()),
        "What the search chose, by family; a stacker such as `context_pool` is itself fitted on the members.",
        folded=True,
    )
    if not costs:
        return Section(
            "members", "Members", (mix,), absent="Members alone: a blend does not keep what its members predicted; "
            "`lsdc-ensemble evaluate LABELS TABLES...` scores their tables.",
        )  # fmt: skip
    table = Table(
        "Members",
        (
            "Member",
            ("Alone", "number"),
            ("Plain mean without it", "number"),
            ("Labeled targets it lacks", "number"),
        ),
        tuple(
            (
                cost.name,
                spelled(cost.alone),
                "-" if cost.without is None else signed(cost.without),
                cost.rows_missing,
            )
            for cost in costs
        ),
        "Alone: official score of the member's out-of-fold predictions. Plain mean without it: by how much the score "
        "of the plain mean of the members changes, in which nothing is fitted; above zero the member helps. With 95 % "
        "intervals over studies.",
    )
    drawing = Drawing(
        "Members alone and the cost of leaving one out",
        _draw(costs),
        "First: the score of each member alone, lower is better. Second: how much the plain mean of the members gets "
        "worse when one is left out, compared study by study; nothing is fitted again. Right of zero the member "
        "helps; a line across zero means that these studies cannot tell.",
    )
    return Section("members", "Members", (drawing, table, mix, *_exhaustion(model)))


def _exhaustion(model: ScoredModel) -> tuple[Listing, ...]:
    """Say what would still help, where the fit measured it."""
    found = model.opened.outcome.exhaustion
    if found is None:
        return ()
    lines = tuple(f"{words[:1].upper()}{words[1:]}." for words in found.sentences())
    reading = (
        "Gains are of the official score, with 95 % intervals over studies: above zero helps. What a member adds is "
        "measured here in a pool that is fitted anew without it, and without each fold; the table above leaves it out "
        "of the plain mean, in which nothing is fitted. So the two differ. New members are simulated, with the errors "
        "that are named."
    )
    return (Listing("What would still help, and what would not", lines, reading),)


@styled
def _draw(costs: tuple[MemberCost, ...]) -> tuple[Panel, ...]:
    """Plot scores alone and costs, one panel each."""
    height = 1.4 + 0.32 * len(costs)
    panels = []
    for name, title, label, intervals in (
        ("members_alone", "Each member alone", "official score (lower is better)", [c.alone for c in costs]),
        (
            "members_left_out",
            "Cost of leaving it out",
            "change of the plain mean's score",
            [c.without for c in costs],
        ),
    ):
        known = [(cost.name, one) for cost, one in zip(costs, intervals) if one is not None]
        if not known:
            continue
        figure, axis = new_panel(title, height=height)
        y = np.arange(len(known))
        axis.hlines(y, [one.low for _, one in known], [one.high for _, one in known], color=SERIES_COLORS[0])
        axis.plot([one.value for _, one in known], y, "o", color=SERIES_COLORS[0])
        axis.set_yticks(y, [word for word, _ in known])
        axis.set_ylim(len(known) - 0.5, -0.5)
        axis.set_xlabel(label)
        if name == "members_left_out":
            axis.axvline(0, color="#8b93a0", linewidth=1, linestyle=":")
        said = "; ".join(
            f"{word} {one.value:+.3f}" if "left" in name else f"{word} {one.value:.3f}" for word, one in known
        )
        panels.append(Panel(name, figure, f"{title}: {said}."))
    return tuple(panels)
