"""Pages from templates: one file each, from which no request goes out."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsdc.report.pages.grade_marks import GRADE_MARKS
from lsdc.runtime.paths import PathLike
from lsdc.runtime.whole_files import atomic, check_output_file

if TYPE_CHECKING:
    from jinja2 import Environment

KIT = "lsdc.report.pages"
"""The package whose templates all pages share: `base.html.j2`, `kit.html.j2`, `base.css` and `base.js`."""
POLICY = "; ".join(
    (
        "default-src 'none'",
        "img-src data:",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""The content security policy of every page: nothing is loaded from elsewhere, nothing is sent."""


def write_page(path: PathLike, template: str, *, title: str, package: str = KIT, **context: Any) -> Path:
    """Render a template to a page that holds all it needs: styles, scripts and pictures.

    Parameters
    ----------
    path : path
        HTML file to write; it appears whole or not at all.
    template : str
        Name of a template in the package's folder `templates`, such as `model.html.j2`. It extends `base.html.j2`
        and may include or import what lies in that folder or in the kit's.
    title : str
        Title of the page, in the browser's tab and as its first heading.
    package : str, default "lsdc.report.pages"
        Import name of the package with the template.
    **context : object
        What the template uses. Text is escaped; what is HTML already has to be `Markup`. Where the template uses a
        name that is not given, that is an error. `| tojson` refuses NaN: give None.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LsdcError
        When the file cannot be written.
    """
    out = check_output_file(path)
    text = _environment(package).get_template(template).render(title=title, policy=POLICY, **context)
    with atomic(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return out


def percent(probability: float) -> str:
    r"""Write a probability in percent, so that none that is possible reads as impossible or certain.

    Parameters
    ----------
    probability : float
        0 to 1, or NaN.

    Returns
    -------
    str
        Whole percent, `<1 %` or `>99 %` near the ends, and a dash where it is not known.

    Examples
    --------
    >>> [percent(value) for value in (0.004, 0.254, 0.999, float("nan"))]
    ['<1\xa0%', '25\xa0%', '>99\xa0%', '–']
    """
    if math.isnan(probability):
        return "–"
    if 0 < probability < 0.005:
        return "<1\N{NO-BREAK SPACE}%"
    if 0.995 < probability < 1:
        return ">99\N{NO-BREAK SPACE}%"
    return f"{100 * probability:.0f}\N{NO-BREAK SPACE}%"


@cache
def _environment(package: str) -> Environment:
    """Make what loads the templates of a package, and behind them those of the kit."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(name) for name in dict.fromkeys((package, KIT))]
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    marks = tuple(GRADE_MARKS.values())
    environment.globals |= {"grade_marks_of": marks.__getitem__, "percent": percent}
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment
