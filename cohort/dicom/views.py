"""Recognizing the view of a series, from words and from numbers."""

from __future__ import annotations

import math
import re

import numpy as np
from numpy.typing import ArrayLike

from lsdc.cohort.dicom.headers import Axes, Header
from lsdc.cohort.vocabulary import View

_VIEWS = {
    ("sagittal", "t1"): View.SAGITTAL_T1,
    ("sagittal", "t2"): View.SAGITTAL_T2,
    ("axial", "t2"): View.AXIAL_T2,
}
_AFTER_PLANE = r"(?:\b|(?<=sag)|(?<=ax)|(?<=ial)|(?<=tra)|(?<=cor))"
_PLANE_WORDS = {
    "sagittal": r"\bo?sag",
    "axial": r"\b(?:o?ax(?:ial\w*)?|tra(?:ns\w*)?)(?=t[12]|\b)",
    "coronal": r"\b(?:cor|kor)(?:onal)?(?=t[12]|\b)",
}
_CONTRAST_WORDS = {
    "t1": _AFTER_PLANE + r"t1(?![0-9])",
    "t2": _AFTER_PLANE + r"t2(?![0-9])|stir|tirm",
}
_ASIDE = re.compile(
    r"locali[sz]er|scout|survey|\b(?:loc|3 ?pl(?:ane)?|myelo\w*|smart ?brain|adc|trace|b[0-9]{2,4})\b"
)
_STEEPEST_AXIAL = 0.5
_T1_ECHO_MS, _T2_ECHO_MS, _LONGEST_ECHO_MS = 40.0, 50.0, 400.0
_T1_REPETITION_MS = 1300.0
_FAT_INVERSION_MS, _T1_INVERSION_MS = 400.0, 1500.0


def describe_view(description: str | None) -> View | None:
    """The view that a description names, in the competition's words or in a scanner's.

    >>> describe_view("Sagittal T2/STIR"), describe_view("t2_tse_tra_msma"), describe_view("localizer")
    (<View.SAGITTAL_T2: 'Sagittal T2/STIR'>, <View.AXIAL_T2: 'Axial T2'>, None)
    """
    return _VIEWS.get((_named(_PLANE_WORDS, description), _named(_CONTRAST_WORDS, description)))


def plane_of(normal: ArrayLike) -> str:
    """Name the anatomical plane with a normal.

    Slices tilted by up to 60 degrees are still axial: lumbosacral discs can be tilted by more than 45.

    >>> plane_of((0, 0.8, 0.6))
    'axial'
    """
    left, posterior, head = np.abs(np.asarray(normal, float))
    if left >= max(posterior, head):
        return "sagittal"
    return "axial" if head >= _STEEPEST_AXIAL else "coronal"


def plane_of_view(view: View) -> str:
    """Name the anatomical plane of a view.

    >>> plane_of_view(View.AXIAL_T2)
    'axial'
    """
    return "axial" if view is View.AXIAL_T2 else "sagittal"


def guess_view(header: Header, axes: Axes | None) -> View | None:
    """Guess the view of an image that no table describes.

    The plane comes from the orientation, else from the description; the contrast from the description, else
    from echo, repetition and inversion time. Localizers, gradient echoes without a word about their contrast,
    diffusion, myelograms, proton density and coronal images have no view.

    Parameters
    ----------
    header : Header
        Of any image of the series.
    axes : Axes or None
        Directions of rows and columns, where they are known.
    """
    if _ASIDE.search(_words(header.description)) or "LOCALIZER" in header.image_type.upper():
        return None
    plane = _named(_PLANE_WORDS, header.description) if axes is None else plane_of(np.cross(*axes))
    contrast = _named(_CONTRAST_WORDS, header.description) or _measured_contrast(header)
    return _VIEWS.get((plane, contrast))


def _words(description: str | None) -> str:
    return re.sub(r"[^a-z0-9]+", " ", (description or "").casefold())


def _named(words: dict[str, str], description: str | None) -> str:
    """The one name whose words occur; empty where none or several do."""
    found = [name for name, pattern in words.items() if re.search(pattern, _words(description))]
    return found[0] if len(found) == 1 else ""


def _measured_contrast(header: Header) -> str:
    sequence = header.sequence.upper().split("\\")
    if "EP" in sequence or (("GR" in sequence or "GRADIENT" in sequence) and "SE" not in sequence):
        return ""
    echo, repetition = header.acquisition["echo_time_ms"], header.acquisition["repetition_time_ms"]
    inversion = header.inversion_ms
    if inversion < _FAT_INVERSION_MS:
        return "t2"
    if inversion >= _T1_INVERSION_MS or echo > _LONGEST_ECHO_MS:
        return ""
    if echo >= _T2_ECHO_MS:
        return "t2"
    short_repetition = repetition < _T1_REPETITION_MS or inversion >= _FAT_INVERSION_MS
    if short_repetition and not echo >= _T1_ECHO_MS:
        return "t1"
    return "t1" if math.isnan(repetition) and echo < _T1_ECHO_MS else ""
