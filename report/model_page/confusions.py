"""Which grades were called where readers gave each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Grade
from lsdc.metrics.measures import confusion, kappa
from lsdc.report.model_page.family_rows import FamilyRows
from lsdc.report.plot_panels import FAMILY_NAMES, draw_cells, new_panel, styled
from lsdc.report.sections import Panel

_NAMES = [grade.title for grade in Grade]


def confusion_counts(rows: FamilyRows) -> NDArray[np.int_]:
    """Count pairs of the reader's grade and the most probable one.

    Parameters
    ----------
    rows : FamilyRows
        Labeled rows.

    Returns
    -------
    (3, 3) int
        Readers' grades as rows, predicted ones as columns.
    """
    found = confusion(rows.truth, rows.probabilities.argmax(axis=1), np.ones(len(rows.truth)))
    return found.astype(int)


@styled
def draw_confusion(families: Sequence[FamilyRows], prefix: str) -> tuple[Panel, ...]:
    """Draw the matrices of counts, a panel for each family.

    Parameters
    ----------
    families : sequence of FamilyRows
        Labeled rows.
    prefix : str
        Beginning of the names of the files.

    Returns
    -------
    tuple of Panel
        One per family.
    """
    panels = []
    for rows in families:
        counts = confusion_counts(rows)
        part = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        words = [[f"{count}\n{share:.0%}" for count, share in zip(*pair)] for pair in zip(counts, part)]
        agreed = kappa(counts.astype(float))
        figure, axis = new_panel(f"{FAMILY_NAMES[rows.family]}, kappa {agreed:.2f}", height=3.0)
        draw_cells(axis, part, words, _NAMES, _NAMES)
        axis.set(xlabel="most probable grade", ylabel="reader's grade")
        right = np.trace(counts)
        alternative = (
            f"Confusion, {FAMILY_NAMES[rows.family].lower()}: {right} of {counts.sum()} targets agree; of "
            f"{counts[2].sum()} severe ones {counts[2, 2]} were called severe and {counts[2, 0]} normal or mild."
        )
        panels.append(Panel(f"{prefix}_{rows.family}", figure, alternative))
    return tuple(panels)
