"""The parameters of a mix, by family: weights of members and stackers, shrinkage of the pools, temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Family
from lsdc.ensemble.stackers.pool_part import Shrinkage
from lsdc.ensemble.tuning.mixing import STACKED
from lsdc.ensemble.tuning.search import Point
from lsdc.metrics.official import EPS
from lsdc.models.search_space import Range

_STRENGTHS: dict[str, Range] = {
    "weights": Range(1, 1e4, log=True),
    "bias": Range(1, 1e3, log=True),
    "context": Range(3, 3e3, log=True),
}
_TEMPERATURE = Range(0.8, 1.25, log=True)
_NEGLIGIBLE = 1e-3
"""Weights below this fraction of their sum are zero, so that the mix needs fewer members."""


@dataclass(frozen=True)
class FamilySpace:
    """The parameters of one family's mix, and what a point of the search means for it.

    Parameters
    ----------
    family : Family
        Its name begins the names of the parameters, as in `spinal.temperature`.
    members : tuple of str
        The members that have any row of the family.
    """

    family: Family
    members: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the members and stackers that the mix weighs."""
        return (*self.members, *STACKED)

    @property
    def ranges(self) -> dict[str, Range]:
        """Bounds of the family's parameters, by name."""
        ranges = {f"{self.family}.{name}": Range() for name in self.columns}
        ranges |= {f"{self.family}.shrink_{name}": bounds for name, bounds in _STRENGTHS.items()}
        return ranges | {f"{self.family}.temperature": _TEMPERATURE}

    def values(self, point: Point) -> tuple[float, ...]:
        """Take the family's values out of a point.

        Parameters
        ----------
        point : mapping of str to float
            Values of all families' parameters.

        Returns
        -------
        tuple of float
            Values of the family's parameters in the order of `ranges`.
        """
        return tuple(point[name] for name in self.ranges)

    def point(self, values: tuple[float, ...]) -> dict[str, float]:
        """Turn values back into a point.

        Parameters
        ----------
        values : tuple of float
            As `values` returns them.

        Returns
        -------
        dict of str to float
            The family's part of a point.
        """
        return dict(zip(self.ranges, values))

    def start(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Make the family's part of a starting point from weights.

        Parameters
        ----------
        weights : (k,) float
            Weights of the k `columns`, not negative.

        Returns
        -------
        dict of str to float
            The weights, scaled so that the largest is 1, the default shrinkage and temperature 1.
        """
        scaled = (weights / weights.max(initial=EPS)).tolist()
        point = {f"{self.family}.{name}": value for name, value in zip(self.columns, scaled)}
        usual = Shrinkage()
        point |= {f"{self.family}.shrink_{name}": float(getattr(usual, name)) for name in _STRENGTHS}
        return point | {f"{self.family}.temperature": 1.0}

    def weights(self, point: Point) -> dict[str, float]:
        """Read the weights of the mix at a point.

        Parameters
        ----------
        point : mapping of str to float
            Values of the family's parameters; others are ignored.

        Returns
        -------
        dict of str to float
            Weights of members and stackers that sum to 1; below a thousandth of the sum they are zero. Where all
            are zero, the members count alike.
        """
        raw = np.array([point[f"{self.family}.{name}"] for name in self.columns])
        if not raw.any():
            raw = np.array([float(name not in STACKED) for name in self.columns])
        kept = np.where(raw / max(raw.sum(), EPS) < _NEGLIGIBLE, 0.0, raw)
        return dict(zip(self.columns, (kept / max(kept.sum(), EPS)).tolist()))

    def shrinkage(self, point: Point) -> Shrinkage:
        """Read the shrinkage of the pools at a point.

        Parameters
        ----------
        point : mapping of str to float
            Values of the family's parameters; others are ignored.

        Returns
        -------
        Shrinkage
            Of both pools.
        """
        return Shrinkage(**{name: point[f"{self.family}.shrink_{name}"] for name in _STRENGTHS})

    def temperature(self, point: Point) -> float:
        """Read the temperature of the mix at a point.

        Parameters
        ----------
        point : mapping of str to float
            Values of the family's parameters; others are ignored.

        Returns
        -------
        float
            The temperature for `mix_family`.
        """
        return float(point[f"{self.family}.temperature"])
