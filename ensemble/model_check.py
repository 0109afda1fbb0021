"""What the manifest and the tables of a model or blend must be, whoever wrote them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lsdc.cohort.vocabulary import GRADES, Condition, Level
from lsdc.runtime.schema import Check, list_of, mapping_of, number, optional, record, text

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_ROW_ID = rf".+_(?:{'|'.join(Condition)})_(?:{'|'.join(Level)})"
MODEL_FIELDS: Check = record(
    {
        "feature_fingerprint": text("[0-9a-f]{16}"),
        "members": list_of(text(_NAME, 200), 1, 1000),
    },
    {
        "origins": mapping_of(text(r"[\w.]+:[\w.]+", 400), text(_NAME, 200), 1000),
        "salt": text("[0-9a-f]{0,64}"),
        "selector_digest": optional(text("[0-9a-f]{16}")),
        "store": optional(text()),
    },
)
"""What a model's manifest must hold."""
BLEND_FIELDS: Check = record({"members": list_of(text(most=1000), 1, 100_000)})
"""What a blend's manifest must hold."""
STUDIES: Check = mapping_of(text("[0-9a-f]{16}"))
"""What studies.json must hold."""
_NUMBER, _NAMED = number(finite=False), mapping_of(number(finite=False))
_SCORES = dict.fromkeys(("nested", "mean", "best_single", "prior", "in_sample"), _NAMED)
_INTERVALS = dict.fromkeys(("interval", "versus_mean", "versus_best_single"), _NAMED)
_MANY = ("singles", "versus_mean_by_part", "versus_best_single_by_part")
REPORT_FIELDS: Check = record(
    {
        "chosen": text(most=100),
        "weights": mapping_of(_NAMED),
        "missing": _NAMED,
        "warnings": list_of(text()),
        **_SCORES,
        **_INTERVALS,
        **{name: mapping_of(_NAMED) for name in _MANY},
    }
)
"""What report.json must hold, beside the number of studies; an unknown number is NaN."""
_FIGURES = ("studies", "rows", "loss", "low", "high", "prior", "auc_severe", "auc_moderate")
CARD_FIELDS: Check = record(
    {
        "simulated": record({"total": _NUMBER, "prior": _NUMBER}),
        "real": mapping_of(record(dict.fromkeys(_FIGURES, _NUMBER))),
        "never_saw": list_of(text()),
        **{name: text() for name in ("what", "command", "measured_on")},
    }
)
"""What card.json must hold."""


def check_predictions(table: pd.DataFrame) -> None:
    """Refuse a table of predictions whose row ids, probabilities, folds or grades are none.

    Parameters
    ----------
    table : DataFrame
        row_id and the three probabilities; perhaps member, fold and grade.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    for name in ("row_id", "member"):
        if name in table and (not pd.api.types.is_string_dtype(table[name]) or table[name].isna().any()):
            raise ValueError(f"the column {name!r} is not text")
    if not table["row_id"].str.fullmatch(_ROW_ID).all():
        raise ValueError("a row id is not STUDY_CONDITION_LEVEL")
    if table.duplicated([name for name in ("row_id", "member") if name in table]).any():
        raise ValueError("a row id comes twice")
    values = table[[*GRADES]]
    if any(kind.kind != "f" for kind in values.dtypes) or not (values.to_numpy() >= 0).all():
        raise ValueError("probabilities that are no numbers from 0")
    if not np.allclose(values.to_numpy(float).sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities that do not add up to 1")
    for name, (low, high) in {"fold": (-1, 10**6), "grade": (-1, len(GRADES) - 1)}.items():
        if name in table and (table[name].dtype.kind != "i" or not table[name].between(low, high).all()):
            raise ValueError(f"the column {name!r} is not whole numbers from {low} to {high}")
