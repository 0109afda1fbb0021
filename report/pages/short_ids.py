"""Long ids, such as DICOM's, short enough for tables and captions."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from lsdc.runtime.safe_text import printable

_WHOLE = 20
"""Up to how many characters an id is shown whole."""
_END = 12
_STEP = 4
_LONGEST = 80


def short_ids(ids: Sequence[str]) -> list[str]:
    """Shorten ids to their ends, as far as they can still be told from each other.

    Parameters
    ----------
    ids : sequence of str
        The ids that are shown together; the same one may stand there twice.

    Returns
    -------
    list of str
        Those of up to 20 characters whole, of others at least the last 12 behind an ellipsis; safe to show.

    Examples
    --------
    >>> short_ids(["1293209196", "1.2.826.0.1.3680043.8.498.101", "1.2.826.0.1.3680043.8.498.102"])
    ['1293209196', '…43.8.498.101', '…43.8.498.102']
    """
    whole = [printable(one, _LONGEST) for one in ids]
    end = _END
    while True:
        short = [one if len(one) <= max(_WHOLE, end) else f"…{one[-end:]}" for one in whole]
        if len(set(short)) == len(set(whole)):
            return short
        end += _STEP


def shown_id(whole: str, short: str, more: str = "") -> Markup:
    """Write a shortened id with the whole one behind it.

    Parameters
    ----------
    whole : str
        The id.
    short : str
        As `short_ids` has it.
    more : str
        What follows it, such as `, part 2`.

    Returns
    -------
    Markup
        The short one to be seen; the whole one as its tooltip, and for screen readers and the page's search by id.

    Examples
    --------
    >>> shown_id("7", "7", ", part 2")
    Markup('7, part 2')
    """
    known = printable(whole, _LONGEST)
    if known == short:
        return Markup("{}{}").format(short, more)
    return Markup(
        '<span class="short-id" title="{0}"><span aria-hidden="true">{1}</span>'
        '<span class="visually-hidden">{0}</span></span>{2}'
    ).format(known, short, more)
