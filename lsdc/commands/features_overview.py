"""`lsdc-features overview`: the page of a cohort."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting

if TYPE_CHECKING:
    from lsdc.report.cohort_page.overview_page import Overview as CohortPage


@dataclass(frozen=True)
class Overview:
    """Write a page on a cohort: series, acquisition, grades, annotations, problems, what is chosen and passed over.

    Headers and tables are read, never pixels, so it takes seconds. The page is one file that opens offline.

    Examples
    --------
        lsdc-features overview cohort/ --out overview.html
        lsdc-features overview cohort/ --out overview.html --store store/ --plots plots/
        lsdc-features overview export.zip --out overview.html
    """

    data: Positional[Path]
    """folder or ZIP archive of studies, or a URL of one, with or without labels"""
    out: Path
    """HTML file to write"""
    store: Path | None = None
    """a store that was extracted from it, for what was chosen with a look at the pictures"""
    plots: Path | None = None
    """folder for every plot as SVG and PNG"""
    workers: int | None = None
    """processes that read headers; one per core by default"""
    reporting: Reporting = Reporting()

    def run(self) -> CohortPage:
        """Write the page.

        Returns
        -------
        Overview
            The page, and counts.
        """
        from lsdc.report.cohort_page.overview_page import overview

        return overview(self.data, self.out, store=self.store, plots=self.plots, workers=self.workers)
