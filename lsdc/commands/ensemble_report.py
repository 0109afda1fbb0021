"""`lsdc-ensemble report`: the page of a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting

if TYPE_CHECKING:
    from lsdc.report.model_page.writing import ModelPage


@dataclass(frozen=True)
class Report:
    """Write a page on a model: scores, members, calibration, decisions, costly studies, features, provenance.

    The page is one file that opens offline. What it cannot show, it says, and what would make it possible.

    Examples
    --------
        lsdc-ensemble report model/ --out model.html
        lsdc-ensemble report model/ --out model.html --store store/ --data cohort/ --plots plots/
        lsdc-ensemble report model/ --out report/model.html --store store/ --studies report/studies/
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit` or `blend`; or `bundled`"""
    out: Path
    """HTML file to write"""
    store: Path | None = None
    """the store that it was fitted on, for places, features and the learning curve"""
    data: Path | None = None
    """the cohort that the store was made of, for the distance of places from annotated points"""
    studies: Path | None = None
    """folder of study pages, to which costly studies are linked"""
    plots: Path | None = None
    """folder for every plot as SVG and PNG"""
    reporting: Reporting = Reporting()

    def run(self) -> ModelPage:
        """Write the page.

        Returns
        -------
        ModelPage
            The page, and what it could not show.
        """
        from lsdc.report.model_page.writing import write_model_page

        return write_model_page(
            self.model, self.out, store=self.store, data=self.data, studies=self.studies, plots=self.plots
        )
