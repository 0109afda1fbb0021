"""The rows of a store's table of series, in words that fit a page."""

from __future__ import annotations

import pandas as pd

from lsdc.report.pages.short_ids import short_ids, shown_id
from lsdc.runtime.safe_text import printable

COLUMNS = (
    "series", "taken for", ("places found on it", "number"), ("slices", "number"), ("pixels", "number"),
    ("size of a pixel, mm", "number"), ("from slice to slice, mm", "number"), ("what is special", "words"),
)  # fmt: skip
"""Headings of the rows, as the kit's table takes them."""
_PLAIN = {
    "contrast_agent": "with contrast agent",
    "fat_saturated": "fat suppressed",
    "inversion": "inversion recovery",
    "water": "water image",
    "derived": "computed from other images",
    "lumbar": "named lumbar",
    "other_region": "named after another region",
    "simulated": "simulated",
    "no_orientation": "direction of its slices not known",
    "no_pixel_spacing": "size of its pixels not known",
    "no_thickness": "thickness not given",
    "no_spacing_between": "distance of slices not given, measured instead",
    "no_position": "place in the patient not known",
    "mended": "values of single slices taken from others",
    "odd_header": "header with mistakes",
    "unrelated": "place relative to other series not known",
    "duplicates_dropped": "slices that came twice left out",
    "split": "one stack of a series with several",
    "joined": "joined from several series",
    "crowded": "slices closer than their header says",
    "view_guessed": "view recognized from header and images",
}
"""What traits and flags of `Series` mean to a reader of images; others are shown as they are."""


def series_rows(table: pd.DataFrame) -> list[list[str]]:
    """Write what was read of a study, one row per series.

    Parameters
    ----------
    table : DataFrame
        The study's rows of `series.csv`.

    Returns
    -------
    list of list of str
        Cells below `COLUMNS`; those of ids are `Markup`.
    """
    shorts = short_ids([str(name) for name in table["series_id"]])
    return [_row(row, short) for (_, row), short in zip(table.iterrows(), shorts)]


def _row(row: pd.Series, short: str) -> list[str]:
    """Write one series."""
    text = {name: "" if pd.isna(value) else str(value) for name, value in row.items()}
    part = f", part {text['part']}" if text.get("part", "1") not in ("", "1") else ""
    words = f"{text['traits']} {text['flags']}".split()
    special = "; ".join(_PLAIN.get(word, word.replace("_", " ")) for word in words)
    use = text["view"] or f"passed over: {text['passed_over'] or 'no view to grade'}"
    if text["view"] and text["passed_over"]:
        use = f"{text['view']}; {text['passed_over']}"
    return [
        shown_id(text["series_id"], short, part),
        printable(use, 200),
        text["targets"],
        text["slices"],
        f"{text['columns']} × {text['rows']}",
        f"{_short(text['column_spacing_mm'])} × {_short(text['row_spacing_mm'])}",
        _short(text["slice_distance_mm"]) or "–",
        printable(special, 400) or "–",
    ]


def _short(number: str) -> str:
    """Write millimeters with at most two decimals."""
    return f"{float(number):.2f}" if number else ""
