"""What a model is, and where it comes from: its card, data, versions, seeds and durations."""

from __future__ import annotations

import numpy as np

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.fit_card import INTENDED_USE, NOT_INTENDED
from lsdc.ensemble.model import Model
from lsdc.ensemble.stack_artifact import DURATIONS, StackArtifact
from lsdc.report.model_page.own_store import OwnStore
from lsdc.report.model_page.scored_model import ScoredModel
from lsdc.report.model_page.tuning_history import TuningHistory, trials_of
from lsdc.report.pages.sentences import sentence
from lsdc.report.sections import Section, Table
from lsdc.runtime.artifact import MANIFEST, read_json

UNKNOWN_GROUND = (
    "scanners, protocols and populations other than those of the studies it was fitted on, until it is measured there",
    "findings other than its 25 targets: fractures, tumors, infections, implants, spines with more or fewer vertebrae",
)
"""What no model of this toolkit has learned, whatever it was fitted on."""


def card_section(model: ScoredModel) -> Section:
    """Say what the model is for, and what it never saw.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    Section
        The model card.
    """
    card = model.opened.card if isinstance(model.opened, Model) else None
    fitted = model.opened.fit_card if isinstance(model.opened, Model) else None
    never_saw: tuple[str, ...] = () if card is None else card.never_saw
    if card is None and fitted is not None:
        never_saw = fitted.never_saw
    rows = [("Intended use", sentence(INTENDED_USE)), ("Not intended", sentence(NOT_INTENDED))]
    if card is not None:
        repeated = f"it never saw {'; '.join(card.never_saw)}"
        measured = [line for line in card.statement()[1:] if line != repeated]
        rows += [("What it is", card.what), *(("Measured", line) for line in measured)]
        rows += [("Made again with", f"{card.command}")]
    elif fitted is not None:
        rows += [("Learned from", fitted.learned_from)]
        rows += [("Range of " + name, f"{low} to {high}") for name, (low, high) in fitted.ranges.items()]
    else:
        unseen = [grade.title.lower() for k, grade in enumerate(Grade) if not (model.grades == k).any()]
        rows += [
            ("Learned from", f"{len(model.studies)} studies with {int((model.grades >= 0).sum())} labels")
        ]
        never_saw = tuple(f"any label {name}" for name in unseen)
    # The first line of a fit's card names other hospitals and scanners, as the first of these does.
    ground = UNKNOWN_GROUND if fitted is None else UNKNOWN_GROUND[1:]
    rows.append(("Never saw", "; ".join((*never_saw, *ground))))
    absent = "" if card is not None else (
        "What it is worth elsewhere: nobody has measured it on patients unlike those it was fitted on; the scores "
        "below are on held-out studies of the same cohort. `lsdc-ensemble evaluate LABELS PREDICTIONS` measures it on "
        "others."
    )  # fmt: skip
    table = Table("Model card", ("Subject", "Statement"), tuple(rows))
    return Section("card", "Model card", (table,), absent=absent)


def model_notices(model: ScoredModel) -> list[tuple[str, str]]:
    """Say what nobody who looks at the model's page should miss.

    Parameters
    ----------
    model : ScoredModel
        The model.

    Returns
    -------
    list of (str, str)
        A heading and a sentence each: what it must not be used for, whether it learned from simulated patients, and
        what its fit warned of.
    """
    notices = [("For research", sentence(NOT_INTENDED))]
    fitted = model.opened.fit_card if isinstance(model.opened, Model) else None
    if fitted is not None and fitted.simulated:
        little = ": its scores say little of real ones" if fitted.simulated == fitted.studies else ""
        notices.append(("Simulated patients", f"It was fitted on {fitted.learned_from}{little}."))
    return notices + [("A warning of the fit", words) for words in model.opened.outcome.report.warnings]


def provenance_section(model: ScoredModel, own: OwnStore | None, history: TuningHistory | None) -> Section:
    """List data, versions, seeds and durations, as far as they were recorded.

    Parameters
    ----------
    model : ScoredModel
        The model.
    own : OwnStore or None
        With its store, where that was given.
    history : TuningHistory or None
        The trials of its search; None where they are not there.

    Returns
    -------
    Section
        Two tables.
    """
    opened, manifest = model.opened, model.opened.manifest
    configuration = manifest.get("configuration") or {}
    seconds = float("nan") if history is None else history.seconds
    counts = [int((model.grades == k).sum()) for k in range(len(Grade))]
    facts: list[tuple[str, str]] = [
        ("Kind", f"{opened.kind}, layout {manifest.get('schema')}, made by lsdc {manifest.get('lsdc')}"),
        ("Studies", f"{len(model.studies)}"),
        ("Labels", ", ".join(f"{grade.title} {count}" for grade, count in zip(Grade, counts))),
        ("Missing labels", f"{int((model.grades < 0).sum())}"),
        ("Seed", f"{configuration.get('seed', 'not recorded')}"),
        ("Trials", trials_of(history, configuration.get("trials"))),
        ("Chosen stacker", opened.outcome.chosen),
        (
            "Search took",
            "not recorded" if not np.isfinite(seconds) else f"{seconds:.0f} s",
        ),
        ("Features", f"{manifest.get('feature_fingerprint', 'none: a blend of tables')}"),
        ("Rows of the store (SHA-256)", f"{configuration.get('store', 'not recorded')}"),
    ]
    if model.data is not None:
        folds = np.bincount(model.data.folds[model.data.folds >= 0])
        facts.append(("Folds", f"{len(folds)}, of {', '.join(map(str, folds))} studies"))
    if own is not None:
        chosen = own.store.manifest["configuration"]
        facts += [
            ("Store made by", f"lsdc {own.store.manifest.get('lsdc')}"),
            ("Encoder", f"{own.store.backbone}, weights {chosen.get('weights', 'not recorded')}"),
            ("Selector", f"{chosen.get('selector', 'not recorded')}"),
        ]
    facts += [(f"Seconds of the fit: {name}", f"{value:.1f}") for name, value in _durations(opened).items()]
    listed = manifest.get("files") or {}
    size = sum(int(one["bytes"]) for one in listed.values())
    facts.append(
        ("Size", f"{size / 1e6:.1f} MB in {len(listed)} files, every one with a digest in {MANIFEST}")
    )
    origins = opened.origins if isinstance(opened, Model) else {}
    members = tuple((name, origins.get(name, "a table")) for name in opened.members)
    fitted = opened.fit_card if isinstance(opened, Model) else None
    options = tuple((name, f"{value}") for name, value in dict(configuration.get("options") or {}).items())
    parts = [Table("What was recorded", ("What", "Value"), tuple(facts))]
    parts.append(Table("Members", ("Member", "Class"), members, folded=True))
    if options:
        parts.append(Table("Options of the fit", ("Option", "Value"), options, folded=True))
    if fitted is not None:
        parts.append(Table("Versions", ("Package", "Version"), tuple(fitted.versions.items()), folded=True))
    return Section("provenance", "Data, versions, seeds", tuple(parts))


def _durations(opened: StackArtifact) -> dict[str, float]:
    """Read the seconds of members and stack, where a fit noted them."""
    path = opened.path / DURATIONS
    found = read_json(path) if path.is_file() else {}
    if not isinstance(found, dict):
        return {}  # the manifest does not list it, so anybody may have changed it
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
