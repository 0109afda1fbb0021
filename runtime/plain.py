"""Results as plain values, such as JSON holds."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


def plain(value: Any) -> Any:
    """Turn dataclasses, paths, tables and NumPy values into what JSON holds.

    Parameters
    ----------
    value : object
        A result: dataclasses become objects (fields that start with an underscore are left out), DataFrames lists of
        objects, arrays lists, NaN and infinities null, and what is nothing of these its text.

    Returns
    -------
    dict, list, str, int, float, bool or None
        The same content.

    Examples
    --------
    >>> from pathlib import Path
    >>> plain({"a": float("nan"), "b": (1, Path("x"))})
    {'a': None, 'b': [1, 'x']}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if hasattr(value, "to_dict"):  # it says itself what its file holds
            return plain(value.to_dict())
        names = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict("records"))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
