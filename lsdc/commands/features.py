"""`lsdc-features`: extract a feature store, and look into it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional

from lsdc.commands.features_export import Export
from lsdc.commands.features_merge import Merge
from lsdc.commands.features_onnx import ExportOnnx
from lsdc.commands.features_overview import Overview
from lsdc.features.store_settings import Settings
from lsdc.runtime.commands import Cluster, Compute, Reporting, run_command
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    from lsdc.features.appending import Appended
    from lsdc.features.extraction import Extraction
    from lsdc.report.study_preview import Preview as StudyPreview

DESCRIPTION = "Turn lumbar spine studies into features."


@dataclass(frozen=True)
class Extract:
    """Turn studies into a feature store: locate the 25 targets, cut crops, embed them.

    DATA is a folder in the competition's layout, any tree of DICOM files, or a ZIP archive of either. The same command
    run again resumes where it stopped.

    Examples
    --------
        lsdc-features extract cohort/ --out store/
        lsdc-features extract new_patients/ --out new_store/ --for model/
        lsdc-features extract new_patients/ --out new_store/ --like store/
        lsdc-features extract export.zip --out store/ --study-id hash --ids whose_is_what.csv
        lsdc-features extract cohort/ --out store/ --backbone convnext_tiny --weights imagenet --device cuda
        lsdc-features extract february/ --out store/ --append
        lsdc-features extract cohort/ --out store/ --engine dask --scheduler tcp://host:8786
    """

    data: Positional[Path]
    """folder or ZIP archive of studies"""
    out: Path
    """directory of the new store"""
    append: bool = False
    """add the studies that OUT, a finished store, does not hold yet; they are located by its own selector"""
    like: Path | None = None
    """a finished store whose selector, encoder and sizes to use: models fitted on it accept the new one"""
    model: Annotated[Path | None, tyro.conf.arg(name="for")] = None
    """a model whose selector, encoder and sizes to use, so that it accepts the store; or `bundled`"""
    study_id: Literal["uid", "folder", "hash"] | None = None
    """how studies outside of the competition's layout are named: by UID (default), folder, or a hash of the UID"""
    ids: Path | None = None
    """CSV to write that tells whose each study is: folder, PatientID, StudyDate"""
    settings: Settings = Settings()
    compute: Compute = Compute()
    cluster: Cluster = Cluster()
    reporting: Reporting = Reporting()

    def run(self) -> Extraction | Appended:
        """Extract the store.

        Returns
        -------
        Extraction or Appended
            Where it is, and what it holds; the second with `--append`.
        """
        from lsdc.features.appending import append
        from lsdc.features.extraction import extract

        if self.like is not None and self.model is not None:
            raise ConfigError(
                "--like and --for exclude each other; a model holds what the store was made with"
            )
        like = self.like if self.model is None else self.model
        options: dict[str, Any] = {
            "study_id": self.study_id,
            "ids": self.ids,
            "device": self.compute.device,
            "workers": self.compute.workers,
            "engine": self.cluster.engine,
            "scheduler": self.cluster.scheduler,
        }
        if not self.append:
            return extract(self.data, self.out, self.settings, like=like, **options)
        if like is not None:
            raise ConfigError(
                "--append takes selector, encoder and sizes from OUT itself; leave out --like and --for"
            )
        return append(self.data, self.out, self.settings, **options)


@dataclass(frozen=True)
class Preview:
    """Draw one study of a store: the chosen slices with the located points, and the 25 crops.

    Examples
    --------
        lsdc-features preview store/ 4003253 --out 4003253.png
    """

    store: Positional[Path]
    """a finished store"""
    study: Positional[str]
    """study id"""
    out: Path = Path("preview.png")
    """image to write"""
    reporting: Reporting = Reporting()

    def run(self) -> StudyPreview:
        """Draw the study.

        Returns
        -------
        Preview
            Where the image is, and how many targets were located.
        """
        from lsdc.report.study_preview import preview

        return preview(self.store, self.study, self.out)


COMMANDS: dict[str, type] = {
    "extract": Extract,
    "merge": Merge,
    "overview": Overview,
    "preview": Preview,
    "export": Export,
    "export-onnx": ExportOnnx,
}

main = partial(run_command, COMMANDS, "lsdc-features", DESCRIPTION)
"""Run `lsdc-features` with arguments, by default those of the process, and return the exit code."""


if __name__ == "__main__":
    sys.exit(main())
