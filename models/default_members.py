"""Which members are fitted where nobody chose any: what wins on cohorts of that size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lsdc.models.options import Options

AUTO = "auto"
"""Stands for `auto_members` in a list of members."""
_SMALL_COHORT = 150
_DEEP_COHORT = 200
"""From so many studies on, fine-tuning the encoder beats every head on its frozen embeddings."""


def auto_members(n_studies: int, options: Options | None = None) -> list[str]:
    """Choose members by the number of labeled studies, as `benchmarks/heads.py` measured them.

    Parameters
    ----------
    n_studies : int
        Labeled training studies.
    options : Options, optional
        A quick effort takes heads alone, whatever the number of studies.

    Returns
    -------
    list of str
        Names of built-in members.

    Examples
    --------
    >>> auto_members(45)
    ['forest', 'logistic', 'mlp']
    >>> auto_members(400)[-1]
    'crop_cnn'
    """
    heads = ["forest", "logistic", "mlp"]
    if n_studies >= _SMALL_COHORT:
        heads += ["lightgbm", "xgboost"]
    quick = options is not None and options.effort == "quick"
    return heads if quick or n_studies < _DEEP_COHORT else [*heads, "crop_cnn"]


def expand_auto(members: Sequence[Any], n_studies: int, options: Options | None = None) -> Sequence[Any]:
    """Put the members that `auto_members` chooses where a list says `auto`.

    Parameters
    ----------
    members : sequence
        Names, classes or `SklearnMember`s; see `lsdc.models.registry.resolve_members`.
    n_studies : int
        Labeled training studies.
    options : Options, optional
        See `auto_members`.

    Returns
    -------
    sequence
        Without `auto`; what is named beside it comes once. What holds no `auto` is returned as it is.

    Examples
    --------
    >>> expand_auto(["auto", "crop_cnn", "forest"], 45)
    ['forest', 'logistic', 'mlp', 'crop_cnn']
    """
    if not isinstance(members, list | tuple) or not any(
        isinstance(item, str) and item == AUTO for item in members
    ):
        return members
    chosen = auto_members(n_studies, options)
    found: list[Any] = []
    for item in members:
        if isinstance(item, str) and item == AUTO:
            found += [name for name in chosen if name not in found]
        elif not (isinstance(item, str) and item in chosen):
            found.append(item)
    return found
