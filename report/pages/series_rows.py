"""The rows of a store's table of series, in words that fit a page."""

from __future__ import annotations

import pandas as pd

from lsdc.runtime.safe_text import printable


def series_rows(table: pd.DataFrame) -> list[list[str]]:
    """Write what was read of a study, one row per series.

    Parameters
    ----------
    table : DataFrame
        The study's rows of `series.csv`.

    Returns
    -------
    list of list of str
        Series, what it was taken for, number of targets on it, slices, matrix, spacing, what was unusual, and why it
        was passed over.
    """
    return [_row(row) for _, row in table.iterrows()]


def _row(row: pd.Series) -> list[str]:
    """Write one series."""
    text = {name: "" if pd.isna(value) else str(value) for name, value in row.items()}
    part = f", part {text['part']}" if text.get("part", "1") not in ("", "1") else ""
    unusual = ", ".join(word.replace("_", " ") for word in f"{text['traits']} {text['flags']}".split())
    use = text["view"] or f"passed over: {text['passed_over'] or 'no view to grade'}"
    if text["view"] and text["passed_over"]:
        use = f"{text['view']}; {text['passed_over']}"
    return [
        printable(text["series_id"] + part, 80),
        printable(use, 200),
        text["targets"],
        text["slices"],
        f"{text['columns']} × {text['rows']}",
        f"{_short(text['column_spacing_mm'])} × {_short(text['row_spacing_mm'])}",
        _short(text["slice_distance_mm"]) or "–",
        printable(unusual, 200) or "–",
    ]


def _short(number: str) -> str:
    """Write millimeters with at most two decimals."""
    return f"{float(number):.2f}" if number else ""
