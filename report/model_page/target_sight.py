"""What the listed targets look like elsewhere: whether they were seen, and the page of their study."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import Condition, Level, Target
from lsdc.features.sight import rows_with_status
from lsdc.features.store import FeatureStore

StatusOf = Mapping[tuple[str, Target], Status]
"""By study id and target: whether it was seen; empty where no store was given."""


def statuses_of(store: FeatureStore | None) -> StatusOf:
    """Look up which targets a store says were seen.

    Parameters
    ----------
    store : FeatureStore or None
        The store that a model was fitted on.

    Returns
    -------
    mapping of (str, Target) to Status
        Empty without a store.
    """
    if store is None:
        return {}
    rows = rows_with_status(store.rows)
    parts = (rows[name] for name in ("study_id", "condition", "level", "status"))
    return {
        (str(study), Target(Condition(condition), Level(level))): Status(status)
        for study, condition, level, status in zip(*parts)
    }


def linked(study_id: str, page: Path, pages: Path | None) -> str | Markup:
    """Name a study, with a link where it has a page.

    Parameters
    ----------
    study_id : str
        Its id.
    page : Path
        Where the page with the link will be: the link is relative to its folder.
    pages : Path or None
        Folder of study pages.

    Returns
    -------
    str or Markup
        The id, as a link if `STUDY.html` is in that folder.
    """
    file = None if pages is None else pages / f"{study_id}.html"
    if file is None or not file.is_file():
        return study_id
    way = Path(os.path.relpath(file.resolve(), page.resolve().parent)).as_posix()
    return Markup('<a href="{}">{}</a>').format(quote(way), study_id)
