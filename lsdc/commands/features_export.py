"""`lsdc-features export`: write images for other tools."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting, Workers

if TYPE_CHECKING:
    from lsdc.cohort.export.exporting import Exported


@dataclass(frozen=True)
class Export:
    """Write the images of all studies as PNG, JPEG or NIfTI files.

    DATA is a folder in the competition's layout, any tree of DICOM files, or a ZIP archive of either. Pixels are
    neither turned nor resampled. OUT/images.csv leads from each picture back to study, series, slice and place in the
    patient. The same command run again resumes where it stopped.

    Examples
    --------
        lsdc-features export cohort/ --out pictures/
        lsdc-features export cohort/ --out pictures/ --format png --bits 16
        lsdc-features export export.zip --out volumes/ --format nifti --study-id hash
    """

    data: Positional[Path]
    """folder or ZIP archive of studies, or a URL of one"""
    out: Path
    """folder to write: new, or begun by the same command"""
    format: Literal["png", "jpg", "nifti"] = "png"
    """png or jpg: a picture for each slice; nifti: a volume for each stack of slices, as dcm2niix makes it"""
    bits: Literal[8, 16] | None = None
    """of pictures: 8 (default) spreads the 1st to 99th percentile of a series, 16 (png alone) keeps all values"""
    study_id: Literal["uid", "folder", "hash"] | None = None
    """how studies outside of the competition's layout are named: by UID (default), folder, or a hash of the UID"""
    workers: Workers = Workers()
    reporting: Reporting = Reporting()

    def run(self) -> Exported:
        """Write the images.

        Returns
        -------
        Exported
            Where they are, what was left out, and slices per second.
        """
        from lsdc.cohort.export.exporting import export_images

        return export_images(
            self.data,
            self.out,
            format=self.format,
            bits=self.bits,
            study_id=self.study_id,
            workers=self.workers.workers,
        )
