"""What an image is besides its plane and contrast: whether it can be a view at all, and how well it suits one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from lsdc.cohort.dicom.dixon import dixon_hint, dixon_part
from lsdc.cohort.dicom.headers import Header
from lsdc.cohort.dicom.words import (
    LUMBAR,
    OTHER_REGION,
    aside_of,
    has_contrast_agent,
    is_fat_saturated,
    is_inversion,
    names_contrast,
    plain_words,
    region_of,
    region_of_body_part,
)

OTHER_PART = "another region"
"""The kind of what shows another part of the body than the lumbar spine."""
FAT_ONLY, OPPOSED = "fat image", "opposed-phase image"
"""Kinds of Dixon images in which no grade can be read."""

SIMULATED = "simulated"
"""The trait of a series of a simulated patient."""
SIMULATOR = "lsdc phantom"
"""The ManufacturerModelName of simulated patients' files, which tells them from a scanner's."""

_SPREADING = frozenset({"localizer", "diffusion", "perfusion", "map", "mosaic", "angiogram", "calibration"})
"""Kinds of a whole acquisition: its other images, such as those without diffusion weighting, are of it as well."""

DIXON_HINTS = {
    "fat": "perhaps_fat", "opposed-phase": "perhaps_opposed", "water": "perhaps_water", "in-phase": "perhaps_in_phase",
}  # fmt: skip
"""Traits of images that may be of a Dixon sequence, until `tell_dixon_apart` has seen the study's other series."""
_SPLITTING = frozenset({"contrast_agent", "water", "in_phase", *DIXON_HINTS.values()})
"""Traits by which images of one acquisition are told apart."""

T = TypeVar("T")

_TYPES = {
    "LOCALIZER": "localizer", "SCOUT": "localizer", "POSDISP": "localizer", "SURVEY": "localizer",
    "MOSAIC": "mosaic", "CALIBRATION": "calibration",
    "DIFFUSION": "diffusion", "TRACEW": "diffusion", "DWI": "diffusion", "DW": "diffusion", "DIFF": "diffusion",
    "TRACE": "diffusion", "TENSOR": "diffusion", "CALC BVALUE": "diffusion", "CALCULATED BVALUE": "diffusion",
    "ADC": "map", "FA": "map", "EADC": "map", "AVERAGE DC": "map", "FAT FRACTION": "map", "FF": "map", "PDFF": "map",
    "R2": "map", "RELCBF": "map", "RELCBV": "map", "MTT": "map", "TTP": "map",
    "PERFUSION": "perfusion", "TIME RESOLVED": "perfusion",
    "MIP": "projection", "PROJECTION IMAGE": "projection", "PJN": "projection", "VOLREN": "projection",
    "VRT": "projection", "MIN IP": "projection", "MINIP": "projection", "MIP IMAGE": "projection",
    "SUB": "subtraction", "CSA REPORT": "screen capture", "VXTL STATE": "screen capture",
    "P": "phase image", "PHASE": "phase image", "VELOCITY": "flow image", "PCA": "flow image",
    "FLOW ENCODED": "flow image", "MAGNITUDE PC": "flow image", "PHASE CONTRAST M": "flow image",
    "ANGIO": "angiogram", "TOF": "angiogram", "T2 STAR": "gradient echo", "M FFE": "gradient echo",
}  # fmt: skip
"""Values of ImageType, FrameType and AcquisitionContrast that make an image no view, with spaces for `_` and `*`."""
_PARTS_OF_TYPES = (("MAP", "map"), ("SUBTRACT", "subtraction"), ("SCREEN", "screen capture"))
"""What the last word of such a value begins with."""
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.4.2": "spectroscopy",
    "1.2.840.10008.5.1.4.1.1.66": "raw data",
    "1.2.840.10008.5.1.4.1.1.4.4": "color image",
}
_CAPTURES = "1.2.840.10008.5.1.4.1.1.7"
_NO_AGENT = re.compile(
    r"(?:no|non|none|n|na|n a|nc|nil|false|off|not given|not applicable|0+(?: 0+)?(?: ?(?:ml|cc|mmol))?"
    r"|(?:without|w o|ohne|sans|sin|senza|sem|no|none|nativ\w*|native\w*|unenhanced|plain|pre)(?: .*)?)?"
)
"""What ContrastBolusAgent holds where no agent was given."""
_DIFFUSION_SEQUENCE = re.compile(r"ep\w* ?b ?[0-9]+|dwi|diff")


def kind_of(header: Header) -> str:
    """Say what makes an image no view to grade.

    Parameters
    ----------
    header : Header
        What the image says about itself.

    Returns
    -------
    str
        Such as `localizer`, `diffusion`, `map`, `screen capture`, `mosaic`, `another region`, `fat image`; empty for
        an image that may be a view.
    """
    if kind := object_kind(header.sop_class, header.position is not None):
        return kind
    for item in (*header.image_type.split("\\")[2:], header.acquisition_contrast):
        if kind := _kind_of_type(item):
            return kind
    if header.b_value > 0 or _DIFFUSION_SEQUENCE.search(plain_words(header.sequence_name)):
        return "diffusion"
    if header.component.upper() in ("PHASE", "REAL", "IMAGINARY"):
        return "phase image"
    if header.burned_in.upper() == "YES" and header.sop_class.startswith(_CAPTURES):
        return "screen capture"
    if kind := aside_of(*_words(header)):
        return kind
    part = dixon_part(header.description, header.image_type, header.protocol)
    if part in ("fat", "opposed-phase"):
        return FAT_ONLY if part == "fat" else OPPOSED
    # One of body part and protocol alone is often a default that nobody changed; the choice of series weighs it.
    said = region_of(header.description)
    others = region_of(header.protocol), region_of_body_part(header.body_part)
    return OTHER_PART if said == OTHER_REGION or (not said and others == (OTHER_REGION,) * 2) else ""


def _kind_of_type(item: str) -> str:
    """Say what one value of an image type makes of an image."""
    value = " ".join(re.sub(r"[_*\s]+", " ", item.upper()).split())
    if value in _TYPES:
        return _TYPES[value]
    last = value.split(" ")[-1]
    parts = (kind for begin, kind in _PARTS_OF_TYPES if last.startswith(begin) or value.startswith(begin))
    return next(parts, "map" if value.endswith("MAP") else "")


def _words(header: Header) -> tuple[str, ...]:
    """Take the words that tell a kind: of the protocol, which may be that of the whole examination, only if needed."""
    return (
        (header.description,) if names_contrast(header.description) else (header.description, header.protocol)
    )


def object_kind(sop_class: str, placed: bool) -> str:
    """Say what a DICOM object is that is no image of a scanner.

    Parameters
    ----------
    sop_class : str
        SOPClassUID.
    placed : bool
        Whether it has a place in the patient; a secondary capture with one is an image that was stored anew.

    Returns
    -------
    str
        `spectroscopy`, `raw data`, `color image`, `screen capture`, or empty.

    Examples
    --------
    >>> object_kind("1.2.840.10008.5.1.4.1.1.4.2", placed=False)
    'spectroscopy'
    """
    if sop_class.startswith(_CAPTURES) and not placed:
        return "screen capture"
    return _CLASSES.get(sop_class, "")


def traits_of(header: Header) -> frozenset[str]:
    """Tell what makes an image suit a view better or worse than another one.

    Parameters
    ----------
    header : Header
        What the image says about itself.

    Returns
    -------
    frozenset of str
        Of `contrast_agent`, `fat_saturated`, `inversion`, `water` and `in_phase` (of Dixon images), `derived`
        (made from other images), `lumbar` and `other_region` (what the header names, however sure that is), and
        `simulated` (made by `lsdc.simulate`: no patient); also one of `DIXON_HINTS` where no word says what the
        image's last word or letter may mean.
    """
    words, part = _words(header), dixon_part(header.description, header.image_type, header.protocol)
    agent = _names_agent(header.contrast_agent)
    options = {item.strip().upper() for item in header.scan_options.split("\\")}
    regions = [region_of(text) for text in (header.description, header.protocol)]
    regions = [region for region in (*regions, region_of_body_part(header.body_part)) if region]
    found = {
        "contrast_agent": agent or has_contrast_agent(*words),
        "fat_saturated": is_fat_saturated(*words) or bool(options & {"FS", "SFS", "FAT SAT", "FATSAT"}),
        "inversion": is_inversion(*words) or header.inversion_ms < 400,
        "water": part == "water",
        "in_phase": part == "in-phase",
        "derived": header.image_type.upper().startswith("DERIVED") and not part,
        "lumbar": bool(regions) and regions[0] == LUMBAR,
        "other_region": bool(regions) and regions[0] == OTHER_REGION,
        SIMULATED: header.scanner_model == SIMULATOR,
    }
    hint = "" if part else DIXON_HINTS.get(dixon_hint(header.description, header.image_type), "")
    return frozenset(name for name, present in found.items() if present) | ({hint} if hint else set())


def _names_agent(text: str) -> bool:
    """Tell whether the attribute for an agent names one; plain words with nothing in them, as `---`, name none."""
    return _NO_AGENT.fullmatch(plain_words(text)) is None


def shown_by(images: Sequence[tuple[Header, T]]) -> list[tuple[str, list[T]]]:
    """Group the images of one series UID by what they show, as some exports give one UID to all series.

    Parameters
    ----------
    images : sequence of (Header, object)
        What each image says about itself, and anything that stands for it.

    Returns
    -------
    list of (str, list)
        The kind of each group, as `kind_of` says it, and the group in the order given.
    """
    kinds = [kind_of(header) for header, _ in images]
    splitting = [traits_of(header) & _SPLITTING for header, _ in images]
    groups: list[tuple[str, list[T]]] = []
    for members in _acquisitions([header for header, _ in images]):
        whole = next((kinds[k] for k in members if kinds[k] in _SPREADING), "")
        parts: dict[tuple[str, frozenset[str]], list[T]] = {}
        for k in members:
            part = (whole, frozenset[str]()) if whole else (kinds[k], splitting[k])
            parts.setdefault(part, []).append(images[k][1])
        groups += [(kind, part) for (kind, _), part in parts.items()]
    return groups


def _acquisitions(headers: Sequence[Header]) -> list[list[int]]:
    """Group images by number and description of their series; where one lacks either, the other decides."""
    named: dict[tuple[str, str], list[int]] = {}
    for k, header in enumerate(headers):
        named.setdefault((header.series_number, header.description), []).append(k)
    if len(named) > len(headers) / 2:  # names that are new in every image say nothing
        return [list(range(len(headers)))]
    by_size = sorted(named, key=lambda key: -len(named[key]))
    for key in [key for key in by_size if not all(key)]:
        like = (
            other for other in by_size if other != key and all(not a or a == b for a, b in zip(key, other))
        )
        if (largest := next(like, None)) is not None:
            named[largest] = sorted(named[largest] + named.pop(key))
            by_size.remove(key)
    return list(named.values())
