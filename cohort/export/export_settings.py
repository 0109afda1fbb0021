"""What pictures are wanted, and the order to make those of one study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from lsdc.cohort.discovery.sources import StudySource, usable_id
from lsdc.runtime.errors import ConfigError

Format = Literal["png", "jpg", "nifti"]
"""`png` and `jpg`: one picture for each slice; `nifti`: one volume for each stack of slices."""
FORMATS: tuple[Format, ...] = get_args(Format)
Bits = Literal[8, 16]
"""Of a picture's gray values."""


@dataclass(frozen=True)
class ExportTask:
    """The order to export a study.

    Parameters
    ----------
    source : StudySource
        Where the study's files are.
    root : Path
        The folder below which they lie; names in tables begin there.
    out : Path
        Folder of the export.
    format : `png`, `jpg` or `nifti`
        What is written.
    bits : 8 or 16
        Of pictures; volumes keep the values as they are.
    named_by : `uid`, `folder` or `hash`
        What studies are named by; with `hash`, tables hold no name of a file.
    """

    source: StudySource
    root: Path
    out: Path
    format: Format
    bits: Bits
    named_by: str

    @property
    def folder(self) -> Path:
        """The study's folder; it appears when the study is finished."""
        return self.out / usable_id(self.source.study_id)


def check_format(format: str, bits: int | None) -> tuple[Format, Bits]:
    """Refuse formats that do not exist, and bits that a format does not have.

    Parameters
    ----------
    format : str
        What was asked for.
    bits : int or None
        What was asked for; None is 8, or what `nifti` needs.

    Returns
    -------
    format : `png`, `jpg` or `nifti`
        The same.
    bits : 8 or 16
        Eight unless 16 were asked for.

    Raises
    ------
    ConfigError
        When `format` is none of `FORMATS`, `bits` is neither 8 nor 16, 16 for `jpg`, or given for `nifti`.
    """
    found: Format | None = next((name for name in FORMATS if name == format), None)
    if found is None:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    if bits not in (None, 8, 16):
        raise ConfigError(f"bits must be 8 or 16, not {bits}")
    if found == "nifti" and bits is not None:
        raise ConfigError("bits are for pictures; nifti keeps the values of the images as they are")
    if found == "jpg" and bits == 16:
        raise ConfigError("a jpg picture has 8 bits; choose the format png for 16")
    return found, 16 if bits == 16 else 8
