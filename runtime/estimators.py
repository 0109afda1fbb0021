"""Scikit-learn estimators on disk without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsdc.runtime.artifact import atomic
from lsdc.runtime.errors import ArtifactError, LsdcError
from lsdc.runtime.estimator_check import check_estimator
from lsdc.runtime.plain_skops import read_plain
from lsdc.runtime.steady_skops import steady_skops

SKLEARN_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""Types in scikit-learn's fitted estimators beyond skops' list, one by one: whole modules would bring functions."""


def save_estimator(path: Path, estimator: Any, trusted: Sequence[str] = SKLEARN_TYPES) -> None:
    """Write a fitted scikit-learn estimator in skops' format.

    Parameters
    ----------
    path : Path
        The file.
    estimator : estimator
        Fitted, with scikit-learn's interface; or a dict of such estimators and arrays.
    trusted : sequence of str
        Types, as `module.Class`, that `load_estimator` will be asked to trust; by default scikit-learn's.

    Raises
    ------
    LsdcError
        When the estimator holds another type, so that it could not be read again; nothing is written.
    """
    from skops.io import dump

    with atomic(path) as temporary:
        dump(estimator, temporary)
        steady_skops(temporary)
        foreign = _foreign_types(temporary, trusted)
        if foreign:
            raise LsdcError(f"{path}: would hold {foreign[0]}, which is not trusted; it was not written")


def load_estimator(path: Path, trusted: Sequence[str] = SKLEARN_TYPES) -> Any:
    """Read what `save_estimator` wrote; nothing in the file is run, and what compiled code trusts is checked first.

    Parameters
    ----------
    path : Path
        The file, which may come from a stranger.
    trusted : sequence of str
        Types beyond skops' list that may be loaded, as `module.Class`; by default scikit-learn's.

    Returns
    -------
    estimator
        The fitted estimator.

    Raises
    ------
    ArtifactError
        When the file is absent, damaged, or holds a type that is not trusted.
    """
    from skops.io import load

    if not path.is_file():
        raise ArtifactError(f"{path}: no such file")
    try:
        foreign = _foreign_types(path, trusted)
        if foreign:
            raise ArtifactError(f"{path}: holds {foreign[0]}, which is not trusted; it was not loaded")
        check_estimator(read_plain(path))
        return load(path, trusted=list(trusted))
    except ArtifactError:
        raise
    except Exception as error:  # zip, JSON and scikit-learn fail in their own ways on a damaged file
        raise ArtifactError(f"{path}: a damaged estimator file ({error}); make it again") from error


def _foreign_types(path: Path, trusted: Sequence[str]) -> list[str]:
    """List the types in a file that neither skops nor the caller trusts."""
    from skops.io import get_untrusted_types

    return sorted(set(get_untrusted_types(file=path)) - set(trusted))
