"""Wilson's interval of a proportion, of cases that are counted or weighted."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def wilson_interval(hits: float, cases: float) -> tuple[float, float]:
    """Give the 95 % interval of a proportion, which takes cases for independent.

    Parameters
    ----------
    hits, cases : float
        How many of how many. Where cases are weighted: of as many equal cases as carry the same information, which is
        the square of the sum of weights over the sum of their squares (Kish's effective number).

    Returns
    -------
    (float, float)
        Lower and upper limit; 0 and 1 without cases.

    References
    ----------
    Wilson: Probable inference, the law of succession, and statistical inference, Journal of the American Statistical
    Association 22, 1927.

    Kish: Survey Sampling, 1965.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 2), round(high, 2)
    (0.49, 0.94)
    """
    if not cases > 0:
        return 0.0, 1.0
    fraction, excess = min(max(hits / cases, 0.0), 1.0), _Z**2 / cases
    middle = (fraction + excess / 2) / (1 + excess)
    half = math.sqrt(excess * (fraction * (1 - fraction) + excess / 4)) / (1 + excess)
    # Rounding must not part a limit from the end of the range, or leave it a hair beyond.
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if fraction == 0 else low), (1.0 if fraction == 1 else high)
