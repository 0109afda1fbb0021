"""`lsdc grade`: from a folder of DICOM files to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import Positional

from lsdc.runtime.commands import Compute, Reporting
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    from lsdc.report.grading import GradedFolder


@dataclass(frozen=True)
class Grade:
    """Grade all studies of a folder, and write a report: a table, a list, and a page with images for each study.

    FOLDER is any tree of DICOM files, a ZIP archive of one, a folder in the competition's layout, or a DICOMweb
    server, to which the reports are then also stored. The same command run again resumes where it stopped. No
    weights are downloaded, and pages open without a network.

    Examples
    --------
        lsdc grade patients/ --out report/
        lsdc grade export.zip --out report/ --study-id hash --pdf
        lsdc grade patients/ --out report/ --model model.lsdc --dicom-sr sr/
        lsdc grade dicomweb://localhost:8042/dicom-web --study 1.2.840.1 --out report/
    """

    folder: Positional[str]
    """folder or ZIP archive of studies, a URL of one, or dicomweb://host:port/path (dicomwebs:// for TLS)"""
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
    study: tuple[str, ...] = ()
    """StudyInstanceUIDs to fetch from the DICOMweb server"""
    store_back: bool = True
    """store structured reports and points on the DICOMweb server"""
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

        start_ahead("lsdc.features.extract_worker", "onnxruntime")  # imports while this process does
        from lsdc.cohort.discovery.dicomweb import is_dicomweb
        from lsdc.report.grading import grade

        options: dict[str, Any] = {
            "model": self.model,
            "weighting": self.weighting,
            "refuse": self.refuse,
            "study_id": self.study_id,
            "pdf": self.pdf,
            "device": self.compute.device,
            "workers": self.compute.workers,
        }
        if is_dicomweb(self.folder):
            from lsdc.report.remote_grading import grade_remote

            if self.dicom_sr is not None:
                raise ConfigError("--dicom-sr is for folders; reports on a server's studies go to OUT.sr")
            return grade_remote(self.folder, self.out, self.study, store_back=self.store_back, **options)
        if self.study:
            raise ConfigError("--study is for DICOMweb servers; give the study's folder")
        return grade(self.folder, self.out, dicom_sr=self.dicom_sr, **options)
