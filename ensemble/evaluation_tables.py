"""An evaluation as tables that fit a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lsdc.metrics.comparison import BETWEEN
from lsdc.metrics.evaluation import Evaluation
from lsdc.metrics.target_groups import ALL
from lsdc.runtime.console import say, table

_LONGEST_NAME, _LONGEST_OF_TWO = 22, 17
_MOST_PAIRS = 12
_COUNTS = {"rows": "n", "rows_moderate": "moderate", "rows_severe": "severe"}
_LOSSES = {"official": "score", "log_loss": "log loss"}
_AGREEMENT = {
    "kappa": "kappa",
    "auc_severe": "AUC",
    "sensitivity_severe": "sensitivity",
    "specificity_severe": "specificity",
}
_PARTS = {"log_loss": "log loss", "auc_severe": "AUC severe", "kappa": "kappa"}
_DIFFERENCES = ({"official": "score", "log_loss": "log loss"}, {"auc_severe": "AUC severe", "kappa": "kappa"})


def show_evaluation(evaluation: Evaluation) -> None:
    """Print the measures of all targets, those of the first predictions by condition and level, and comparisons.

    Parameters
    ----------
    evaluation : Evaluation
        What to print, on stderr; no line is longer than 100 characters.
    """
    measures = evaluation.measures
    pooled = measures[(measures["condition"] == ALL) & (measures["level"] == ALL)]
    within = _within(pooled)
    header = ["predictions", *_COUNTS.values(), *_LOSSES.values()]
    title = f"all targets: labeled rows, official score, log loss without any-severe{within}; low is good"
    table(title, header, _lines(pooled, ["predictions"], _COUNTS, _LOSSES))
    header = ["predictions", *_AGREEMENT.values()]
    title = f"all targets: weighted kappa; severe against the rest at one half{within}; high is good"
    table(title, header, _lines(pooled, ["predictions"], {}, _AGREEMENT))
    first = measures["predictions"].iloc[0]
    rows = measures[measures["predictions"] == first]
    parts = rows[(rows["condition"] == ALL) != (rows["level"] == ALL)]
    header = ["part", "n", "mod.", "severe", *_PARTS.values()]
    title = f"{_short(first, 50)}, by condition and by level{within}"
    table(title, header, _lines(parts, ["condition", "level"], _COUNTS, _PARTS))
    for name, count in evaluation.lacking.items():
        say(f"{name}: lacks {count} labeled rows of its studies; it is measured on the rows that it has")
    for name, (absent, unknown) in evaluation.coverage.items():
        more = f", and holds {unknown} studies without a label" if unknown else ""
        say(f"{name}: lacks {absent} labeled studies{more}; it is measured on those that both have")
    for name in evaluation.readers:
        say(f"{name}: grades without probabilities, taken as a reader's; it has no score, AUC or calibration")
    _show_comparisons(evaluation.comparisons, first)


def _show_comparisons(comparisons: pd.DataFrame, first: str) -> None:
    """Print what each two predictions differ by over all targets; of many, those with the first."""
    rows = comparisons[comparisons["condition"] == ALL]
    if rows.empty:
        return
    pairs = rows.groupby(["predictions", "other"], sort=False).ngroups
    if pairs > _MOST_PAIRS:
        say(f"{pairs} pairs are compared; those with {first} are shown, --json and --out hold all")
        rows = rows[rows["predictions"] == first]
    within = _within(rows)
    outside = " (95 % interval; * without zero)" if within else ""
    for shown, better in zip(_DIFFERENCES, ("below", "above")):
        if rows["measure"].isin(list(shown)).any():
            title = f"first minus second, by study{outside}; {better} zero the first is better"
            table(title, ["first", "second", *shown.values()], _differences(rows, list(shown)))
    title = f"weighted kappa between the two{within}"
    table(title, ["first", "second", "n", "kappa"], _agreements(rows))


def _within(rows: pd.DataFrame) -> str:
    """Say what the numbers in parentheses are, where there are any."""
    return " (95 % interval)" if np.isfinite(rows["low"].to_numpy(float)).any() else ""


def _differences(rows: pd.DataFrame, measures: list[str]) -> Iterator[list[str]]:
    """Make a line for each two predictions that differ in one of the measures."""
    for key, part in rows.groupby(["predictions", "other"], sort=False):
        names = [_short(str(name), _LONGEST_OF_TWO) for name in key]
        cells = part.set_index("measure")[["value", "low", "high"]]
        known = [
            _signed(*cells.loc[name].to_numpy(float)) if name in cells.index else "-" for name in measures
        ]
        if set(known) != {"-"}:
            yield [*names, *known]


def _agreements(rows: pd.DataFrame) -> Iterator[list[str]]:
    for row in rows[rows["measure"] == BETWEEN].to_dict("records"):
        one, other = (_short(str(row[name]), 2 * _LONGEST_OF_TWO) for name in ("predictions", "other"))
        yield [
            one,
            other,
            str(row["rows"]),
            _interval(*(float(row[name]) for name in ("value", "low", "high"))),
        ]


def _lines(
    rows: pd.DataFrame, by: list[str], counts: dict[str, str], measures: dict[str, str]
) -> Iterator[list[str]]:
    """Make a line of a table for each group of rows."""
    for key, part in rows.groupby(by, sort=False):
        cells = part.set_index("measure")[["value", "low", "high"]].astype(float)
        words = [word for word in key if isinstance(word, str)]
        name = words[0] if len(by) == 1 else " ".join(_words(word) for word in words if word != ALL)
        yield [
            _short(name, _LONGEST_NAME),
            *(str(round(cells["value"].to_dict()[measure])) for measure in counts),
            *(_interval(*cells.loc[measure].to_numpy(float)) for measure in measures),
        ]


def _words(slug: str) -> str:
    """Shorten the slug of a condition or level to what tells it from others."""
    if slug[:1] == "l" and slug[1:2].isdigit():
        return slug.upper().replace("_", "/")
    for word in ("_neural", "_narrowing", "_stenosis"):
        slug = slug.replace(word, "")
    return slug.replace("_", " ")


def _short(name: str, most: int) -> str:
    """Cut the middle out of a long name."""
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[:half]}…{name[len(name) - (most - 1 - half) :]}"


def _interval(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if not np.isfinite(low) else f"{value:.3f} ({_two(low)}-{_two(high)})"


def _two(number: float) -> str:
    """Write a limit from 0 to 1 in three characters."""
    text = f"{number:.2f}"
    return "1.0" if text == "1.00" else text.removeprefix("0")


def _signed(value: float, low: float, high: float) -> str:
    if not np.isfinite(value):
        return "-"
    if not np.isfinite(low):
        return f"{value:+.4f}"
    return f"{value:+.4f} ({low:+.4f} {high:+.4f}){'*' if low * high > 0 else ' '}"
