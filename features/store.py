"""The feature store: one row per target with its embedding, and arrays that a training loop can map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import Condition, Family, View
from lsdc.features.joined_array import JoinedArray
from lsdc.features.store_check import NEIGHBORS as NEIGHBORS
from lsdc.features.store_check import PREVIEWS as PREVIEWS
from lsdc.features.store_check import STORE_FIELDS
from lsdc.features.store_check import VIEWS as VIEWS
from lsdc.features.store_part import StorePart
from lsdc.features.store_parts import StoreParts
from lsdc.features.store_shards import StoreFiles
from lsdc.features.store_tables import Selection, TrainingTable, html_table, readable_rows
from lsdc.runtime.artifact import Artifact
from lsdc.runtime.schema import Check

if TYPE_CHECKING:
    from torch import Tensor

    from lsdc.features.crop_dataset import CropDataset, CropViews


@dataclass(frozen=True, repr=False)
class FeatureStore(Artifact):
    """A finished feature store, opened for reading; open one with `FeatureStore.open(path)`.

    Tables are read when they are first used and then kept; crops, volumes and previews are mapped from disk, so a
    store may be larger than memory.

    Parameters
    ----------
    path : Path
        The store's directory.
    manifest : dict
        The content of its manifest.json.
    remote : RemoteFolder, optional
        Where it lies behind a URL.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from lsdc.cohort.vocabulary import TARGETS
    >>> from lsdc.features.writer import write_store
    >>> folder = TemporaryDirectory()
    >>> rows = pd.DataFrame([("one", *target) for target in TARGETS], columns=["study_id", "condition", "level"])
    >>> written = write_store(folder.name, rows.assign(grade=0), np.zeros((25, 4), np.float32))
    >>> store = FeatureStore.open(folder.name)
    >>> store.to_pandas().loc["one_spinal_canal_stenosis_l4_l5", ["family", "level", "grade"]].tolist()
    ['spinal', 'l4_l5', 'normal_mild']
    >>> X, y, groups = store.to_sklearn("foraminal")
    >>> X.shape, store.feature_names
    ((10, 5), ['e0', 'e1', 'e2', 'e3', 'confidence'])
    >>> folder.cleanup()
    """

    kind: ClassVar[str] = "store"
    schema: ClassVar[int] = 3
    made_by: ClassVar[str] = StorePart.made_by
    lazy: ClassVar[bool] = True
    _fields: ClassVar[Check] = STORE_FIELDS

    def check_content(self) -> None:
        """Refuse a store whose manifest contradicts itself or its files; of the files only headers are read.

        Shards are checked when they are first used.

        Raises
        ------
        ArtifactError
            When it does, or when one of the files cannot be read.
        """
        self.parts.check()

    @cached_property
    def parts(self) -> StoreParts:
        """The folders in which its studies lie: its own, or its shards'."""
        return StoreParts(self)

    @property
    def backbone(self) -> str:
        """The timm model whose embeddings the store holds; `unknown backbone` where nobody noted it."""
        return str(self.manifest["configuration"].get("backbone", "unknown backbone"))

    @property
    def feature_fingerprint(self) -> str:
        """Hash of what the features mean: backbone, weights, sizes, columns."""
        return str(self.manifest["feature_fingerprint"])

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All columns of rows.parquet except the embedding; index 0..n-1."""
        return self.parts.rows()

    @cached_property
    def studies(self) -> pd.DataFrame:
        """One row per study, in the order of `rows` and of the volumes."""
        return self.parts.studies(self.rows["study_id"])

    @cached_property
    def embedding(self) -> NDArray[np.float32]:
        """The embeddings, (n, D) float32; NaN where a view is absent."""
        return self.parts.embedding()

    @property
    def problems(self) -> pd.DataFrame:
        """What was left out: path, reason and remedy, as text."""
        found = self.parts.table("problems.csv")
        return pd.DataFrame(columns=["path", "reason", "remedy"], dtype=str) if found is None else found

    @property
    def series(self) -> pd.DataFrame | None:
        """A row for each series of each study, all cells text; None where an early version made a part without it."""
        found = self.parts.table("series.csv")
        if found is None or self.parts.order is None:
            return found
        return found.sort_values("study_id", kind="stable", ignore_index=True)

    @property
    def arrays(self) -> StoreFiles:
        """The files of its arrays, which can be sent to other processes without the tables."""
        return self.parts.files

    def array(self, name: str) -> np.memmap | JoinedArray:
        """Map one of the arrays, after checking its digest; that of large ones takes seconds, once.

        Parameters
        ----------
        name : str
            `crops.npy`, `previews.npy`, or `volumes/<view>.npy`.

        Returns
        -------
        memmap or JoinedArray
            Of uint8, read-only. The second where the store has several shards, which are then checked and mapped when
            rows of them are read; what it is indexed with gives arrays, and `numpy.asarray` reads all of it.

        Raises
        ------
        ArtifactError
            When it is missing or damaged.
        """
        return self.arrays.open(name)

    @cached_property
    def crops(self) -> np.memmap | JoinedArray:
        """The crops, (n, 3 views, 3 neighboring slices, P, P) uint8, mapped; 0 where absent."""
        return self.array("crops.npy")

    def volume(self, view: View) -> np.memmap | JoinedArray:
        """Map the small volumes of one view.

        Parameters
        ----------
        view : View
            The view.

        Returns
        -------
        (studies, slices, px, px) uint8
            In the order of `studies`, read from disk where it is indexed; 0 where a study has no such view.
        """
        return self.array(f"volumes/{view.name.lower()}.npy")

    @cached_property
    def previews(self) -> np.memmap | JoinedArray:
        """The chosen slices, (n studies, 8, px, px) uint8, mapped; 0 where absent."""
        return self.array("previews.npy")

    @property
    def numeric_names(self) -> list[str]:
        """The numeric columns a model may use: `meta_*`, `flag_*` and `confidence`."""
        return list(self.manifest["numeric_names"])

    def numeric(self) -> NDArray[np.float32]:
        """Gather the numeric columns of all rows.

        Returns
        -------
        (n, M) float32
            Columns in the order of `numeric_names`; flags are 0 and 1; NaN where unknown.
        """
        return self.rows[self.numeric_names].to_numpy(np.float32)

    @property
    def embedding_names(self) -> list[str]:
        """Names of the embedding's columns: `e0`, `e1` …, one view after the other."""
        return [f"e{k}" for k in range(self.manifest["embedding_dim"])]

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of `to_sklearn`'s X: the embedding's, then the numeric ones."""
        return self.embedding_names + self.numeric_names

    def to_pandas(self, embedding: bool = False) -> pd.DataFrame:
        """Give one row per target with columns that a person reads.

        Parameters
        ----------
        embedding : bool
            Append the embedding as float32 columns `e0`, `e1` …; by default it is left out.

        Returns
        -------
        DataFrame
            Index `row_id`. The columns of rows.parquet, and after `condition` its `family` and `side` (`left`,
            `right`, or missing for the canal). `grade` is a categorical of `normal_mild` < `moderate` < `severe`;
            grades, folds, slices and previews that are -1 in the file are missing values.
        """
        table = readable_rows(self.rows)
        if embedding:
            table = table.join(pd.DataFrame(self.embedding, table.index, self.embedding_names))
        return table

    def to_sklearn(
        self,
        condition: Condition | Family | str | None = None,
        split: str | None = "train",
        *,
        labeled: bool = True,
    ) -> TrainingTable:
        """Give features, grades and study ids as scikit-learn's estimators and splitters take them.

        Parameters
        ----------
        condition : Condition, Family or str, optional
            One of the five conditions, or a family (`spinal`, `foraminal`, `subarticular`), both sides of which
            are then taken; features of right-sided targets are mirrored, so one model serves both. By default
            all 25 targets of every study.
        split : str or None
            `train`, `test` or `new`; None takes all studies.
        labeled : bool
            Leave out rows without a grade. False keeps them, with -1 in y, for prediction.

        Returns
        -------
        TrainingTable
            Unpacks into X (m, features) float32 with the columns `feature_names` and NaN where absent, y (m,)
            int64 of grades 0 to 2, and groups (m,) of study ids, by which cross-validation must split.

        Raises
        ------
        ConfigError
            When the condition is unknown, or no row is left.
        """
        index = Selection(condition, split, labeled).rows_of(self.rows, self.path)
        chosen = self.rows.iloc[index]
        X = np.hstack([self.embedding[index], chosen[self.numeric_names].to_numpy(np.float32)])
        return TrainingTable(X, chosen["grade"].to_numpy(np.int64), chosen["study_id"].to_numpy(object))

    def to_torch(
        self,
        condition: Condition | Family | str | None = None,
        split: str | None = "train",
        *,
        views: View | CropViews = "graded",
        scaled: bool = False,
        labeled: bool = True,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> CropDataset:
        """Give crops and grades as a dataset for PyTorch's `DataLoader`.

        Crops are copied from disk when they are asked for, and the dataset can be sent to worker processes.

        Parameters
        ----------
        condition : Condition, Family or str, optional
            As in `to_sklearn`; crops of right-sided targets are mirrored.
        split : str or None
            `train`, `test` or `new`; None takes all studies.
        views : View, `graded` or `all`
            Which view's crop an item shows: by default that in which its target is graded; a View for the same
            one everywhere, zeros where it does not show the target; `all` for the three together.
        scaled : bool
            Give crops as float32 in 0 to 1 instead of uint8 in 0 to 255.
        labeled : bool
            Leave out rows without a grade. False keeps them, with the label -1.
        transform : callable, optional
            Applied to every crop tensor; a module-level function where worker processes are used.

        Returns
        -------
        CropDataset
            Items are (crop, label): a tensor (3 neighboring slices, P, P), or (3 views, 3, P, P) for `all`, and
            an int.

        Raises
        ------
        ConfigError
            When the condition or `views` is unknown, or no row is left.
        """
        from lsdc.features.crop_dataset import CropDataset, views_of

        index = Selection(condition, split, labeled).rows_of(self.rows, self.path)
        chosen = self.rows.iloc[index]
        return CropDataset(
            self.arrays,
            index,
            chosen["grade"].to_numpy(np.int64),
            views_of(chosen, views),
            scaled=scaled,
            transform=transform,
        )

    def __repr__(self) -> str:
        """Path, counts and backbone."""
        counts = f"{self.manifest['n_studies']} studies, {self.manifest['n_rows']} rows"
        return f"{type(self).__name__}({str(self.place)!r}, {counts}, {self.backbone})"

    def _repr_html_(self) -> str:
        """Summarize the store as a small table, for notebooks."""
        return html_table(
            type(self).__name__,
            {
                "path": self.place,
                "studies": self.manifest["n_studies"],
                "rows": self.manifest["n_rows"],
                "backbone": self.backbone,
                "embedding": f"{self.manifest['embedding_dim']} numbers",
                "crops": f"{self.array('crops.npy').shape[-1]} px",
                "problems": self.manifest["n_problems"],
            },
        )
