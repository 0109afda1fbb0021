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
    inner = _without_accents(word.strip("*$"))
    # One letter alone, or before a gap, must not be the end of a word such as T2W or 3D.
    lonely = len(inner.split("_")[0]) == 1 and inner[0].isalpha()
    begin = (
        ""
        if word.startswith("*") or not inner[0].isalnum()
        else r"(?<![^\W_])"
        if lonely
        else r"(?<![^\W\d_])"
    )
    end = "" if word.endswith("*") else "$" if word.endswith("$") else r"(?![^\W\d_])"
    middle = re.escape(inner).replace("_", " ?").replace(r"\#\#", "[0-9]{2,}").replace(r"\#", "[0-9]+")
    return begin + middle.replace(r"\*", r"\w*") + end


def _without_accents(text: str) -> str:
    """Put text in lower case without accents."""
    spread = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in spread if not unicodedata.combining(character))


_LUMBAR = _any_of(word_lists.LUMBAR + word_lists.WHOLE_SPINE)
_OTHER, _POSITIONS = _any_of(word_lists.OTHER_REGIONS), _any_of(word_lists.POSITIONS)
_GRADIENT_ECHO = _any_of(word_lists.GRADIENT_ECHO)
_ASIDE = {kind: _any_of(words) for kind, words in word_lists.ASIDE.items()}
_CONTRAST_AGENT, _NO_CONTRAST_AGENT = map(_any_of, (word_lists.CONTRAST_AGENT, word_lists.NO_CONTRAST_AGENT))
_FAT_SATURATED, _INVERSION = map(_any_of, (word_lists.FAT_SATURATED, word_lists.INVERSION))
_DIXON = _any_of(word_lists.DIXON)
_DIXON_PARTS = {part: _any_of(words) for part, words in word_lists.DIXON_PARTS.items()}
_NAMED_PARTS = {
    part: re.compile(rf"(?:{_any_of(words).pattern})$") for part, words in word_lists.NAMED_PARTS.items()
}
_CONTRAST = re.compile(r"t[12](?![0-9])|stir|tirm|(?<![^\W_])pd(?![^\W\d_])")
_PREFIX = re.compile(r"\s*([a-z ]+?)\s*:", re.IGNORECASE)


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
def region_of(text: str) -> str:
    """Tell which region free words name.

    Parameters
    ----------
    text : str
        SeriesDescription or ProtocolName.

    Returns
    -------
    str
        `LUMBAR` where the lumbar spine is named, also with other regions or as part of the whole spine;
        `OTHER_REGION` where only other parts of the body are; empty where nothing tells.

    Examples
    --------
    >>> region_of("T2 SAG C-SPINE"), region_of("LWS t2 sag"), region_of("t2_tse_sag, head first")
    ('other', 'lumbar', '')
    """
    words = _POSITIONS.sub(" ", plain_words(text))
    return LUMBAR if _LUMBAR.search(words) else OTHER_REGION if _OTHER.search(words) else ""


@lru_cache(_REMEMBERED)
def region_of_body_part(body_part: str) -> str:
    """Tell which region a code names.

    Parameters
    ----------
    body_part : str
        BodyPartExamined.

    Returns
    -------
    str
        As `region_of`.

    Examples
    --------
    >>> region_of_body_part("CSPINE"), region_of_body_part("LSPINE"), region_of_body_part("SPINE")
    ('other', 'lumbar', '')
    """
    code = re.sub(r"[^A-Z]", "", body_part.upper())
    return _BODY_PARTS[code] if code in _BODY_PARTS else region_of(body_part)


@lru_cache(_REMEMBERED)
def is_gradient_echo(text: str) -> bool:
    """Tell whether words name T2* or a gradient echo, which look otherwise than T2.

    Parameters
    ----------
    text : str
        SeriesDescription.

    Returns
    -------
    bool
        False where nothing says so.

    Examples
    --------
    >>> is_gradient_echo("T2* SAG MEDIC"), is_gradient_echo("t2_tse_sag")
    (True, False)
    """
    return "t2*" in text.casefold().replace(" ", "") or _GRADIENT_ECHO.search(plain_words(text)) is not None


def names_contrast(text: str) -> bool:
    """Tell whether words name a contrast, as those of an image do and those of a whole examination do not.

    Parameters
    ----------
    text : str
        SeriesDescription.

    Returns
    -------
    bool
        True for T1, T2, STIR, PD and the like.

    Examples
    --------
    >>> names_contrast("SAG T2 FSE"), names_contrast("L-SPINE DWI")
    (True, False)
    """
    return _CONTRAST.search(plain_words(text)) is not None


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
    words, types = plain_words(description), [plain_words(item) for item in image_type.split("\\")[2:]]
    named = bool(_DIXON.search(words) or _DIXON.search(plain_words(protocol)) or "dixon" in types)
    for part, pattern in _DIXON_PARTS.items():
        if any(pattern.fullmatch(item) and (named or len(item) > 2) for item in types):
            return part
    prefix = _PREFIX.match(description)
    before = plain_words(prefix[1]) if prefix else ""
    for part, pattern in _DIXON_PARTS.items():
        if (before and pattern.fullmatch(before)) or _NAMED_PARTS[part].search(words):
            return part
    if not named:
        return ""
    ends = [
        (match.end(), part) for part, pattern in _DIXON_PARTS.items() for match in pattern.finditer(words)
    ]
    return max(ends)[1] if ends else ""
