"""What the free words of a header name: the region, a kind that is no view, a contrast agent, a Dixon part."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from lsdc.cohort.dicom import word_lists

LUMBAR, OTHER_REGION = "lumbar", "other"
"""What a header says of the region: the lumbar spine is in it, or it is elsewhere."""
_BODY_PARTS = {
    "LSPINE": LUMBAR, "LSSPINE": LUMBAR, "TLSPINE": LUMBAR, "WHOLESPINE": LUMBAR,
    "SPINE": "", "SSPINE": "", "BACK": "", "SACRUM": "", "PELVIS": "", "ABDOMEN": "", "ABDOMENPELVIS": "",
    "CSPINE": OTHER_REGION, "TSPINE": OTHER_REGION, "CTSPINE": OTHER_REGION,
}  # fmt: skip
"""Codes of DICOM PS3.16, annex L. ABDOMEN and PELVIS are written for the lumbar spine as well: they tell nothing."""
_LONGEST_TEXT = 500
_REMEMBERED = 512
"""All images of a series have the same words, so answers are kept."""


def _any_of(words: str) -> re.Pattern[str]:
    """Compile a list of words; `word_lists` says how it is written."""
    return re.compile("|".join(map(_pattern, words.split())))


def _pattern(word: str) -> str:
    """Compile one word: it begins and ends where no letter stands beside, except at an asterisk."""
    inner = _without_accents(word.strip("*"))
    begin = "" if word.startswith("*") else r"(?<![^\W_])" if len(inner) == 1 else r"(?<![^\W\d_])"
    end = "" if word.endswith("*") else r"(?![^\W\d_])"
    return begin + re.escape(inner).replace("_", " ?").replace(r"\#", "[0-9]+") + end


def _without_accents(text: str) -> str:
    """Put text in lower case without accents."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in spread if not unicodedata.combining(character))


_LUMBAR = _any_of(word_lists.LUMBAR + word_lists.WHOLE_SPINE)
_OTHER = _any_of(word_lists.OTHER_REGIONS)
_ASIDE = {kind: _any_of(words) for kind, words in word_lists.ASIDE.items()}
_CONTRAST_AGENT, _NO_CONTRAST_AGENT = map(_any_of, (word_lists.CONTRAST_AGENT, word_lists.NO_CONTRAST_AGENT))
_FAT_SATURATED, _INVERSION = map(_any_of, (word_lists.FAT_SATURATED, word_lists.INVERSION))
_DIXON = _any_of(word_lists.DIXON)
_DIXON_PARTS = {part: _any_of(words) for part, words in word_lists.DIXON_PARTS.items()}


@lru_cache(_REMEMBERED)
def plain_words(text: str | None) -> str:
    """Put text in lower case without accents, with single spaces for all that is neither letter, digit nor plus.

    Parameters
    ----------
    text : str or None
        What a header holds; only its first 500 characters count.

    Returns
    -------
    str
        Empty where there is nothing.

    Examples
    --------
    >>> plain_words("T2_TSE-Übersicht")
    't2 tse ubersicht'
    """
    return re.sub(r"[^\w+]+|_+", " ", _without_accents((text or "")[:_LONGEST_TEXT])).strip()


@lru_cache(_REMEMBERED)
def region_of(body_part: str, *texts: str) -> str:
    """Tell which region a header names.

    Parameters
    ----------
    body_part : str
        BodyPartExamined.
    *texts : str
        What is said in free words, the most specific first: SeriesDescription, ProtocolName.

    Returns
    -------
    str
        `LUMBAR` where the lumbar spine is named, also with other regions or as part of the whole spine;
        `OTHER_REGION` where only other parts of the body are; empty where nothing tells. The first of the texts that
        names a region decides, then the body part.

    Examples
    --------
    >>> region_of("", "T2 SAG C-SPINE"), region_of("CSPINE", "LWS t2 sag"), region_of("", "t2_tse_sag")
    ('other', 'lumbar', '')
    """
    for text in texts:
        words = plain_words(text)
        if _LUMBAR.search(words):
            return LUMBAR
        if _OTHER.search(words):
            return OTHER_REGION
    code = re.sub(r"[^A-Z]", "", body_part.upper())
    if code in _BODY_PARTS:
        return _BODY_PARTS[code]
    words = plain_words(body_part)
    if _LUMBAR.search(words):
        return LUMBAR
    return OTHER_REGION if _OTHER.search(words) else ""


@lru_cache(_REMEMBERED)
def aside_of(*texts: str) -> str:
    """Name what makes an image no view to grade, by words: `localizer`, `diffusion`, `map`, …; empty for others.

    Parameters
    ----------
    *texts : str
        SeriesDescription, ProtocolName, SequenceName.

    Returns
    -------
    str
        The first kind that any of the texts names.

    Examples
    --------
    >>> aside_of("Übersicht"), aside_of("ep2d_diff_b0_800"), aside_of("t2_tse_sag")
    ('localizer', 'diffusion', '')
    """
    words = [plain_words(text) for text in texts]
    return next((kind for kind, pattern in _ASIDE.items() if any(map(pattern.search, words))), "")


@lru_cache(_REMEMBERED)
def has_contrast_agent(*texts: str) -> bool:
    """Tell whether words say that a contrast agent was given before the images.

    Parameters
    ----------
    *texts : str
        SeriesDescription, ProtocolName.

    Returns
    -------
    bool
        False where words say that there was none (`pre`, `native`, `ohne KM`).

    Examples
    --------
    >>> has_contrast_agent("T1 SAG FS POST GD"), has_contrast_agent("t1 sag pre gd")
    (True, False)
    """
    words = [plain_words(text) for text in texts]
    return any(_CONTRAST_AGENT.search(w) and not _NO_CONTRAST_AGENT.search(w) for w in words)


@lru_cache(_REMEMBERED)
def is_fat_saturated(*texts: str) -> bool:
    """Tell whether words name a suppression of the signal of fat; an inversion (STIR) is named by `is_inversion`.

    Parameters
    ----------
    *texts : str
        SeriesDescription, ProtocolName.

    Returns
    -------
    bool
        False where nothing says so.

    Examples
    --------
    >>> is_fat_saturated("t2_tse_fs_sag"), is_fat_saturated("t2_tse_sag")
    (True, False)
    """
    return any(_FAT_SATURATED.search(plain_words(text)) for text in texts)


@lru_cache(_REMEMBERED)
def is_inversion(*texts: str) -> bool:
    """Tell whether words name a short inversion recovery (STIR, TIRM).

    Parameters
    ----------
    *texts : str
        SeriesDescription, ProtocolName.

    Returns
    -------
    bool
        False where nothing says so.
    """
    return any(_INVERSION.search(plain_words(text)) for text in texts)


@lru_cache(_REMEMBERED)
def dixon_part(description: str, image_type: str) -> str:
    r"""Tell which of the images of a Dixon sequence one is.

    Parameters
    ----------
    description : str
        SeriesDescription; its last words count where it names a Dixon sequence.
    image_type : str
        ImageType, backslash between values; it rules.

    Returns
    -------
    str
        `water`, `in-phase`, `opposed-phase`, `fat`, or empty for what is none.

    Examples
    --------
    >>> dixon_part("t2_tse_dixon_sag_F", ""), dixon_part("t2 sag", "DERIVED\\PRIMARY\\DIXON\\WATER")
    ('fat', 'water')
    """
    types = [plain_words(item) for item in image_type.split("\\")[2:]]
    for part, pattern in _DIXON_PARTS.items():
        if any(pattern.fullmatch(item) for item in types):
            return part
    words = plain_words(description)
    if not (_DIXON.search(words) or "dixon" in types):
        return ""
    ends = [
        (match.end(), part) for part, pattern in _DIXON_PARTS.items() for match in pattern.finditer(words)
    ]
    return max(ends)[1] if ends else ""
