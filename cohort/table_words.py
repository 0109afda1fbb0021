"""The words that people use for columns, conditions, levels and grades, and what they mean here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Grade, Level, Side, Target
from lsdc.runtime import ConfigError
from lsdc.runtime.safe_text import shown

COLUMN_WORDS: dict[str, tuple[str, ...]] = {
    "study_id": ("study", "studyuid", "studyinstanceuid", "case", "caseid", "exam", "examid"),
    "row_id": ("rowid",),
    "condition": ("finding", "pathology", "disease"),
    "level": ("disc", "disclevel", "disk", "disklevel", "segment", "spinelevel", "lumbarlevel"),
    "side": ("laterality",),
    "grade": ("severity", "label", "rating", "reading"),
    "normal_mild": ("normal", "normalmild", "probnormalmild", "pnormalmild"),
    "moderate": ("probmoderate", "pmoderate"),
    "severe": ("probsevere", "psevere"),
    "fold": (),
    "member": (),
    "weighting": (),
}
"""What a column is called here, and by others; any case, spaces and signs between words are alike."""
_GRADES: dict[str, Grade] = {
    **dict.fromkeys(("normalmild", "normal", "mild", "normalormild", "normaltomild"), Grade.NORMAL_MILD),
    "moderate": Grade.MODERATE,
    "severe": Grade.SEVERE,
}
_BLANKS = ("", "nan", "na", "n/a", "null")
BLANK = "blank"
"""Word of a coding for what is no grade."""
_SIDES = {"left": Side.LEFT, "l": Side.LEFT, "right": Side.RIGHT, "r": Side.RIGHT}
_LEVELS = {
    name: level
    for level in Level
    for name in (level.value.replace("_", ""), level.value.replace("_l", "").replace("_", ""))
}
_LEVEL = re.compile(r"l[1-5]_?[ls]?_?[1-5]")
_SLUGS = {target.slug: target for target in TARGETS}


def folded(text: str) -> str:
    """Write words in lower case with one underscore between them.

    Parameters
    ----------
    text : str
        A header or a cell.

    Returns
    -------
    str
        What is alike for all ways to write it.

    Examples
    --------
    >>> folded(" Spinal Canal-Stenosis L1/L2")
    'spinal_canal_stenosis_l1_l2'
    """
    return re.sub(r"[\W_]+", "_", text.casefold()).strip("_")


def find_column(header: Sequence[str], name: str) -> str | None:
    """Find a column by what it is called here or by others.

    Parameters
    ----------
    header : sequence of str
        The names of a table's columns.
    name : str
        One of `COLUMN_WORDS`.

    Returns
    -------
    str or None
        The column as the table writes it. None where there is none.

    Raises
    ------
    ValueError
        When there are several, none of which has exactly the name that is used here.

    Examples
    --------
    >>> find_column(["Study ID", "Severity"], "study_id"), find_column(["x"], "grade")
    ('Study ID', None)
    """
    exact = [column for column in header if folded(column) == name]
    known = (name.replace("_", ""), *COLUMN_WORDS[name])
    found = exact or [column for column in header if folded(column).replace("_", "") in known]
    if len(found) > 1:
        names = " and ".join(shown(column, 40) for column in found)
        raise ValueError(f"columns {names} could both be {name!r}; keep one")
    return found[0] if found else None


def condition_of(text: str, side: str = "") -> Condition | None:
    """Read a condition.

    Parameters
    ----------
    text : str
        Such as `Spinal Canal Stenosis` or `left foraminal narrowing`.
    side : str
        The side, where a column of its own says it.

    Returns
    -------
    Condition or None
        None where it is unknown, or a side is missing or said twice.

    Examples
    --------
    >>> condition_of("Foraminal narrowing", "L").value, condition_of("Foraminal narrowing")
    ('left_neural_foraminal_narrowing', None)
    """
    words = folded(text).split("_")
    families = {
        Family.SPINAL: "canal" in words,
        Family.FORAMINAL: any(word.startswith("foramin") for word in words),
        Family.SUBARTICULAR: "subarticular" in words or {"lateral", "recess"} <= set(words),
    }
    family = [family for family, there in families.items() if there]
    sides = {_SIDES[word] for word in (*words, folded(side)) if word in _SIDES}
    found = [
        condition
        for condition in Condition
        if [condition.family] == family and (condition.side is None or {condition.side} == sides)
    ]
    return found[0] if len(found) == 1 else None


def level_of(text: str) -> Level | None:
    """Read a level.

    Parameters
    ----------
    text : str
        Such as `L1/L2`, `l1_l2`, `L1-2` or `L5S1`.

    Returns
    -------
    Level or None
        None where it is unknown.

    Examples
    --------
    >>> level_of("L4-5").value, level_of("L5/S1").value, level_of("L6/S1")
    ('l4_l5', 'l5_s1', None)
    """
    return _LEVELS.get(folded(text).replace("_", ""))


def target_of(column: str) -> Target | None:
    """Read the target that a column of a wide table is named after.

    Parameters
    ----------
    column : str
        Such as `spinal_canal_stenosis_l1_l2` or `Left subarticular stenosis L4/5`.

    Returns
    -------
    Target or None
        None for a column that is named after something else.

    Raises
    ------
    ValueError
        When it begins like a target and is none, as with a level that does not exist.

    Examples
    --------
    >>> target_of("Left subarticular stenosis L4/5").slug, target_of("age")
    ('left_subarticular_stenosis_l4_l5', None)
    """
    name = folded(column)
    if name in _SLUGS:
        return _SLUGS[name]
    place = _LEVEL.search(name)
    if place is not None:
        condition = condition_of(name[: place.start()] + "_" + name[place.end() :])
        level = level_of(place.group())
        if condition is not None and level is not None:
            return Target(condition, level)
    if any(name.startswith(f"{condition}_l") for condition in Condition):
        raise ValueError(f"column {shown(column)} names a condition, but no level from L1/L2 to L5/S1")
    return None


def grade_words() -> dict[str, int]:
    """List the words for grades that need no explanation.

    Returns
    -------
    dict of str to int
        Index of the grade, -1 for a blank cell, by the word without case, spaces and signs.
    """
    order = list(Grade)
    return {word: order.index(grade) for word, grade in _GRADES.items()} | dict.fromkeys(_BLANKS, -1)


def bare(cell: str) -> str:
    """Write the cell of a grade in the form in which `grade_words` and codings have it.

    Parameters
    ----------
    cell : str
        Such as `Normal / Mild` or `2.0`.

    Returns
    -------
    str
        Such as `normalmild` or `2`.
    """
    text = cell.strip().casefold()
    code = re.fullmatch(r"(-?[0-9]+)[.,]0+", text)
    if code:
        return code[1]
    if not any(letter.isalpha() for letter in text) or text in _BLANKS:
        return text
    return re.sub(r"[\W_]+", "", text)


def read_coding(grades: str) -> dict[str, int]:
    """Read what the codes of a table mean.

    Parameters
    ----------
    grades : str
        Such as `0=normal_mild,1=moderate,2=severe`; `9=blank` for a code that is no grade.

    Returns
    -------
    dict of str to int
        Index of the grade by the code, -1 for `blank`.

    Raises
    ------
    ConfigError
        When it has another form, or explains a code twice.

    Examples
    --------
    >>> read_coding("1=normal_mild, 2=moderate, 3=severe, 9=blank")
    {'1': 0, '2': 1, '3': 2, '9': -1}
    """
    words = grade_words() | {BLANK: -1}
    coding: dict[str, int] = {}
    for part in grades.split(","):
        code, equals, word = part.partition("=")
        if not equals or not word.strip() or bare(word) not in words:
            raise ConfigError(
                f"grades: {shown(part.strip())} is not CODE=GRADE with a grade of normal_mild, moderate, severe or "
                "blank; such as '1=normal_mild,2=moderate,3=severe'"
            )
        if bare(code) in coding:
            raise ConfigError(f"grades: explains the code {shown(code.strip())} twice; keep one")
        coding[bare(code)] = words[bare(word)]
    return coding
