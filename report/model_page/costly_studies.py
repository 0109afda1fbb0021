"""The studies that lost most of the official score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from lsdc.cohort.location import Status
from lsdc.cohort.vocabulary import TARGETS, Grade, Target
from lsdc.ensemble.weighting import reweighted
from lsdc.metrics.official import EPS, GRADE_WEIGHTS, Grades, Probabilities, study_losses
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.model_page.target_sight import StatusOf, linked
from lsdc.report.plot_panels import CONDITION_NAMES, LEVEL_NAMES
from lsdc.report.sections import Section, Table

SHOWN = 24
"""How many studies are listed."""
_WORST = 3


@dataclass(frozen=True)
class CostlyTarget:
    """A target whose prediction cost much.

    Parameters
    ----------
    target : Target
        Condition and level.
    truth : int
        The reader's grade, 0 to 2.
    probabilities : tuple of float
        How probable the three grades were said to be, without the weights of the competition's score.
    status : Status or None
        Whether it was seen; None where that is not known.
    """

    target: Target
    truth: int
    probabilities: tuple[float, ...]
    status: Status | None = None

    @property
    def words(self) -> str:
        """Truth and prediction, such as `Canal L4/L5: read Severe (3 %), most probable Normal/Mild (90 %)`."""
        most = int(np.argmax(self.probabilities))
        called = f"most probable {list(Grade)[most].title} ({100 * self.probabilities[most]:.0f} %)"
        if self.status is Status.NOT_SEEN:
            called = "not seen, so that no grade is given"
        elif self.status is Status.UNSURE:
            called += ", its place is unsure"
        place = f"{CONDITION_NAMES[self.target.condition]} {LEVEL_NAMES[self.target.level]}"
        truth = list(Grade)[self.truth].title
        return f"{place}: read {truth} ({100 * self.probabilities[self.truth]:.0f} %), {called}"


@dataclass(frozen=True)
class CostlyStudy:
    """A study and what it costs.

    Parameters
    ----------
    study_id : str
        Its id.
    share : float
        Its part of the official score's sum, 0 to 1; all studies together have 1.
    worst : tuple of CostlyTarget
        The targets that cost most, at most three.
    """

    study_id: str
    share: float
    worst: tuple[CostlyTarget, ...]


def costly_studies(
    studies: tuple[str, ...],
    grades: Grades,
    probabilities: Probabilities,
    first: int = SHOWN,
    statuses: StatusOf | None = None,
) -> tuple[CostlyStudy, ...]:
    """Find the studies with the largest share of the official score.

    The score is that of probabilities for the competition; those that are returned are without its weights, as pages
    of studies show them.

    Parameters
    ----------
    studies : tuple of str
        The n ids.
    grades : (n, 5, 5) int8
        -1 where unlabeled.
    probabilities : (n, 5, 5, 3) float
        For the competition's score; rows that sum to 1.
    first : int
        How many at most.
    statuses : mapping of (str, Target) to Status, optional
        Whether targets were seen. Default: that is not known.

    Returns
    -------
    tuple of CostlyStudy
        The costliest first.
    """
    losses = study_losses(grades, probabilities)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = losses.loss / losses.weight.sum(axis=0)
    cost = np.nansum(parts, axis=1)
    share = cost / max(float(cost.sum()), EPS)
    labeled = grades >= 0
    given = np.take_along_axis(probabilities, np.maximum(grades, 0)[..., None], axis=-1)[..., 0]
    row_loss = np.where(labeled, -GRADE_WEIGHTS[grades] * np.log(np.clip(given, EPS, 1)), -1.0)
    said = reweighted(probabilities, "none").reshape(len(studies), -1, len(Grade))
    known = statuses or {}
    found = []
    for k in np.argsort(-share, kind="stable")[:first]:
        flat = row_loss[k].ravel()
        worst = [j for j in np.argsort(-flat, kind="stable")[:_WORST] if flat[j] > 0]
        targets = tuple(
            CostlyTarget(
                TARGETS[j],
                int(grades[k].ravel()[j]),
                tuple(said[k, j].tolist()),
                known.get((studies[k], TARGETS[j])),
            )
            for j in worst
        )
        found.append(CostlyStudy(studies[k], float(share[k]), targets))
    return tuple(found)


def costly_section(model: ScoredModel, page: Path, pages: Path | None, statuses: StatusOf) -> Section:
    """List the studies that lost most, with links to their pages.

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
        One table.
    """
    found = costly_studies(model.studies, model.grades, model.nested, statuses=statuses)
    names = [linked(one.study_id, page, pages) for one in found]
    rows = tuple(
        (name, f"{100 * one.share:.1f} %", Markup("").join(_line(target.words) for target in one.worst))
        for name, one in zip(names, found)
    )
    even = 100 * len(found) / max(len(model.studies), 1)
    table = Table(
        f"The {len(found)} studies that lost most",
        ("Study", ("Share", "number"), "Costliest targets: what was read, and how probable it was"),
        rows,
        "Share: the part of the official score that a study carries. Together they carry "
        f"{100 * sum(one.share for one in found):.0f} % of that of {len(model.studies)} studies; if all cost the "
        f"same, they would carry {even:.0f} %. "
        "Look first for a wrong level, a wrong side, or a label that you would not have given. "
        "Studies are ranked by the official score, which counts moderate twice and severe four times. Percents and "
        "most probable grades are those for the clinic, without these weights, as on the study's own page. Here they "
        "are of stacks that were fitted without the study's fold, there of the finished stack: they can differ "
        "somewhat.",
    )
    absent = ""
    if model.hides_ids:
        absent = (
            "The studies' own ids: a model hides them behind pseudonyms; the store that it was fitted on gives them "
            "back (`--store STORE`)."
        )
    elif pages is None:
        absent = (
            "Links to the pages of these studies: make the pages with `lsdc grade DATA --out PAGES`, "
            "and give their folder as `--studies PAGES/studies`."
        )
    elif not any(isinstance(name, Markup) for name in names):
        absent = f"Links: none of these studies has a page in {pages.name}."
    return Section("costly", "Studies that lost most", (table,), absent=absent)


def _line(words: str) -> Markup:
    """Set a sentence on a line of its own, which breaks on phones alone."""
    return Markup('<span class="line">{}</span>').format(words)
