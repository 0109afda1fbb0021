"""Real pictures with gradings and masks that weights may be trained on, beside the simulated ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

CREDIT = (
    "SPIDER, lumbar spine segmentation in MR images (van der Graaf et al., Scientific Data 11, 264, 2024), "
    "licensed CC BY 4.0; pictures and gradings derived from it"
)
"""Whose pictures these are; stands in the card of every file of weights that saw them."""
GRADES = ("narrowing", "bulging", "herniation", "up_endplate", "low_endplate", "spondylolisthesis")
"""What readers noted of a disc as 0 or 1; columns of gradings.csv."""
GRADINGS = (*GRADES, "modic_any", "pfirrmann_2", "pfirrmann_3", "pfirrmann_4", "pfirrmann_5")
"""What the encoder is asked about a real disc; `pfirrmann_4` is whether the grade is 4 or more."""


@dataclass(frozen=True)
class DiscPicture:
    """A tight crop of a disc.

    Parameters
    ----------
    patient : str
        Whose.
    pixels : (rows, columns) uint8
        Anterior at the left, head up.
    t2 : bool
        Whether it is T2-weighted.
    gradings : (len(GRADINGS),) float32
        0 or 1.
    """

    patient: str
    pixels: NDArray[np.uint8]
    t2: bool
    gradings: NDArray[np.float32]


@dataclass(frozen=True)
class MidlinePicture:
    """A whole mid-sagittal slice.

    Parameters
    ----------
    patient : str
        Whose.
    pixels : (rows, columns) uint8
        Anterior at the left, head up.
    t2 : bool
        Whether it is T2-weighted.
    spacing : (float, float)
        mm between rows, mm between columns.
    canal : (5, 2) float64
        Column and row of the canal at L1/L2 to L5/S1, px.
    gradings : (5, len(GRADINGS)) float32
        Of the five discs; NaN where there are none.
    mask : (rows, columns) uint8, optional
        29 disc, 76 vertebra, 150 canal, 0 other; None where nobody drew one.
    """

    patient: str
    pixels: NDArray[np.uint8]
    t2: bool
    spacing: tuple[float, float]
    canal: NDArray[np.float64]
    gradings: NDArray[np.float32]
    mask: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class RealPictures:
    """Real pictures of some patients.

    Parameters
    ----------
    discs : tuple of DiscPicture
        With gradings.
    slices : tuple of MidlinePicture
        T1 and T2; their points were found by the bundled localizer, and are believed only where it is sure and the
        two weightings, where a patient has both, agree.
    digest : str
        Tells one folder of pictures from another, whoever's part this is.
    """

    discs: tuple[DiscPicture, ...]
    slices: tuple[MidlinePicture, ...]
    digest: str

    @property
    def patients(self) -> list[str]:
        """Everybody of whom there is a picture, ascending."""
        return sorted({item.patient for item in self.discs} | {item.patient for item in self.slices})

    def of(self, patients: set[str]) -> Self:
        """Select the pictures of some patients.

        Parameters
        ----------
        patients : set of str
            Whose.

        Returns
        -------
        RealPictures
            With the digest of all.
        """
        discs = tuple(item for item in self.discs if item.patient in patients)
        slices = tuple(item for item in self.slices if item.patient in patients)
        return type(self)(discs, slices, self.digest)


@dataclass(frozen=True)
class PictureParts:
    """Pictures to train on, and those of patients who are held out.

    Parameters
    ----------
    train, held_out : RealPictures
        No patient is in both.
    """

    train: RealPictures
    held_out: RealPictures

    @property
    def digest(self) -> str:
        """Tells one folder of pictures from another."""
        return self.train.digest

    def about(self) -> dict[str, Any]:
        """Say for a card who was trained on.

        Returns
        -------
        dict
            JSON-able: digest, and the patients of both parts.
        """
        return {
            "digest": self.digest,
            "patients_trained_on": self.train.patients,
            "patients_held_out": self.held_out.patients,
        }
