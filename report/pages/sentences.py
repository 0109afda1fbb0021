"""Lines of others as sentences of a page, without numbers that could be misread."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lsdc.cohort.location import Status
from lsdc.ensemble.weighting import MEANING, Weighting
from lsdc.runtime.safe_text import printable

_FILES = re.compile(r" \(.*\)$|(?<![\w/])/[^\s:,;]+", re.DOTALL)
_ROWS = re.compile(r"^([a-z ]+, \d+) row(s?):")
_LISTED = tuple(f"{status.value}{end}" for status in Status for end in (",", ":"))

MEANING_IN_SHORT: dict[Weighting, str] = {
    "competition": MEANING["competition"],
    "none": "how probable each grade is, if grades are as frequent as where the model learned",
}
"""What the numbers are, for readers of a study; how they are made, the model's page says."""
SIMULATED_PATIENT = "the patient is simulated: nobody was imaged"
"""What is said of a study that `lsdc.simulate` made."""


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


def what_numbers_are(weighting: Weighting) -> str:
    """Say what the percents beside grades are.

    Parameters
    ----------
    weighting : `competition` or `none`
        The weighting of a graded study.

    Returns
    -------
    str
        A line of a statement.

    Examples
    --------
    >>> what_numbers_are("none")[:39]
    'percents say how probable each grade is'
    """
    return ("percents say " if weighting == "none" else "") + MEANING_IN_SHORT[weighting]


def statement_lines(statement: Iterable[str]) -> list[str]:
    """Write what must be said of a model as sentences.

    Parameters
    ----------
    statement : iterable of str
        As `About.statement` has it; the line that says what the probabilities are may begin with the weighting.

    Returns
    -------
    list of str
        One sentence per line; what the probabilities are is said as in `MEANING_IN_SHORT`.

    Examples
    --------
    >>> statement_lines([f"none: {MEANING['none']}"])[0][:31]
    'Percents say how probable each '
    """
    return [sentence(printable(_in_short(line))) for line in statement]


def summary_lines(summary: Iterable[str], *, listed: bool = False) -> list[str]:
    """Write what was not seen and what is unsure as sentences.

    Parameters
    ----------
    summary : iterable of str
        As `Sight.summary` has it, such as `not seen, 5 rows: no axial T2 series`.
    listed : bool, default False
        Leave out what was not seen and what is unsure, because a list beside it says it target by target.

    Returns
    -------
    list of str
        One sentence per line.

    Examples
    --------
    >>> summary_lines(["not seen, 5 rows: no axial T2 series"])
    ['Not seen, 5 places: no axial T2 series.']
    >>> summary_lines(["not seen, 5 rows: no axial T2 series"], listed=True)
    []
    """
    kept = [line for line in summary if not (listed and line.startswith(_LISTED))]
    return [sentence(printable(_ROWS.sub(r"\1 place\2:", line))) for line in kept]


def how_many_simulated(simulated: int, studies: int) -> str:
    """Say how many studies are of simulated patients.

    Parameters
    ----------
    simulated, studies : int
        How many of how many.

    Returns
    -------
    str
        A sentence without full stop; empty where none is.

    Examples
    --------
    >>> how_many_simulated(16, 16), how_many_simulated(3, 16), how_many_simulated(0, 16)
    ('all 16 studies are of simulated patients', '3 of 16 studies are of simulated patients', '')
    """
    if not simulated:
        return ""
    if studies == 1:
        return "the study is of a simulated patient"
    verb = "is of a simulated patient" if simulated == 1 else "are of simulated patients"
    return f"{'all' if simulated == studies else f'{simulated} of'} {studies} studies {verb}"


def model_in_words(name: str) -> str:
    """Name a model within a sentence.

    Parameters
    ----------
    name : str
        As `About.model` has it: `bundled`, or the name of a folder or file.

    Returns
    -------
    str
        With its article; the name in quotes, if it is one.

    Examples
    --------
    >>> [model_in_words(name) for name in ("bundled", "model", "spine.lsdc")]
    ['the bundled model', 'the model', 'the model “spine.lsdc”']
    """
    if name == "bundled":
        return "the bundled model"
    return "the model" if name.lower() in ("", "model") else f"the model “{printable(name, 80)}”"


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


def _in_short(line: str) -> str:
    """Say what probabilities are as briefly as a reader of a study needs it; other lines stay."""
    kind = next((kind for kind, said in MEANING.items() if line.endswith(said)), None)
    return line if kind is None else what_numbers_are(kind)
