"""Lines of others as sentences of a page, without numbers that could be misread."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lsdc.ensemble.weighting import MEANING
from lsdc.runtime.safe_text import printable

_FILES = re.compile(r" \(.*\)$|(?<![\w/])/[^\s:,;]+", re.DOTALL)
_NUMBER = re.compile(r" \(confidence [\d.]+\)")


def without_confidence(text: str) -> str:
    """Take the number of a place's confidence out of a sentence: beside probabilities it reads like one.

    Parameters
    ----------
    text : str
        A reason or a summary.

    Returns
    -------
    str
        The same without it, safe to show.

    Examples
    --------
    >>> without_confidence("its place is uncertain (confidence 0.23)")
    'its place is uncertain'
    """
    return printable(_NUMBER.sub("", text))


def without_files(reason: str) -> str:
    """Take the names of files out of the reason of a problem: they may be the patient's.

    Parameters
    ----------
    reason : str
        Of a `Problem`; those that count files end with the names of the first ones in brackets.

    Returns
    -------
    str
        The same without brackets at its end and without absolute paths.

    Examples
    --------
    >>> without_files("12 files: no image (DOE_JANE.dcm, DOE_JANE_2.dcm, …)")
    '12 files: no image'
    """
    return _FILES.sub("", reason)


def sentence(text: str) -> str:
    """Write a line as a sentence: with a capital letter and a full stop.

    Parameters
    ----------
    text : str
        A line of a statement or a summary.

    Returns
    -------
    str
        The same as a sentence.

    Examples
    --------
    >>> sentence("canals: never measured on real patients")
    'Canals: never measured on real patients.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else text


def statement_lines(statement: Iterable[str]) -> list[str]:
    """Write what must be said of a model as sentences.

    Parameters
    ----------
    statement : iterable of str
        As `Predicted.statement` has it; the line that says what the probabilities are may begin with the weighting.

    Returns
    -------
    list of str
        One sentence per line, without the name of the weighting.

    Examples
    --------
    >>> statement_lines([f"none: {MEANING['none']}"])[0][:31]
    'Probabilities for the competiti'
    """
    lines = list(statement)
    meanings = {line: meaning for line in lines for meaning in MEANING.values() if line.endswith(meaning)}
    return [sentence(printable(meanings.get(line, line))) for line in lines]


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        In the singular.

    Returns
    -------
    str
        Such as `1 slice`, `15 slices`.

    Examples
    --------
    >>> counted(1, "slice"), counted(2, "slice"), counted(2, "study")
    ('1 slice', '2 slices', '2 studies')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"
