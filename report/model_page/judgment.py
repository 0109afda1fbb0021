"""The sections on how probabilities fit the readers' grades: curves, calibration, confusion and decisions."""

from __future__ import annotations

from lsdc.ensemble.model import Model
from lsdc.ensemble.thresholds import CAUGHT, Thresholds
from lsdc.ensemble.weighting import MEANING, Weighting
from lsdc.report.model_page.calibration import calibration_rows, draw_calibration
from lsdc.report.model_page.confusions import draw_confusion
from lsdc.report.model_page.curves import decision_rows, draw_decisions, draw_precision, draw_roc
from lsdc.report.model_page.family_rows import EVENTS, FamilyRows
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.plot_panels import FAMILY_NAMES
from lsdc.report.sections import Drawing, Section, Table

_WEIGHTINGS: dict[Weighting, str] = {"competition": "competition", "none": "clinic"}
_CLINIC = (
    "Probabilities are those for the clinic (`--weighting none`): how probable each grade is, if grades are as "
    "frequent as where the model learned. They are those for the competition's score, divided by its weights 1, 2 and "
    "4 and by their new sum."
)
_COMPETITION = f"Those for the competition (`--weighting competition`) are {MEANING['competition']}."
_AS_ABOVE = "Probabilities are those for the clinic, which are explained above."


def judgment_sections(model: ScoredModel) -> tuple[Section, ...]:
    """Show how the stack's nested predictions fit the readers' grades.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    tuple of Section
        Curves, calibration, confusion and decisions.
    """
    rows = FamilyRows.all_of(model.grades, model.nested)
    clinic = tuple(family.weighted("none") for family in rows)
    opened = model.opened
    kept = opened.thresholds if isinstance(opened, Model) else Thresholds.of(opened.nested)
    return (_curves(clinic), _calibration(rows, clinic), _confusion(rows, clinic), _decisions(clinic, kept))


def _curves(clinic: tuple[FamilyRows, ...]) -> Section:
    """Show ROC curves, and precision and recall."""
    return Section(
        "curves",
        "Telling grades apart",
        (
            Drawing(
                "ROC curves", draw_roc(clinic, "roc"),
                "Every point is a cut-off: how many of the diseased levels are found (up) for how many false alarms "
                "among the others (right). A curve in the upper left corner is good, the dotted line is chance. The "
                "area under the curve (AUC) is the chance that a diseased level gets a higher probability than "
                "another one.",
            ),
            Drawing(
                "Precision and recall", draw_precision(clinic, "precision_recall"),
                "How many of the levels that were called are diseased (up) when so many of the diseased are found "
                "(right). The dotted line is what calling at random gives. Where a grade is rare, this plot is harder "
                "to please than the ROC curve.",
            ),
        ),
        f"Solid: moderate or worse against normal or mild. Dashed: severe against the rest. {_CLINIC}",
    )  # fmt: skip


def _calibration(rows: tuple[FamilyRows, ...], clinic: tuple[FamilyRows, ...]) -> Section:
    """Show calibration by both weightings."""
    parts: list[Drawing | Table] = []
    for weighting, families in zip(_WEIGHTINGS, (rows, clinic)):
        name = _WEIGHTINGS[weighting]
        counted = (
            "Targets count 1, 2 or 4 times by their grade here, as in the competition's score."
            if weighting == "competition"
            else "Every target counts once: this is what a clinic sees."
        )
        parts.append(
            Drawing(
                f"Calibration for the {name}",
                draw_calibration(families, f"calibration_{name}"),
                f"Targets are sorted by predicted probability and dealt into groups of equal size. A dot on the "
                f"dotted line: what was said to be probable happened as often. Above it: it happened more often than "
                f"said. Bars are 95 % intervals. {counted}",
            )
        )
        parts.append(
            Table(
                f"Calibration for the {name}: the numbers",
                (
                    "Condition", "What", ("Predicted", "number"), ("Observed, with 95 % interval", "number"),
                    ("True, of targets", "number"),
                ),
                calibration_rows(families),
                folded=True,
            )
        )  # fmt: skip
    lead = f"Both kinds of probabilities are shown; those for the clinic are explained above. {_COMPETITION}"
    return Section("calibration", "Calibration", tuple(parts), lead)


def _confusion(rows: tuple[FamilyRows, ...], clinic: tuple[FamilyRows, ...]) -> Section:
    """Show confusion matrices by both weightings."""
    drawings = [
        Drawing(
            f"Confusion for the {name}",
            draw_confusion(families, f"confusion_{name}"),
            "Rows are the reader's grades, columns the most probable predicted ones; each cell gives the number of "
            "levels and its share of the row. All on the diagonal would be full agreement; "
            "kappa, Cohen's with quadratic weights, is then 1. "
            + (
                "Probabilities for the competition lean towards severe, since missing it costs four times as much."
                if name == "competition"
                else "Probabilities for the clinic call severe only where it is the most probable grade."
            ),
        )
        for name, families in zip(_WEIGHTINGS.values(), (rows, clinic))
    ]
    return Section("confusion", "Confusion", tuple(drawings))


def _decisions(clinic: tuple[FamilyRows, ...], kept: Thresholds) -> Section:
    """Show what cut-offs would do."""
    parts: list[Drawing | Table] = []
    columns = (
        "Condition", ("Cut-off", "number"), ("Called", "number"), ("Sensitivity", "number"), ("Specificity", "number"),
        ("Positive predictive value", "number"), ("Negative predictive value", "number"),
    )  # fmt: skip
    for event in EVENTS:
        slug = event.replace(" ", "_")
        panels = draw_decisions(clinic, event, f"decisions_{slug}")
        if panels:
            parts.append(
                Drawing(
                    f"Decisions: {event}", panels,
                    f"A level is called “{event}” when its probability is at least the cut-off. A low cut-off "
                    "finds more (sensitivity) and raises more false alarms (specificity, positive predictive value). "
                    "Bands are 95 % intervals.",
                )
            )  # fmt: skip
        parts.append(
            Table(
                f"Decisions at some cut-offs: {event}", columns, decision_rows(clinic, event),
                "Percent with Wilson's 95 % interval, which takes levels for independent; those of one patient are "
                "not quite, so true intervals are somewhat wider. Choose a cut-off on these studies, and confirm it "
                "on others.",
                folded=True,
            )
        )  # fmt: skip
    lines = tuple(
        (
            FAMILY_NAMES[family], event, f"{100 * one.cutoff:.1f} %", f"{100 * one.sensitivity:.0f} %",
            f"{100 * one.specificity:.0f} %", f"{one.cases} of {one.cases + one.others}",
        )
        for event, found in zip(EVENTS, (kept.moderate, kept.severe))
        for family, one in found.items()
    )  # fmt: skip
    if lines:
        parts.append(
            Table(
                "Cut-offs by which grades are excluded",
                (
                    "Condition", "What", ("Cut-off", "number"), ("Sensitivity", "number"), ("Specificity", "number"),
                    ("True, of targets", "number"),
                ),
                lines,
                f"Below the cut-off a grade counts as excluded: {100 * CAUGHT:.0f} % of the true cases lie above it. "
                "They were chosen on the rows that they are measured on. Conditions with too few cases have none.",
            )
        )  # fmt: skip
    return Section("decisions", "Decision thresholds", tuple(parts), _AS_ABOVE)
