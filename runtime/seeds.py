"""Seeds that people give."""

from __future__ import annotations

from lsdc.runtime.errors import ConfigError


def check_seed(seed: int) -> None:
    """Refuse a seed from which no numbers can be drawn.

    Parameters
    ----------
    seed : int
        What the caller gave.

    Raises
    ------
    ConfigError
        When it is below 0.

    Examples
    --------
    >>> check_seed(0)
    """
    if seed < 0:
        raise ConfigError(f"seed must be at least 0, not {seed}")
