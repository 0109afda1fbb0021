"""From a store's features to the columns that heads learn from; everything fitted is fitted on training rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Condition, Family, Level, View
from lsdc.models.examples import Examples
from lsdc.models.heads.lately_fitted import LatelyFitted
from lsdc.runtime import ArtifactError, LsdcError
from lsdc.runtime.tensor_files import read_arrays, read_header, write_tensors
from lsdc.runtime.worker_process import on_one_thread

COMPONENTS, CONTEXT_COMPONENTS = 32, 6
"""Principal components that are kept of each view's embedding, and of the whole embedding for the context."""
BLOCKS = (*(f"view{k}" for k in range(len(View))), "context")
"""Names of the projections in the file."""
_ROWS_AT_ONCE = 160 * len(TARGETS)
"""Rows of whole studies that are compressed at once: their embeddings are copied."""
Floats = NDArray[np.float32]
_LATELY = LatelyFitted[dict[str, Floats]](16)
"""Five folds, each fitted twice, of one seed, and then some: every head member asks for the same."""


class Preparation:
    """Compresses the embedding of each view, and adds the level and what the study shows around the target.

    The embedding is centered by family before its principal components are found, so that none is spent on telling
    families apart; each has a head to itself anyway.

    The context of a target is a coarse compression of the rows of the level above and below, of the other side (for
    the canal: both recesses), and of the canal (for the canal: both foramina) of the same level. It is arranged as
    seen from the target's side, so that a mirrored study has mirrored features.

    Parameters
    ----------
    seed : int
        Decides the randomized principal components; 0 by default.

    Attributes
    ----------
    tensors : dict of str to float32
        After `fit`: `center` (families, D), and a projection (D / 3, components) per view and (D, components) for the
        context.
    numeric_names : list of str
        Numeric columns that it was fitted on.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.tensors: dict[str, Floats] = {}
        self.numeric_names: list[str] = []

    def fit(self, examples: Examples) -> Self:
        """Find the principal components of the training rows; labels are not used.

        Parameters
        ----------
        examples : Examples
            The training studies.

        Returns
        -------
        Preparation
            Itself.
        """
        self.numeric_names = list(examples.numeric_names)
        embedding, family_of = examples.embedding, families(examples.rows)
        self.tensors = dict(
            _LATELY.get(self.seed, embedding, family_of, make=lambda: self._project(embedding, family_of))
        )
        return self

    def _project(self, embedding: Floats, family_of: NDArray[np.intp]) -> dict[str, Floats]:
        """Find centers and projections, on one thread: heads must not depend on the cores of the machine."""
        embedding = _finite(embedding)
        found = {"center": _centers(embedding, family_of)}
        _subtract(found["center"], embedding, family_of)
        with on_one_thread():
            for name, part in zip(BLOCKS, _parts(embedding)):
                found[name] = self._axes(part[np.isfinite(part).all(axis=1)], COMPONENTS)
            found["context"] = self._axes(np.nan_to_num(embedding, copy=False), CONTEXT_COMPONENTS)
        return found

    def _axes(self, known: Floats, count: int) -> Floats:
        """Find the projection (D, components) onto whitened principal components; zeros where too little is known.

        What is known (rows, D) is centered in place: of thousands of studies, a copy is hundreds of megabytes.
        """
        from sklearn.decomposition import PCA

        count = min(count, len(known) - 1, known.shape[1])
        if count < 1:
            return np.zeros((known.shape[1], 1), np.float32)
        pca = PCA(count, copy=False, svd_solver="randomized", random_state=self.seed).fit(known)
        return (pca.components_.T / np.sqrt(pca.explained_variance_ + 1e-6)).astype(np.float32)

    def transform(self, examples: Examples) -> Floats:
        """Compute the features of every row.

        Parameters
        ----------
        examples : Examples
            Whole studies, n rows.

        Returns
        -------
        (n, d) float32
            The compressed views, the numeric columns, the level 0 to 4, and the context; NaN where unknown.

        Raises
        ------
        LsdcError
            When the rows are not whole studies in the competition's order, or were described differently from
            those of `fit`.
        """
        _check_order(examples.rows)
        self._check_columns(examples)
        starts, family_of = range(0, max(1, len(examples)), _ROWS_AT_ONCE), families(examples.rows)
        chunks = [slice(start, start + _ROWS_AT_ONCE) for start in starts]
        with on_one_thread():
            compressed = [self._compress(examples.embedding[rows], family_of[rows]) for rows in chunks]
        views, context = (np.concatenate(parts) for parts in zip(*compressed))
        level = examples.rows["level"].map({level.value: float(k) for k, level in enumerate(Level)})
        columns = [views, _finite(examples.numeric), level.to_numpy(np.float32)[:, None], context]
        return np.concatenate(columns, axis=1).astype(np.float32, copy=False)

    def _compress(self, embedding: Floats, family_of: NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Project the views of some whole studies, and gather their context."""
        embedding = _finite(embedding)
        _subtract(self.tensors["center"], embedding, family_of)
        views = [part @ self.tensors[name] for name, part in zip(BLOCKS, _parts(embedding))]
        return np.concatenate(views, axis=1), self._context(embedding)

    def _check_columns(self, examples: Examples) -> None:
        wanted, found = self.tensors["center"].shape[1], examples.embedding.shape[1]
        if found != wanted:
            raise LsdcError(
                f"embeddings have {found} columns, the model was fitted on {wanted}; "
                "extract the studies with the same backbone"
            )
        different = sorted(set(self.numeric_names) ^ set(examples.numeric_names))
        if list(examples.numeric_names) != self.numeric_names:
            raise LsdcError(
                f"numeric columns are not those the model was fitted on ({', '.join(different) or 'order'} differ); "
                "extract the studies with the same version"
            )

    def _context(self, embedding: Floats) -> Floats:
        """Gather the rows above, below, of the other side and of the canal, (n, 4 x components); NaN where none is.

        Zeros are put into the embedding for what is unknown.
        """
        unknown = ~np.isfinite(embedding).any(axis=1)
        coarse = np.nan_to_num(embedding, copy=False) @ self.tensors["context"]
        coarse[unknown] = np.nan
        width = coarse.shape[1]
        canal, *sides = coarse.reshape(-1, len(Condition), len(Level), width).swapaxes(0, 1)
        left_foramen, right_foramen, left_recess, right_recess = sides
        cube = np.stack([canal, *sides], axis=1)
        empty = np.full_like(cube[:, :, :1], np.nan)
        above = np.concatenate([empty, cube[:, :, :-1]], axis=2)
        below = np.concatenate([cube[:, :, 1:], empty], axis=2)
        recesses, foramina = (left_recess + right_recess) / 2, (left_foramen + right_foramen) / 2
        other = np.stack([recesses, right_foramen, left_foramen, right_recess, left_recess], axis=1)
        center = np.stack([foramina, canal, canal, canal, canal], axis=1)
        return np.concatenate([above, below, other, center], axis=-1).reshape(len(embedding), 4 * width)

    def save(self, path: Path) -> None:
        """Write it as safetensors.

        Parameters
        ----------
        path : Path
            The file.
        """
        write_tensors(path, self.tensors, numeric_names=json.dumps(self.numeric_names))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a fitted preparation.

        Parameters
        ----------
        path : Path
            What `save` wrote.

        Returns
        -------
        Preparation
            The fitted preparation.

        Raises
        ------
        ArtifactError
            When the file is absent or damaged.
        """
        preparation = cls()
        try:
            preparation.tensors = read_arrays(path)
            preparation.numeric_names = json.loads(read_header(path).notes["numeric_names"])
            preparation._check()
        except (OSError, LookupError, ValueError, RecursionError) as error:
            raise ArtifactError(f"{path}: damaged model file ({error}); fit the model again") from error
        return preparation

    def _check(self) -> None:
        """Refuse arrays that no fit gives."""
        names = self.numeric_names
        if not isinstance(names, list) or not all(
            isinstance(name, str) and name.isprintable() for name in names
        ):
            raise ValueError("names of columns that are no text")
        if any(values.ndim != 2 or values.dtype != np.float32 for values in self.tensors.values()):
            raise ValueError("arrays of another kind")
        if not all(np.isfinite(values).all() for values in self.tensors.values()):
            raise ValueError("values that are no numbers")
        center = self.tensors["center"]
        widths = [part.shape[1] for part in _parts(center)] + [center.shape[1]]
        found = [self.tensors[name].shape[0] for name in BLOCKS]
        if center.shape[0] != len(Family) or found != widths:
            raise ValueError("arrays of different lengths")

    @property
    def width(self) -> int:
        """Number of features that `transform` gives."""
        views = sum(self.tensors[name].shape[1] for name in BLOCKS[: len(View)])
        return views + len(self.numeric_names) + 1 + 4 * self.tensors["context"].shape[1]


def _finite(values: Floats) -> Floats:
    """Replace infinity: it is unknown too."""
    return np.where(np.isfinite(values), values, np.float32(np.nan))


def _centers(embedding: Floats, family_of: NDArray[np.intp]) -> Floats:
    """Compute the mean of the known values of each family, (families, D); 0 where nothing is known."""
    known = np.isfinite(embedding)
    rows_of = [family_of == number for number in range(len(Family))]
    sums = [np.nan_to_num(embedding[rows]).sum(axis=0, dtype=float) for rows in rows_of]
    counts = [known[rows].sum(axis=0) for rows in rows_of]
    return (np.array(sums) / np.maximum(counts, 1)).astype(np.float32)


def _subtract(centers: Floats, embedding: Floats, family_of: NDArray[np.intp]) -> None:
    """Subtract from the embedding (n, D), in place, the mean of each row's family."""
    for number, center in enumerate(centers):
        embedding[family_of == number] -= center


def _parts(embedding: Floats) -> list[Floats]:
    """Split the embedding into those of the views."""
    return np.array_split(embedding, len(View), axis=1)


def _check_order(rows: pd.DataFrame) -> None:
    """Refuse rows that are not whole studies in order: context is found by position."""
    n, each = len(rows), len(TARGETS)
    wanted = [f"{target.condition.value}_{target.level.value}" for target in TARGETS]
    whole = n % each == 0
    if whole and n:
        studies = rows["study_id"].to_numpy().reshape(-1, each)
        found = (rows["condition"] + "_" + rows["level"]).to_numpy().reshape(-1, each)
        whole = bool((studies == studies[:, :1]).all() and (found == np.array(wanted, object)).all())
    if not whole:
        raise LsdcError(
            f"{n} rows are not whole studies of {each} targets in the competition's order; "
            "choose rows by study, and keep the order of the store"
        )


def families(rows: pd.DataFrame) -> NDArray[np.intp]:
    """Find the family of each row's condition.

    Parameters
    ----------
    rows : DataFrame
        With a column `condition` of slugs; n rows.

    Returns
    -------
    (n,) int
        The family's place in `Family`.

    Examples
    --------
    >>> families(pd.DataFrame({"condition": ["left_subarticular_stenosis", "spinal_canal_stenosis"]})).tolist()
    [2, 0]
    """
    numbers = {condition.value: list(Family).index(condition.family) for condition in Condition}
    return np.asarray(rows["condition"].map(numbers), np.intp)
