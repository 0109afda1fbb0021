"""`lsdc grade`: from a folder of DICOM files to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from lsdc.runtime.commands import Compute, Reporting

if TYPE_CHECKING:
    from lsdc.report.grading import GradedFolder


@dataclass(frozen=True)
class Grade:
    """Grade all studies of a folder, and write a report: a table, a list, and a page with images for each study.

    FOLDER is any tree of DICOM files, a ZIP archive of one, or a folder in the competition's layout. The same command
    run again resumes where it stopped. No weights are downloaded, and pages open without a network.

    Examples
    --------
        lsdc grade patients/ --out report/
        lsdc grade export.zip --out report/ --study-id hash --pdf
        lsdc grade patients/ --out report/ --model model.lsdc --dicom-sr sr/
    """

    folder: Positional[Path]
    """folder or ZIP archive of studies"""
    out: Path
    """folder of the report: index.html, grades.csv, a page for each study, and the feature store"""
    model: Path = Path("bundled")
    """made by `lsdc-ensemble fit` or `pack`; or `bundled`, the model that is shipped (its card is printed)"""
    weighting: Literal["none", "competition"] = "none"
    """none: how probable the grades are; competition: probabilities for the official score"""
    refuse: Literal["none", "not-seen", "unsure"] = "none"
    """targets that get no grade: those that were not seen, or also those whose place is unsure"""
    study_id: Literal["uid", "folder", "hash"] | None = None
    """how studies outside of the competition's layout are named: by UID (default), folder, or a hash of the UID"""
    dicom_sr: Path | None = None
    """folder for a DICOM structured report of each study, and its points as a presentation state"""
    pdf: bool = False
    """write a PDF of one page for each study beside its page"""
    compute: Compute = Compute()
    reporting: Reporting = Reporting()

    def run(self) -> GradedFolder:
        """Grade the folder.

        Returns
        -------
        GradedFolder
            The files, counts, and what is to be said of them.
        """
        from lsdc.runtime.worker import start_ahead

        start_ahead("lsdc.features.extract_worker")  # imports while this process does
        from lsdc.report.grading import grade

        return grade(
            self.folder,
            self.out,
            model=self.model,
            weighting=self.weighting,
            refuse=self.refuse,
            study_id=self.study_id,
            dicom_sr=self.dicom_sr,
            pdf=self.pdf,
            device=self.compute.device,
            workers=self.compute.workers,
        )
