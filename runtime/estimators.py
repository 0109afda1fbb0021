"""Scikit-learn estimators on disk without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lsdc.runtime.artefact import atomic
from lsdc.runtime.errors import ArtefactError

TRUSTED = [
    "lsdc.slice_selector.ranker.EnsembleRanker",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBRegressor",
]
"""Types beyond skops' own list that a file may hold."""


def save_estimator(path: Path, estimator: Any) -> None:
    """Write a fitted scikit-learn estimator in skops' format."""
    from skops.io import dump

    with atomic(path) as temporary:
        dump(estimator, temporary)


def load_estimator(path: Path) -> Any:
    """Read what `save_estimator` wrote; nothing in the file is run.

    Raises
    ------
    ArtefactError
        When the file is absent, damaged, or holds a type that is not trusted.
    """
    from skops.io import get_untrusted_types, load

    if not path.is_file():
        raise ArtefactError(f"{path}: no such file")
    try:
        foreign = sorted(set(get_untrusted_types(file=path)) - set(TRUSTED))
        if foreign:
            raise ArtefactError(f"{path}: holds {foreign[0]}, which is not trusted; it was not loaded")
        return load(path, trusted=TRUSTED)
    except ArtefactError:
        raise
    except Exception as error:  # zip, JSON and scikit-learn fail in their own ways on a damaged file
        raise ArtefactError(f"{path}: a damaged estimator file ({error}); make it again") from error
