"""The labels that are probably wrong, as the stack's nested predictions tell."""

from __future__ import annotations

from lsdc.cohort.vocabulary import Condition, Grade, Level, parse_row_id
from lsdc.ensemble.suspects.ranking import rank_labels
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.plot_panels import CONDITION_NAMES, LEVEL_NAMES
from lsdc.report.sections import Section, Table
from lsdc.runtime import TableError

SHOWN = 24
"""How many labels are listed."""


def suspect_section(model: ScoredModel) -> Section:
    """List the labels that are probably wrong, as the nested predictions tell.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    Section
        One table, or why there is none.
    """
    title = "Doubtful labels"
    try:
        ranked, readers = rank_labels(model.opened.nested)
    except TableError as error:
        return Section("suspects", title, absent=f"Doubtful labels cannot be told: {error}.")
    hidden = dict.fromkeys(parse_row_id(row_id)[0] for row_id in model.opened.nested["row_id"])
    name_of = dict(zip(hidden, model.studies))
    rows = tuple(
        (
            name_of[row["study_id"]],
            f"{CONDITION_NAMES[Condition(row['condition'])]} {LEVEL_NAMES[Level(row['level'])]}",
            Grade(row["label"]).title,
            Grade(row["proposed"]).title,
            f"{100 * row['wrong']:.0f} %",
            f"{100 * row['predicted']:.0f} %",
        )
        for row in ranked.head(SHOWN).to_dict("records")
    )
    wrong = ranked["wrong"]
    table = Table(
        "The most doubtful labels",
        (
            "Study", "Target", "Label", "Proposed", ("Label wrong", "number"), ("Probability given to it", "number"),
        ),
        rows,
        f"A reader who confuses grades was estimated for {len(readers)} families. Of {len(wrong)} labels "
        f"{int((wrong > 0.5).sum())} are wrong with more than one half; {wrong.sum():.0f} are expected to be. "
        "`lsdc-ensemble suspects MODEL --store STORE --out DIR` draws their crops and lists all; a person decides.",
    )  # fmt: skip
    return Section("suspects", title, (table,))
