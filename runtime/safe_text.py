"""Text of strangers made safe for a terminal, a message or a spreadsheet."""

from __future__ import annotations

MOST_CHARACTERS = 2000
"""Longer messages are cut in the middle."""
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "|", "%")
_LONGEST_CELL = 10_000
_KEPT = "\n\t"


def printable(text: str, most: int = MOST_CHARACTERS, keep: str = _KEPT) -> str:
    r"""Write what could steer a terminal as escapes, and cut what is too long.

    Parameters
    ----------
    text : str
        Anything: names of files, quoted cells.
    most : int
        Characters of the result; longer text loses its middle.
    keep : str
        Characters that cannot be printed but are left as they are.

    Returns
    -------
    str
        The text without control characters and without marks that turn the direction of writing.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    >>> printable("abcdefghij", most=5)
    'ab…ij'
    """
    if len(text) > most:  # Escapes are longer than what they stand for: no more of it is needed.
        text = text[:most] + text[-most:]
    if not text.isprintable():
        text = "".join(
            letter if letter.isprintable() or letter in keep else _escaped(letter) for letter in text
        )
    head = most // 2
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def shown(value: object, most: int = 60) -> str:
    r"""Quote a value in a message.

    Parameters
    ----------
    value : object
        Usually a cell of a table.
    most : int
        Characters that are quoted.

    Returns
    -------
    str
        Its text between quotation marks, control characters as escapes, cut where it is long.

    Examples
    --------
    >>> shown("Sever\x07"), shown("x" * 100, most=5)
    ("'Sever\\x07'", "'xxxxx…'")
    """
    text = str(value)
    return repr(text if len(text) <= most else text[:most] + "…")


def safe_cell(value: object) -> object:
    """Keep a spreadsheet from running a cell of free text as a formula.

    Parameters
    ----------
    value : object
        What is to be written to a CSV table.

    Returns
    -------
    object
        Text that begins like a formula gets an apostrophe in front, and its control characters become escapes, ends of
        lines included; anything else stays.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell("scan.dcm"), safe_cell(-1.5)
    ("'=1+1", 'scan.dcm', -1.5)
    """
    if not isinstance(value, str):
        return value
    text = printable(value, _LONGEST_CELL, keep="")
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) else text


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
