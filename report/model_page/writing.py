"""The page of a model: what it is worth, where it fails, what it looks at, and where it comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from lsdc.ensemble.bundled.place import BUNDLED, NAME
from lsdc.features.store import FeatureStore
from lsdc.report.cohort_page.cohort_headers import CohortHeaders
from lsdc.report.model_page.costly_studies import costly_section
from lsdc.report.model_page.doubtful_labels import suspect_section
from lsdc.report.model_page.feature_sections import feature_sections
from lsdc.report.model_page.judgment import judgment_sections
from lsdc.report.model_page.locating import locating_section
from lsdc.report.model_page.loss_table import spelled
from lsdc.report.model_page.member_costs import member_section
from lsdc.report.model_page.own_store import OwnStore
from lsdc.report.model_page.provenance import card_section, model_notices, provenance_section
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.model_page.scores import score_section
from lsdc.report.model_page.target_sight import statuses_of
from lsdc.report.model_page.tuning_history import TuningHistory, tuning_section
from lsdc.report.plots import save_plots
from lsdc.report.section_pages import titled, write_sections
from lsdc.report.sections import Section, figures_of
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_file, check_output_folder

_NO_STORE = "give the store that the model was fitted on, as `--store STORE`."
_BLEND = "a blend was fitted on tables; only a model made by `lsdc-ensemble fit` has features."


@dataclass(frozen=True)
class ModelPage:
    """A model's page.

    Parameters
    ----------
    page : Path
        The HTML file; it holds all it shows.
    studies : int
        Studies that the scores are of.
    not_shown : tuple of str
        Sections that are not or not wholly shown; the page says why.
    plots : tuple of Path
        Plots that were written beside it.
    seconds : float
        How long it took.
    """

    page: Path
    studies: int
    not_shown: tuple[str, ...]
    plots: tuple[Path, ...]
    seconds: float


def write_model_page(
    model: PathLike,
    out: PathLike,
    *,
    store: PathLike | None = None,
    data: PathLike | None = None,
    studies: PathLike | None = None,
    plots: PathLike | None = None,
) -> ModelPage:
    """Write a page on a finished model or blend: scores, members, calibration, decisions, failures and provenance.

    All that is shown of predictions is nested or out of fold: no part that predicted a study was fitted on it.

    Parameters
    ----------
    model : path
        What `lsdc-ensemble fit` or `blend` wrote, or the word `bundled`.
    out : path
        HTML file to write.
    store : path, optional
        The store that it was fitted on: for what the selector chose, which features matter, and the learning curve,
        for which fast members are asked and fitted again. Default: these are not shown.
    data : path, optional
        The cohort that the store was made of: its annotated points tell how far located places are from them. Headers
        are read, no pixels. Default: not shown.
    studies : path, optional
        Folder of study pages, `STUDY.html`, which the list of costly studies links to. Default: no links.
    plots : path, optional
        Folder for every plot as SVG and PNG. Default: none are written.

    Returns
    -------
    ModelPage
        The page, and what it could not show.

    Raises
    ------
    ArtifactError
        When the model or the store is damaged, or the store is not the model's.
    DiscoveryError
        When `data` holds no study.
    LsdcError
        When a file cannot be written.

    Examples
    --------
    >>> write_model_page("model", "model.html", store="store").not_shown  # doctest: +SKIP
    ('Studies that lost most', 'Model card')
    """
    begun = time.monotonic()
    out = check_output_file(out, [model, data])
    folder = None if plots is None else check_output_folder(plots)
    scored = ScoredModel.read(model)
    own = None if store is None else OwnStore.open(scored.opened, store)
    marked = None if data is None else CohortHeaders.read(data)
    pages = None if studies is None else Path(studies)
    ids = [] if own is None else own.store.rows["study_id"].unique().tolist()
    scored = scored.naming([*ids, *([] if pages is None else (file.stem for file in pages.glob("*.html")))])
    sections = _sections(scored, own, marked, out, pages)
    total = scored.opened.outcome.report.interval
    summary = {
        "official score (lower is better)": spelled(total),
        "weighted prior": f"{scored.opened.outcome.report.prior.total:.3f}",
        "studies": f"{len(scored.studies)}",
        "members": f"{len(scored.opened.members)}",
    }
    name = NAME if scored.opened.path == BUNDLED else scored.opened.path.name
    page = write_sections(
        out,
        sections,
        title=titled("Model", name),
        summary=summary,
        notices=model_notices(scored),
    )
    drawn = () if folder is None else save_plots(figures_of(sections), folder)
    missing = tuple(section.title for section in sections if section.absent)
    say(f"{page}: {len(scored.studies)} studies; not wholly shown: {', '.join(missing) or 'nothing'}")
    return ModelPage(page, len(scored.studies), missing, drawn, time.monotonic() - begun)


def _sections(
    scored: ScoredModel, own: OwnStore | None, marked: CohortHeaders | None, out: Path, pages: Path | None
) -> tuple[Section, ...]:
    """Gather all sections in reading order."""
    why_not = _NO_STORE if scored.data is not None else _BLEND
    features, learning = feature_sections(own, why_not)
    opened: FeatureStore | None = None if own is None else own.store
    history = TuningHistory.read(scored.opened.path)
    most = (scored.opened.manifest.get("configuration") or {}).get("trials")
    statuses = statuses_of(opened)
    return (
        card_section(scored),
        score_section(scored),
        *judgment_sections(scored),
        costly_section(scored, out, pages, statuses),
        suspect_section(scored, out, pages, statuses),
        member_section(scored),
        locating_section(opened, marked),
        features,
        learning,
        tuning_section(history, most),
        provenance_section(scored, own, history),
    )
