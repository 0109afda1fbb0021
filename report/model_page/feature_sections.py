"""The sections on what the members use, and on whether more studies would help; both ask the store again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lsdc.report.model_page.learning_curve import CurvePoint, learning_curve
from lsdc.report.model_page.loss_table import signed, spelled
from lsdc.report.model_page.own_store import OwnStore
from lsdc.report.model_page.permutation import GroupCost, permutation_costs
from lsdc.report.model_page.tree_shap import FeatureShares, feature_shares
from lsdc.report.pages.figures import SERIES_COLORS
from lsdc.report.plot_panels import FAMILY_NAMES, new_panel, styled
from lsdc.report.sections import Drawing, Panel, Section, Table
from lsdc.runtime.worker_process import on_one_thread

_MOST_FEATURES = 14
_FEATURES, _CURVE = "Which features matter", "Would more studies help?"


def feature_sections(own: OwnStore | None, why_not: str) -> tuple[Section, Section]:
    """Show what the members use, and a learning curve.

    Parameters
    ----------
    own : OwnStore or None
        The model with its store.
    why_not : str
        Why there is no such store, and what makes it possible.

    Returns
    -------
    tuple of Section
        Both sections, also where they cannot be shown.
    """
    if own is None:
        return (
            Section("features", _FEATURES, absent=f"Which features matter: {why_not}"),
            Section("learning", _CURVE, absent=f"The learning curve: {why_not}"),
        )
    with on_one_thread():  # the matrices are small: more threads would wait for each other
        return _features(permutation_costs(own), feature_shares(own)), _curve(learning_curve(own.training))


def _features(costs: Sequence[GroupCost], shares: Sequence[FeatureShares]) -> Section:
    """Show the cost of groups of features, and SHAP values of boosted members."""
    parts: list[Drawing | Table] = []
    absent = []
    if costs:
        parts.append(
            Drawing(
                "Cost of exchanging features", _draw_costs(costs),
                "The features of one group are taken from another patient of the same fold (the same target), and the "
                "plain mean of the members that read embeddings and metadata is scored again. Far right: the members "
                "lean on that group. At zero: they could do without, perhaps because another group says the same.",
            )
        )  # fmt: skip
        parts.append(
            Table(
                "Cost of exchanging features: the numbers",
                ("Features", ("Columns", "number"), ("Change of the score", "number")),
                tuple((cost.name, cost.columns, signed(cost.cost)) for cost in costs),
                folded=True,
            )
        )
    else:
        absent.append("The cost of exchanging features: no member puts a head on embeddings and metadata.")
    if shares:
        parts.append(
            Drawing(
                "What moves the boosted members (SHAP)", tuple(map(_draw_shares, shares)),
                "Mean size of what each feature adds to the log-odds of severe, on targets of folds that the trees "
                "never saw, computed from the trees of the boosted members themselves (TreeSHAP). Columns of one "
                "image are added up. Long bars move predictions much, up or down; they do not say that this is right.",
            )
        )  # fmt: skip
    else:
        absent.append(
            "SHAP values: no member is boosted; fit with `--members lightgbm,xgboost` among the others to see them."
        )
    return Section("features", _FEATURES, tuple(parts), absent=" ".join(absent))


@styled
def _draw_costs(costs: Sequence[GroupCost]) -> tuple[Panel, ...]:
    """Plot what exchanging each group costs."""
    figure, axis = new_panel("", width=4.9, height=1.2 + 0.3 * len(costs))
    y = np.arange(len(costs))
    axis.axvline(0, color="#8b93a0", linewidth=1, linestyle=":")
    axis.hlines(y, [one.cost.low for one in costs], [one.cost.high for one in costs], color=SERIES_COLORS[0])
    axis.plot([one.cost.value for one in costs], y, "o", color=SERIES_COLORS[0])
    axis.set_yticks(y, [one.name for one in costs])
    axis.set_ylim(len(costs) - 0.5, -0.5)
    axis.set_xlabel("score lost (official, higher is worse)")
    said = "; ".join(f"{one.name} {one.cost.value:+.3f}" for one in costs)
    return (Panel("features_exchanged", figure, f"Cost of exchanging features: {said}."),)


@styled
def _draw_shares(shares: FeatureShares) -> Panel:
    """Plot the largest mean SHAP values of a family."""
    shown = list(shares.shares.items())[:_MOST_FEATURES]
    figure, axis = new_panel(FAMILY_NAMES[shares.family], width=4.9, height=1.1 + 0.22 * len(shown))
    names = [name.removeprefix("meta_").replace("_", " ") for name, _ in shown]
    axis.barh(names, [value for _, value in shown], color=SERIES_COLORS[0])
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("mean |SHAP| of severe, log-odds")
    said = ", ".join(f"{name} {value:.2f}" for name, (_, value) in list(zip(names, shown))[:5])
    alternative = f"SHAP, {FAMILY_NAMES[shares.family].lower()}, {shares.rows} targets: {said}."
    return Panel(f"features_shap_{shares.family}", figure, alternative)


def _curve(points: Sequence[CurvePoint]) -> Section:
    """Show the learning curve."""
    if not points:
        return Section(
            "learning", _CURVE, absent="The learning curve: fewer than 30 studies are too few to halve."
        )
    steps = pairwise(points)
    gains = ", ".join(
        f"{a.studies} to {b.studies} studies {b.score.value - a.score.value:+.3f}" for a, b in steps
    )
    drawing = Drawing(
        "Learning curve", _draw_curve(points),
        "The logistic member, which is fitted in seconds, was fitted anew on a part of the studies outside each fold "
        "and scored on the fold. A line that still falls at its right end: more labeled studies would help. A flat "
        f"line: something else would. Steps: {gains}. The bars are 95 % intervals over the scored studies, which are "
        "the same at all sizes, so that steps are steadier than the bars suggest.",
    )  # fmt: skip
    return Section("learning", _CURVE, (drawing,))


@styled
def _draw_curve(points: Sequence[CurvePoint]) -> tuple[Panel, ...]:
    """Plot the score by number of studies."""
    figure, axis = new_panel("Logistic member, cross-fitted")
    x, y = [one.studies for one in points], np.array([one.score.value for one in points])
    errors = [y - [one.score.low for one in points], np.array([one.score.high for one in points]) - y]
    axis.errorbar(x, y, yerr=np.array(errors), color=SERIES_COLORS[0], marker="o", capsize=2, elinewidth=0.8)
    axis.set(
        xlabel="studies learned from", ylabel="official score (lower is better)", xlim=(0, max(x) * 1.06)
    )
    said = "; ".join(f"{one.studies} studies {spelled(one.score)}" for one in points)
    return (Panel("learning_curve", figure, f"Learning curve: {said}."),)
