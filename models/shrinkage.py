"""Shrinkage of a member towards the prior: where it learned nothing, it says what is known without an image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family, Grade
from lsdc.metrics.official import EPS, GRADE_WEIGHTS
from lsdc.models.targets import FAMILY_LEVEL_OF, of_family
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.runtime.artifact import read_json, write_json

SHRINKAGE = "shrinkage.json"
"""File beside a fitted member that says how far it is shrunk; members of earlier versions have none."""
_TRUST = np.linspace(0, 1.5, 16)
_FRACTION = np.array([0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0])
_SMOOTHING = 2.0
_SHARED_STUDIES = 30
"""Held-out studies are few, and a family's choice alone is mostly chance; the number by out-of-fold losses of heads on
45 simulated and 45 real studies."""
_LEAST = 1e-6

Values = NDArray[np.float64]
"""Probabilities by study, target and grade, (n, 25, 3), or numbers made of them."""
Grades = NDArray[np.int64]
"""Grades by study and target, (n, 25); -1 where unlabeled."""


@dataclass(frozen=True)
class Shrinkage:
    """A member's probabilities brought nearer to the prior, by family.

    With the member's probabilities p and the prior q, the shrunk ones are (1 - f) p^t q^(1 - t) / Z + f q. The trust t
    is the inverse of a temperature, seen from the prior: 1 leaves p, 0 gives q. The fraction f bounds what a confident
    error costs. It works with every member, one of a user's own too, because it sees probabilities alone.

    Parameters
    ----------
    prior : (25, 3) float64
        Weighted fractions of the grades of each target, all above 0.
    trust : (3,) float64
        The exponent t of each family, from 0 to 1.5.
    fraction : (3,) float64
        The fraction f of the prior in each family, from 0 to 1.
    across_levels : bool
        Whether what it shrinks is mixed across levels before (`mixed_across_levels`).

    Raises
    ------
    ValueError
        When a shape or a value is another.
    """

    prior: Values
    trust: Values
    fraction: Values
    across_levels: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be shrunk with."""
        shapes = self.prior.shape, self.trust.shape, self.fraction.shape
        if shapes != ((len(TARGETS), len(Grade)), (len(Family),), (len(Family),)):
            raise ValueError(f"shapes are {shapes}")
        for values, most in ((self.prior, 1.0), (self.trust, _TRUST[-1]), (self.fraction, 1.0)):
            if not ((values >= 0) & (values <= most)).all():  # not a number is refused too
                raise ValueError(f"values must be from 0 to {most}")
        if not (self.prior > 0).all():
            raise ValueError("a probability of the prior is 0")

    @classmethod
    def fit(cls, probabilities: Values, grades: Grades, learned: Grades, across_levels: bool = False) -> Self:
        """Choose trust and fraction on studies that the member was not fitted on, by the weighted log loss.

        Each family chooses on its own rows, to which all families together add the evidence of thirty studies. Where
        nothing is better than the prior, it gets the prior itself.

        Parameters
        ----------
        probabilities : (n, 25, 3) float64
            What the member predicts for studies held out of its fit; they may have decided when it stopped.
        grades : (n, 25) int64
            Their grades; -1 where unlabeled.
        learned : (m, 25) int64
            Grades of the studies that the member was fitted on, from which the prior is counted.
        across_levels : bool
            Whether `probabilities` are mixed across levels; kept for those who predict.

        Raises
        ------
        LsdcError
            When a probability is not a number.

        Returns
        -------
        Shrinkage
            With trust 1 and fraction 0, which leave the member as it is, where `grades` holds no label.

        Examples
        --------
        A member that gives every row one and the same wrong answer is not trusted at all:

        >>> wrong, grades = np.tile([0.1, 0.1, 0.8], (30, 25, 1)), np.zeros((30, 25), int)
        >>> Shrinkage.fit(wrong, grades, grades).trust.tolist()
        [0.0, 0.0, 0.0]
        """
        prior = target_fractions(learned)
        if not np.isfinite(probabilities).all():
            raise LsdcError("a member predicts values that are no numbers; its training may have diverged")
        if not (grades >= 0).any():
            return cls(prior, np.ones(len(Family)), np.zeros(len(Family)), across_levels)
        weights = np.where(grades >= 0, GRADE_WEIGHTS[grades], 0.0)
        losses = _losses(probabilities, prior, grades) * weights
        chosen = _choose(
            [losses[..., of_family(family)].sum(axis=-1) for family in Family],
            [weights[:, of_family(family)].sum(axis=-1) for family in Family],
        )
        trust, fraction = np.array(chosen).T
        return cls(prior, trust, fraction, across_levels)

    def recounted(self, learned: Grades) -> Self:
        """Count the prior anew, for a member that was fitted again on more studies.

        Parameters
        ----------
        learned : (m, 25) int64
            Grades of the studies; -1 where unlabeled.

        Returns
        -------
        Shrinkage
            With the same trust and fraction.
        """
        return replace(self, prior=target_fractions(learned))

    def apply(self, probabilities: Values) -> Values:
        """Shrink a member's predictions.

        Parameters
        ----------
        probabilities : (n, 25, 3) float64
            What the member predicts for n studies.

        Returns
        -------
        (n, 25, 3) float64
            Nearer to the prior; all above 0, rows sum to 1.
        """
        shrunk = np.empty_like(probabilities)
        for family, trust, fraction in zip(Family, self.trust, self.fraction):
            rows, prior = of_family(family), self.prior[of_family(family)]
            pooled = _pooled(probabilities[:, rows], prior, trust)
            shrunk[:, rows] = (1 - fraction) * pooled + fraction * prior
        return shrunk

    def save(self, folder: Path) -> None:
        """Write `shrinkage.json` beside a member.

        Parameters
        ----------
        folder : Path
            The member's folder.
        """
        content = {
            "prior": self.prior.tolist(), "trust": self.trust.tolist(), "fraction": self.fraction.tolist(),
            "across_levels": self.across_levels,
        }  # fmt: skip
        write_json(folder / SHRINKAGE, content)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read the shrinkage of a fitted member.

        Parameters
        ----------
        folder : Path
            The member's folder.

        Returns
        -------
        Shrinkage or None
            None where a version without shrinkage fitted the member.

        Raises
        ------
        ArtifactError
            When the file is damaged.
        """
        path = folder / SHRINKAGE
        if not path.is_file():
            return None
        content = read_json(path)
        try:
            prior, trust, fraction = (
                np.array(content[name], float) for name in ("prior", "trust", "fraction")
            )
            # Models of versions that mixed nothing were stacked on what they said then.
            return cls(prior, trust, fraction, bool(content.get("across_levels", False)))
        except (LookupError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged ({error!r}); fit the model again") from error


def target_fractions(grades: Grades) -> Values:
    """Count the grades by family and level, weighted as in the official metric: the best constants.

    Two rows' worth of the family's fractions are added, so that a grade not seen at some level stays possible.

    Parameters
    ----------
    grades : (n, 25) int64
        Grades by study and target; -1 where unlabeled.

    Returns
    -------
    (25, 3) float64
        Fractions by target, all above 0; left and right have the same, rows sum to 1.

    Examples
    --------
    >>> target_fractions(np.full((2, 25), -1))[0].round(3).tolist()
    [0.333, 0.333, 0.333]
    """
    counts = np.stack([(grades == k).sum(axis=0) for k in range(len(Grade))], axis=-1)
    weighted = counts * GRADE_WEIGHTS[: len(Grade)]
    fractions = np.empty((len(TARGETS), len(Grade)))
    for family in map(of_family, Family):
        whole = weighted[family].sum(axis=0) + 1.0
        for target in family:
            same = FAMILY_LEVEL_OF[target] == FAMILY_LEVEL_OF
            fractions[target] = weighted[same].sum(axis=0) + _SMOOTHING * whole / whole.sum()
    return fractions / fractions.sum(axis=1, keepdims=True)


def _pooled(probabilities: Values, prior: Values, trust: float) -> Values:
    """Raise probabilities (..., t, 3) and the prior (t, 3) to powers that sum to 1, and normalize their product."""
    odds = np.maximum(probabilities, _LEAST) ** trust * prior ** (1 - trust)
    return np.asarray(odds / odds.sum(axis=-1, keepdims=True))


def _losses(probabilities: Values, prior: Values, grades: Grades) -> Values:
    """Compute the log losses (trusts, fractions, n, 25) of every pair of a trust and a fraction."""
    index = np.maximum(grades, 0)[..., None]
    pooled = [np.take_along_axis(_pooled(probabilities, prior, trust), index, -1)[..., 0] for trust in _TRUST]
    constant = np.take_along_axis(np.broadcast_to(prior, probabilities.shape), index, -1)[..., 0]
    fraction = _FRACTION[:, None, None]
    return np.stack([-np.log(np.maximum((1 - fraction) * one + fraction * constant, EPS)) for one in pooled])


def _choose(losses: list[Values], weights: list[Values]) -> list[tuple[float, float]]:
    """Choose the trust and the fraction of each family from losses (trusts, fractions, n) and weights (n,)."""
    known = [(loss, weight) for loss, weight in zip(losses, weights) if weight.any()]
    means = [loss.sum(axis=-1) / weight.sum() for loss, weight in known]
    shared = np.average(means, axis=0, weights=[np.count_nonzero(weight) for _, weight in known])
    chosen = []
    for loss, weight in zip(losses, weights):
        own = loss.sum(axis=-1) / weight.sum() if weight.any() else shared
        objective = np.count_nonzero(weight) * own + _SHARED_STUDIES * shared
        trust, fraction = np.unravel_index(objective.argmin(), objective.shape)
        chosen.append((float(_TRUST[trust]), float(_FRACTION[fraction])))
    return chosen
