"""Recognizing the view of a series, from the words and the numbers of its headers."""

from __future__ import annotations

import math
import re

import numpy as np

from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.dicom.kinds import kind_of
from lsdc.cohort.dicom.words import is_gradient_echo, names_proton_density, plain_words
from lsdc.cohort.geometry import Axes, plane_of
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
_STATED_CONTRAST = {"T1": "t1", "T2": "t2", "STIR": "t2"}
"""AcquisitionContrast of enhanced images; others, such as PROTON_DENSITY and T2_STAR, fit no view."""
_T1_ECHO_MS, _T2_ECHO_MS, _LONGEST_ECHO_MS = 40.0, 50.0, 400.0
_T1_REPETITION_MS = 1300.0
_FAT_INVERSION_MS, _T1_INVERSION_MS = 400.0, 1500.0


def describe_view(description: str | None) -> View | None:
    """Recognize the view that a description names, in the competition's words or in a scanner's.

    Parameters
    ----------
    description : str or None
        A row of the table of series descriptions, or a SeriesDescription.

    Returns
    -------
    View or None
        None unless exactly one plane and one contrast are named, and together are one of the three views.

    Examples
    --------
    >>> describe_view("Sagittal T2/STIR"), describe_view("t2_tse_tra_msma"), describe_view("localizer")
    (<View.SAGITTAL_T2: 'Sagittal T2/STIR'>, <View.AXIAL_T2: 'Axial T2'>, None)
    """
    return _VIEWS.get((_named(_PLANE_WORDS, description), _named(_CONTRAST_WORDS, description)))


def guess_view(header: Header, axes: Axes | None) -> View | None:
    """Guess the view of an image that no table describes.

    The plane comes from the orientation, else from the description; the contrast from the description, else
    from what enhanced files state, else from echo, repetition and inversion time. What `kind_of` names, gradient
    echoes without a word about their contrast, proton density and coronal images have no view.

    Parameters
    ----------
    header : Header
        What any image of the series says about itself.
    axes : (row direction, column direction) or None
        Unit vectors, LPS; None where the orientation is not known, so that words decide.

    Returns
    -------
    View or None
        None where plane or contrast cannot be recognized, or together are none of the three views.
    """
    if kind_of(header):
        return None
    plane = _named(_PLANE_WORDS, header.description) if axes is None else plane_of(np.cross(*axes))
    if _is_neither(header):
        return None
    contrast = (
        _named(_CONTRAST_WORDS, header.description)
        or _named(_CONTRAST_WORDS, header.protocol)
        or _measured_contrast(header)
    )
    return _VIEWS.get((plane, contrast))


def _named(words: dict[str, str], description: str | None) -> str:
    """Find the one name whose words occur; empty where none or several do."""
    found = [name for name, pattern in words.items() if re.search(pattern, plain_words(description))]
    return found[0] if len(found) == 1 else ""


def _is_neither(header: Header) -> bool:
    """Tell what is neither T1 nor T2, whatever words say: echo planar, T2*, dark fluid, echoes of fluid alone."""
    echo_planar = "EP" in header.sequence.upper().split("\\") or "ep2d" in header.sequence_name.casefold()
    late = header.inversion_ms >= _T1_INVERSION_MS or header.acquisition["echo_time_ms"] > _LONGEST_ECHO_MS
    return echo_planar or late or is_gradient_echo(header.description)


def _measured_contrast(header: Header) -> str:
    """Judge `t1` or `t2` by the times of the sequence; empty where they fit neither or are of proton density."""
    if names_proton_density(f"{header.description} {header.protocol}"):
        return ""
    if (stated := header.acquisition_contrast.upper()) not in ("", "UNKNOWN"):
        return _STATED_CONTRAST.get(stated, "")
    sequence = header.sequence.upper().split("\\")
    if ("GR" in sequence or "GRADIENT" in sequence) and "SE" not in sequence:
        return ""
    echo, repetition = header.acquisition["echo_time_ms"], header.acquisition["repetition_time_ms"]
    inversion = header.inversion_ms
    if inversion < _FAT_INVERSION_MS:
        return "t2"
    if echo >= _T2_ECHO_MS:
        return "t2"
    short_repetition = repetition < _T1_REPETITION_MS or inversion >= _FAT_INVERSION_MS
    if short_repetition and not echo >= _T1_ECHO_MS:
        return "t1"
    return "t1" if math.isnan(repetition) and echo < _T1_ECHO_MS else ""
