"""What the free words of a header name: the region, a kind that is no view, a contrast agent."""

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
REMEMBERED = 512
"""All images of a series have the same words, so answers are kept."""


def any_of(words: str) -> re.Pattern[str]:
    """Compile a list of words; `word_lists` says how it is written.

    Parameters
    ----------
    words : str
        Words with spaces between them.

    Returns
    -------
    re.Pattern
        Finds any of them in what `plain_words` returns.
    """
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


_LUMBAR = any_of(word_lists.LUMBAR + word_lists.WHOLE_SPINE)
_OTHER, _POSITIONS = any_of(word_lists.OTHER_REGIONS), any_of(word_lists.POSITIONS)
_GRADIENT_ECHO = any_of(word_lists.GRADIENT_ECHO)
_ASIDE = {kind: any_of(words) for kind, words in word_lists.ASIDE.items()}
_NOT_ASIDE = any_of(word_lists.NOT_ASIDE)
_ASIDE_ALONE = {kind: any_of(words) for kind, words in word_lists.ASIDE_ALONE.items()}
_CONTRAST_AGENT, _NO_CONTRAST_AGENT = map(any_of, (word_lists.CONTRAST_AGENT, word_lists.NO_CONTRAST_AGENT))
FAT_SATURATED, _INVERSION = map(any_of, (word_lists.FAT_SATURATED, word_lists.INVERSION))
_CYRILLIC_T = re.compile("т(?=[12](?![0-9]))")
_PROTON_DENSITY = re.compile(r"(?<![^\W_])(?:pd(?:w|fs)?(?![^\W\d_])|proton|densite protonique)")
_CONTRAST = re.compile(r"t[12](?![0-9])|stir|tirm|(?<![^\W_])pd(?![^\W\d_])")


@lru_cache(REMEMBERED)
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
    words = re.sub(r"[^\w+]+|_+", " ", _without_accents((text or "")[:_LONGEST_TEXT])).strip()
    return _CYRILLIC_T.sub("t", words)


@lru_cache(REMEMBERED)
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


@lru_cache(REMEMBERED)
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


@lru_cache(REMEMBERED)
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


@lru_cache(REMEMBERED)
def names_proton_density(text: str) -> bool:
    """Tell whether words name proton density, whose echo may be as late as that of T2.

    Parameters
    ----------
    text : str
        Words of a header.

    Returns
    -------
    bool
        False where nothing says so.

    Examples
    --------
    >>> names_proton_density("tra PD TSE FS"), names_proton_density("pdw_tse"), names_proton_density("T2 pdp")
    (True, True, False)
    """
    return _PROTON_DENSITY.search(plain_words(text)) is not None


@lru_cache(REMEMBERED)
def aside_of(*texts: str) -> str:
    """Name what makes an image no view to grade, by words: `localizer`, `diffusion`, `map`, …; empty for others.

    Parameters
    ----------
    *texts : str
        SeriesDescription, ProtocolName, SequenceName.

    Returns
    -------
    str
        The first kind that any of the texts names; some words count only in a text that names no contrast.

    Examples
    --------
    >>> aside_of("Übersicht"), aside_of("ep2d_diff_b0_800"), aside_of("t2_tse_sag")
    ('localizer', 'diffusion', '')
    """
    words = [_NOT_ASIDE.sub(" ", plain_words(text)) for text in texts]
    alone = [item for item in words if not _CONTRAST.search(item)]
    named = (kind for kind, pattern in _ASIDE.items() if any(map(pattern.search, words)))
    named_alone = (kind for kind, pattern in _ASIDE_ALONE.items() if any(map(pattern.search, alone)))
    return next(named, "") or next(named_alone, "")


@lru_cache(REMEMBERED)
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


@lru_cache(REMEMBERED)
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
    return any(FAT_SATURATED.search(plain_words(text)) for text in texts)


@lru_cache(REMEMBERED)
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
