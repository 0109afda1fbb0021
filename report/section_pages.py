"""Pages made of sections, with a list of contents."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from lsdc.report.pages.render import write_page
from lsdc.report.sections import Section
from lsdc.runtime.paths import PathLike


def titled(noun: str, name: str) -> str:
    """Head the page of a thing that has a name.

    Parameters
    ----------
    noun : str
        What it is.
    name : str
        Its name, such as that of its folder.

    Returns
    -------
    str
        The noun and the name in quotes; the noun alone where the name says no more.

    Examples
    --------
    >>> titled("Model", "spine7"), titled("Model", "model")
    ('Model “spine7”', 'Model')
    """
    return noun if name.casefold() in ("", noun.casefold()) else f"{noun} “{name}”"


def write_sections(
    path: PathLike,
    sections: Sequence[Section],
    *,
    title: str,
    summary: Mapping[str, str],
    notices: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a page of sections, with a list of contents.

    Parameters
    ----------
    path : path
        HTML file to write.
    sections : sequence of Section
        Its chapters.
    title : str
        Its title.
    summary : mapping of str to str
        What is shown first, such as counts, by name.
    notices : sequence of (str, str)
        What nobody should miss: a heading and a sentence.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LsdcError
        When the file cannot be written.
    """
    return write_page(
        path,
        "sections.html.j2",
        title=title,
        package="lsdc.report.model_page",
        sections=tuple(sections),
        headings=[(section.anchor, section.title) for section in sections],
        summary=tuple(summary.items()),
        notices=tuple(notices),
        prose=_prose,
    )


def _prose(text: str) -> Markup:
    """Set what stands between backticks in the type of code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))
