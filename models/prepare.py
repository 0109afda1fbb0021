"""From a store's features to the columns that heads learn from; everything fitted is fitted on training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sklearn.decomposition import PCA

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level
from lsdc.models.examples import Examples
from lsdc.runtime import ArtefactError
from lsdc.runtime.artefact import atomic

VIEWS = 3
COMPONENTS, CONTEXT_COMPONENTS = 32, 6
Array = NDArray[np.float32]


class Preparation:
    """Compresses the embedding of each view, and adds the level and what the study shows around the target.

    The context of a target is a coarse compression of the rows of the level above and below, of the other side (for
    the canal: both recesses), and of the canal (for the canal: both foramina) of the same level. It is told from the
    target's own side, so that a mirrored study has mirrored features.

    Parameters
    ----------
    seed : int
        Of the randomized principal components.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.tensors: dict[str, Array] = {}

    def fit(self, examples: Examples) -> Self:
        """Find the principal components of the training rows; labels are not used."""
        self.tensors = {}
        for view, part in enumerate(_parts(examples.embedding)):
            self._components(f"view{view}", part, COMPONENTS)
        self._components("context", np.nan_to_num(examples.embedding), CONTEXT_COMPONENTS)
        return self

    def _components(self, name: str, values: Array, count: int) -> None:
        known = values[np.isfinite(values).all(axis=1)]
        count = min(count, len(known), values.shape[1])
        if count < 1:
            self.tensors |= {f"{name}.mean": np.zeros(values.shape[1], np.float32),
                             f"{name}.axes": np.zeros((values.shape[1], 1), np.float32)}  # fmt: skip
            return
        pca = PCA(count, svd_solver="randomized", random_state=self.seed).fit(known)
        axes = pca.components_.T / np.sqrt(pca.explained_variance_ + 1e-6)
        self.tensors |= {
            f"{name}.mean": np.asarray(pca.mean_, np.float32),
            f"{name}.axes": axes.astype(np.float32),
        }

    def transform(self, examples: Examples) -> Array:
        """Features of every row, (n, d) float32; NaN where unknown."""
        views = [self._project(f"view{k}", part) for k, part in enumerate(_parts(examples.embedding))]
        level = examples.rows["level"].map({level.value: float(k) for k, level in enumerate(Level)})
        columns = [*views, examples.numeric, level.to_numpy(np.float32)[:, None], self._context(examples)]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _project(self, name: str, values: Array) -> Array:
        return ((values - self.tensors[f"{name}.mean"]) @ self.tensors[f"{name}.axes"]).astype(np.float32)

    def _context(self, examples: Examples) -> Array:
        coarse = self._project("context", np.nan_to_num(examples.embedding))
        studies = examples.rows["study_id"].to_numpy()
        known = np.isfinite(examples.embedding).any(axis=1)
        coarse[~known] = np.nan
        width = coarse.shape[1]
        cube = coarse.reshape(-1, len(Condition), len(Level), width)
        if (
            len(studies) % len(TARGETS)
            or (studies.reshape(-1, len(TARGETS)) != studies[:: len(TARGETS), None]).any()
        ):
            raise ValueError("examples must hold whole studies, 25 rows each")
        empty = np.full_like(cube[:, :, :1], np.nan)
        above = np.concatenate([empty, cube[:, :, :-1]], axis=2)
        below = np.concatenate([cube[:, :, 1:], empty], axis=2)
        left, right = (3, 4), (1, 2)
        recesses, foramina = cube[:, left].mean(axis=1), cube[:, right].mean(axis=1)
        other = np.stack([recesses, cube[:, 2], cube[:, 1], cube[:, 4], cube[:, 3]], axis=1)
        canal = np.stack([foramina, *[cube[:, 0]] * 4], axis=1)
        return np.concatenate([above, below, other, canal], axis=-1).reshape(len(studies), 4 * width)

    def save(self, path: Path) -> None:
        """Write as safetensors."""
        with atomic(path) as temporary:
            save_file({name: np.ascontiguousarray(value) for name, value in self.tensors.items()}, temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        preparation = cls()
        try:
            preparation.tensors = load_file(path)
            [preparation.tensors[f"{name}.axes"] for name in ("view0", "view1", "view2", "context")]
        except Exception as error:  # safetensors has errors of its own kind
            raise ArtefactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return preparation


def _parts(embedding: Array) -> list[Array]:
    width = embedding.shape[1] // VIEWS
    return [embedding[:, k * width : (k + 1) * width] for k in range(VIEWS)]


def families(rows: pd.DataFrame) -> NDArray[np.str_]:
    """The family of each row's condition."""
    return rows["condition"].map({c.value: c.family.value for c in Condition}).to_numpy(str)


FAMILIES: tuple[str, ...] = tuple(family.value for family in Family)
