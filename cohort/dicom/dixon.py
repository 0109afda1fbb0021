"""Which of the images of a Dixon sequence one is, by words and by ImageType."""

from __future__ import annotations

import re
from functools import lru_cache

from lsdc.cohort.dicom import word_lists
from lsdc.cohort.dicom.words import FAT_SATURATED, REMEMBERED, any_of, plain_words

FAT, OPPOSED, IN_PHASE, WATER = "fat", "opposed-phase", "in-phase", "water"
"""The images that a Dixon sequence makes."""
_DIXON = any_of(word_lists.DIXON)
_PARTS = {part: any_of(words) for part, words in word_lists.DIXON_PARTS.items()}
_NAMED_PARTS, _LAST_WORDS = (
    {part: re.compile(rf"(?:{any_of(words).pattern})$") for part, words in lists.items()}
    for lists in (word_lists.NAMED_PARTS, word_lists.DIXON_PARTS)
)
_PREFIX = re.compile(r"\s*([a-z ]+?)\s*:", re.IGNORECASE)


def _without_suppression(words: str) -> str:
    """Leave out what names suppressed fat: "saturation de graisse" names no image of fat."""
    return FAT_SATURATED.sub(" ", words).strip()


def _types(image_type: str) -> list[str]:
    """List the values of ImageType after the two that say nothing of Dixon, as plain words."""
    return [plain_words(item) for item in image_type.split("\\")[2:]]


@lru_cache(REMEMBERED)
def dixon_part(description: str, image_type: str, protocol: str = "") -> str:
    r"""Tell which of the images of a Dixon sequence one is.

    Parameters
    ----------
    description : str
        SeriesDescription; its last words count where it or the protocol names a Dixon sequence, its first before a
        colon always.
    image_type : str
        ImageType, backslash between values; it rules.
    protocol : str
        ProtocolName; empty by default.

    Returns
    -------
    str
        `water`, `in-phase`, `opposed-phase`, `fat`, or empty for what is none.

    Examples
    --------
    >>> dixon_part("t2_tse_dixon_sag_F", ""), dixon_part("t2 sag", r"DERIVED\PRIMARY\DIXON\WATER")
    ('fat', 'water')
    >>> dixon_part("FAT:Sag T2", "")
    'fat'
    """
    words, types = plain_words(description), _types(image_type)
    named = bool(_DIXON.search(words) or _DIXON.search(plain_words(protocol)) or "dixon" in types)
    words = _without_suppression(words)
    for part, pattern in _PARTS.items():
        if any(pattern.fullmatch(item) and (named or len(item) > 2) for item in types):
            return part
    prefix = _PREFIX.match(description)
    before = plain_words(prefix[1]) if prefix else ""
    for part, pattern in _PARTS.items():
        if (before and pattern.fullmatch(before)) or _NAMED_PARTS[part].search(words):
            return part
    if not named:
        return ""
    ends = [(match.end(), part) for part, pattern in _PARTS.items() for match in pattern.finditer(words)]
    return max(ends)[1] if ends else ""


@lru_cache(REMEMBERED)
def dixon_hint(description: str, image_type: str) -> str:
    r"""Tell which of the images of a Dixon sequence one may be, where no word says that it is of such a sequence.

    Parameters
    ----------
    description : str
        SeriesDescription; its last word counts.
    image_type : str
        ImageType, backslash between values; it rules.

    Returns
    -------
    str
        As `dixon_part`; it holds only where other images at the same places are another part.

    Examples
    --------
    >>> dixon_hint("t2_tse_sag_W", ""), dixon_hint("t2_tse_sag", "")
    ('water', '')
    """
    words, types = _without_suppression(plain_words(description)), _types(image_type)
    stated = (part for part, pattern in _PARTS.items() if any(map(pattern.fullmatch, types)))
    last = (part for part, pattern in _LAST_WORDS.items() if pattern.search(words))
    return next(stated, "") or next(last, "")
