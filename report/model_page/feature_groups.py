"""What the columns of a store and of a head's prepared features mean, in groups that a person can name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lsdc.features.metadata import ACQUISITION, PATIENT, SHORT
from lsdc.features.store import VIEWS
from lsdc.models.heads.prepare import Preparation

IMAGES: tuple[str, ...] = tuple(f"image, {view.value}" for view in VIEWS)
"""The embeddings of the three views."""
NEIGHBORS: tuple[str, ...] = (
    "image, level above",
    "image, level below",
    "image, other side",
    "image, canal or foramina",
)
"""The coarse embeddings of what lies around a target."""
GEOMETRY, SETTINGS, PERSON = "geometry of the spine", "scanner settings", "age and sex"
FLAGS, CONFIDENCE = "flags of what was mended", "confidence of the place"
_SETTINGS = {f"meta_{short}_{name}" for short in SHORT.values() for name in (*ACQUISITION, "series")}
_PERSON = {f"meta_{name}" for name in PATIENT}


def group_of(name: str) -> str:
    """Name the group of a numeric column of a store.

    Parameters
    ----------
    name : str
        One of `FeatureStore.numeric_names`.

    Returns
    -------
    str
        Its group.

    Examples
    --------
    >>> group_of("meta_t1_echo_time_ms"), group_of("meta_lateral_mm"), group_of("flag_split")
    ('scanner settings', 'geometry of the spine', 'flags of what was mended')
    """
    if name in _SETTINGS:
        return SETTINGS
    if name in _PERSON:
        return PERSON
    if name.startswith("flag_"):
        return FLAGS
    return GEOMETRY if name.startswith("meta_") else CONFIDENCE


def numeric_groups(names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Sort the numeric columns of a store into groups.

    Parameters
    ----------
    names : sequence of str
        `FeatureStore.numeric_names`.

    Returns
    -------
    dict of str to (k,) int
        By group: places of its columns.
    """
    groups = np.array([group_of(name) for name in names], object)
    return {name: np.flatnonzero(groups == name) for name in dict.fromkeys(groups.tolist())}


def prepared_names(preparation: Preparation) -> list[str]:
    """Name the columns that a fitted preparation gives; those of one image have one name.

    Parameters
    ----------
    preparation : Preparation
        Fitted.

    Returns
    -------
    list of str
        One name for each column of `transform`, in order: images, numeric columns, level, and what lies around.
    """
    images = [name for k, name in enumerate(IMAGES) for _ in range(preparation.tensors[f"view{k}"].shape[1])]
    around = [name for name in NEIGHBORS for _ in range(preparation.tensors["context"].shape[1])]
    return [*images, *preparation.numeric_names, "level", *around]
