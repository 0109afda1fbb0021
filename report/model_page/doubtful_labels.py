"""The labels that are probably wrong, as the stack's nested predictions tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Condition, Grade, Level, parse_row_id
from lsdc.ensemble.suspects.ranking import rank_labels
from lsdc.ensemble.weighting import reweighted
from lsdc.metrics.prediction_tables import COLUMNS
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.model_page.target_sight import StatusOf, linked
from lsdc.report.plot_panels import CONDITION_NAMES, LEVEL_NAMES
from lsdc.report.sections import Section, Table
from lsdc.runtime import TableError

SHOWN = 24
"""How many labels are listed."""


def suspect_section(model: ScoredModel, page: Path, pages: Path | None, statuses: StatusOf) -> Section:
    """List the labels that are probably wrong, as the nested predictions tell.

    Labels of targets that were not seen are left out: what is predicted there says nothing against a reader.

    Parameters
    ----------
    model : ScoredModel
        The model.
    page : Path
        Where the model's page will be: links are relative to its folder.
    pages : Path or None
        Folder of study pages.
    statuses : mapping of (str, Target) to Status
        Whether targets were seen; empty where that is not known.

    Returns
    -------
    Section
        One table, or why there is none.
    """
    title = "Doubtful labels"
    nested = model.opened.nested
    parsed = [parse_row_id(row_id) for row_id in nested["row_id"]]
    name_of = dict(zip(dict.fromkeys(study for study, _ in parsed), model.studies))
    status = [statuses.get((name_of[study], target)) for study, target in parsed]
    seen = np.array([one is not Status.NOT_SEEN for one in status], bool)
    try:
        ranked, readers = rank_labels(nested[seen])
    except TableError as error:
        return Section("suspects", title, absent=f"Doubtful labels cannot be told: {error}.")
    clinic = dict(zip(nested["row_id"], reweighted(nested[COLUMNS].to_numpy(float), "none")))
    status_of = dict(zip(nested["row_id"], status))
    rows = tuple(
        (
            linked(name_of[row["study_id"]], page, pages),
            f"{CONDITION_NAMES[Condition(row['condition'])]} {LEVEL_NAMES[Level(row['level'])]}",
            Grade(row["label"]).title,
            Grade(row["proposed"]).title,
            f"{100 * row['wrong']:.0f} %",
            f"{100 * clinic[row['row_id']][list(Grade).index(row['label'])]:.0f} %",
            *((status_of[row["row_id"]] or "-",) if statuses else ()),
        )
        for row in ranked.head(SHOWN).to_dict("records")
    )
    wrong, left_out = ranked["wrong"], int((~seen & (nested["grade"] >= 0).to_numpy(bool)).sum())
    unseen = (
        f"{left_out} labels of targets that were not seen are left out."
        if statuses
        else "Targets that were not seen may be among them: give the store that the model was fitted on, as "
        "`--store STORE`, to leave those out."
    )
    table = Table(
        "The most doubtful labels",
        (
            "Study", "Target", "Label", "Proposed", ("Label wrong", "number"),
            ("Its probability, for the clinic", "number"), *(("Place",) if statuses else ()),
        ),
        rows,
        f"A reader who confuses grades was estimated for {len(readers)} families. Of {len(wrong)} labels "
        f"{int((wrong > 0.5).sum())} are more probably wrong than right; {wrong.sum():.0f} are expected to be wrong. "
        f"{unseen} "
        "`lsdc-ensemble suspects MODEL --store STORE --out DIR` draws their crops and lists all; a person decides.",
    )  # fmt: skip
    return Section("suspects", title, (table,))
