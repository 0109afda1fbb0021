"""From a fitted model to a list of doubtful labels for a person to decide about, with their crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES, TARGETS, Condition, Family, parse_row_id
from lsdc.ensemble.opening import open_stack
from lsdc.ensemble.stack_artifact import NESTED
from lsdc.ensemble.suspects.inner_suspicion import FEWEST_ROWS
from lsdc.ensemble.suspects.ranking import rank_labels
from lsdc.ensemble.suspects.reader_noise import ReaderNoise
from lsdc.ensemble.suspects.sheets import draw_sheets
from lsdc.features.store import FeatureStore
from lsdc.metrics.official import EPS, GRADE_WEIGHTS
from lsdc.runtime import ArtifactError, ConfigError, TableError
from lsdc.runtime.artifact import atomic, write_json
from lsdc.runtime.console import say, table, warn
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import check_output_folder

RANKING, READERS = "suspects.csv", "readers.json"
_COUNTED = 100


@dataclass(frozen=True)
class Suspects:
    """What `find_suspects` wrote.

    Parameters
    ----------
    path : Path
        suspects.csv: the labeled rows, the most doubtful first, with an empty column `decision`.
    sheets : tuple of Path
        PNG files with the crops of the first rows.
    rows : int
        Number of rows in it: those of families that have labels enough.
    probably_wrong : int
        Rows whose label is wrong with more than one half.
    expected_wrong : float
        Sum of the probabilities: how many labels are wrong, if the reader's model is right.
    """

    path: Path
    sheets: tuple[Path, ...]
    rows: int
    probably_wrong: int
    expected_wrong: float


def find_suspects(model: PathLike, store: PathLike, out: PathLike, *, first: int = 60) -> Suspects:
    """Rank the labels of a store by the probability that they are wrong, and draw the first ones.

    The predictions are those of the stack that was not fitted on the row's fold, by members that were not fitted on
    it either. Beside them a reader is estimated for each family, who confuses grades with fixed probabilities; what
    contradicts a sure prediction is then probably the reader's error, what contradicts an unsure one is not.

    Parameters
    ----------
    model : path
        A finished model, or a blend.
    store : path
        The store with the crops of the labeled rows.
    out : path
        Folder for suspects.csv, readers.json (the estimated readers) and the sheets. A suspects.csv that is there is
        not replaced, for it may hold decisions.
    first : int
        How many rows are drawn, at least 0.

    Returns
    -------
    Suspects
        The files, and how many labels are doubtful.

    Raises
    ------
    ConfigError
        When `first` is negative.
    ArtifactError
        When model or store is damaged, or a labeled row or its label is not in the store.
    TableError
        When `out` already holds a list, or there are too few labels.

    Examples
    --------
    >>> found = find_suspects("model", "store", "suspects")  # doctest: +SKIP
    >>> found.probably_wrong, found.path.name  # doctest: +SKIP
    (121, 'suspects.csv')
    """
    if first < 0:
        raise ConfigError(f"first must be at least 0, not {first}")
    out, opened = check_output_folder(out), FeatureStore.open(store)
    if (out / RANKING).exists():
        raise TableError(
            f"{out / RANKING}: exists, and may hold decisions; choose another folder, or remove it"
        )
    predictions = nested_predictions(Path(model), opened.studies["study_id"].tolist())
    _check_labels(predictions, opened)
    ranked, readers = rank_labels(predictions)
    _mention_unranked(predictions, ranked)
    sheets = draw_sheets(ranked.head(first), opened, out)
    write_json(out / READERS, {family.value: _described(reader) for family, reader in readers.items()})
    with atomic(out / RANKING) as temporary:
        ranked.to_csv(temporary, index=False, float_format="%.4f")
    _show(ranked, readers)
    loss = -np.log(ranked["predicted"].clip(EPS)) * GRADE_WEIGHTS[ranked["label"].map(GRADES.index)]
    share = loss[:_COUNTED].sum() / loss.sum()
    say(f"the first {_COUNTED} rows carry {share:.0%} of the official loss of the ranked rows")
    say(f"{out / RANKING}: {len(ranked)} ranked rows; fill in the column decision where you have looked")
    wrong = ranked["wrong"]
    return Suspects(out / RANKING, sheets, len(ranked), int((wrong > 0.5).sum()), float(wrong.sum()))


def _mention_unranked(predictions: pd.DataFrame, ranked: pd.DataFrame) -> None:
    """Say which kinds of labels are too few to be ranked."""
    labeled = predictions.loc[predictions["grade"] >= 0, "row_id"]
    families = [
        parse_row_id(row_id)[1].condition.family for row_id in labeled[~labeled.isin(ranked["row_id"])]
    ]
    for family, count in Counter(families).items():
        warn(
            f"{count} labels of {family.value} are not ranked: at least {FEWEST_ROWS} with a prediction are needed to "
            "tell doubtful ones"
        )


def nested_predictions(model: Path, studies: Sequence[str]) -> pd.DataFrame:
    """Read the out-of-fold predictions of the stack of a model or a blend.

    Parameters
    ----------
    model : Path
        The directory.
    studies : sequence of str
        Ids of the studies that are at hand; they must be all that the model was fitted on.

    Returns
    -------
    DataFrame
        row_id, normal_mild, moderate, severe, and grade (-1 unlabeled).

    Raises
    ------
    ArtifactError
        When it is neither, damaged or unfinished.
    """
    opened = open_stack(model)
    if not opened.listed.has(NESTED):
        raise ArtifactError(f"{model}: holds no out-of-fold predictions ({NESTED}); make it again")
    found = opened.nested_of(studies)
    absent = len(opened.nested) - len(found)
    if absent:
        raise ArtifactError(
            f"{model}: {absent // len(TARGETS)} of its studies are not in the store; give that which it was fitted on"
        )
    return found


def _check_labels(predictions: pd.DataFrame, store: FeatureStore) -> None:
    """Refuse a store that lacks a labeled row, or has another label for it."""
    labeled = predictions[predictions["grade"] >= 0]
    here = store.rows.set_index("row_id")["grade"].reindex(labeled["row_id"])
    for problem, what in (
        (here.isna(), "is not in it"),
        (here != labeled["grade"].to_numpy(), "has another label"),
    ):
        if problem.any():
            row_id = here.index[problem.to_numpy()][0]
            raise ArtifactError(
                f"{store.path}: row {row_id!r} of the model {what}; give the store that the model was fitted on"
            )


def _described(reader: ReaderNoise) -> dict[str, Any]:
    """Give what readers.json holds of one family."""
    confusion = {name: dict(zip(GRADES, row)) for name, row in zip(GRADES, reader.confusion.tolist())}
    return {"label_given_true_grade": confusion, "sharpness": reader.sharpness, "shift": list(reader.shift)}


def _show(ranked: pd.DataFrame, readers: dict[Family, ReaderNoise]) -> None:
    """Print how doubtful the labels of each family are, on stderr."""
    family_of = ranked["condition"].map(lambda slug: Condition(slug).family.value)
    lines = []
    for family, reader in readers.items():
        wrong = ranked["wrong"][family_of == family.value]
        right = [f"{value:.3f}" for value in reader.confusion.diagonal()]
        lines.append([family.value, len(wrong), int((wrong > 0.5).sum()), f"{wrong.sum():.0f}", *right])
    names = [
        "family",
        "labels",
        "probably wrong",
        "expected wrong",
        *(f"{name} read right" for name in GRADES),
    ]
    table("doubtful labels", names, lines)
