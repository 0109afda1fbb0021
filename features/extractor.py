"""What a store was made with, and another can be made with: the selectors, the encoder and the sizes."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from lsdc.cohort.pseudonyms import Pseudonyms
from lsdc.features.store import FeatureStore
from lsdc.features.store_check import STORE_CONFIGURATION
from lsdc.features.taught_studies import TAUGHT, read_taught
from lsdc.runtime.archives import is_archive, unpack
from lsdc.runtime.artifact import Artifact, list_files, write_manifest
from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.file_list import MANIFEST, fetch_all, file_hash
from lsdc.runtime.paths import PathLike
from lsdc.runtime.schema import Check, mapping_of, record, text, whole

EXTRACTOR = "extractor"
"""The folder of a model that holds its extractor."""
ENCODER = "encoder.safetensors"
"""The file of the encoder's weights, in a store and in a saved extractor."""
SELECTOR = "selector"
"""The folder of the selectors, in a store and in a saved extractor."""
_HASH = text("[0-9a-f]{16}")


@dataclass(frozen=True, repr=False)
class SavedExtractor(Artifact):
    """The directory of an extractor, which holds nothing of the studies that it learned from but their pseudonyms.

    Parameters
    ----------
    path : Path
        The directory.
    manifest : dict
        The content of its manifest.json.
    remote : RemoteFolder, optional
        Where it lies behind a URL.
    """

    kind: ClassVar[str] = "extractor"
    schema: ClassVar[int] = 2
    made_by: ClassVar[str] = "lsdc-ensemble fit STORE --out MODEL"
    files: ClassVar[tuple[str, ...]] = (ENCODER,)
    _fields: ClassVar[Check] = record(
        {
            "configuration": STORE_CONFIGURATION,
            "feature_fingerprint": _HASH,
            "salt": text(most=100),
            "folds": mapping_of(whole(-1)),
        }
    )


@dataclass(frozen=True)
class Extractor:
    """Locates and embeds as a store was located and embedded; take one with `of`.

    Parameters
    ----------
    path : Path
        The store or the model, as the caller named it.
    artifact : FeatureStore or SavedExtractor
        Where the selectors and the encoder lie.
    folds : mapping of str to int
        By pseudonym: the fold of each study that a selector was fitted on.
    pseudonyms : Pseudonyms
        How studies are named in `folds`.
    """

    path: Path
    artifact: FeatureStore | SavedExtractor
    folds: Mapping[str, int]
    pseudonyms: Pseudonyms

    @classmethod
    def of(cls, path: PathLike | FeatureStore) -> Self:
        """Take the extractor of a store or of a model.

        Parameters
        ----------
        path : path or FeatureStore
            A finished store, or a model that holds an extractor: its directory, or the file that it was packed into.

        Returns
        -------
        Extractor
            Its files are checked when they are used.

        Raises
        ------
        ArtifactError
            When it is neither, or damaged.
        ArchiveError
            When a packed model is damaged.
        """
        if not isinstance(path, FeatureStore):
            folder = unpack(Path(path)) if is_archive(Path(path)) else Path(path)
            if (folder / EXTRACTOR / MANIFEST).is_file():
                saved = SavedExtractor.open(folder / EXTRACTOR)
                return cls(Path(path), saved, saved.manifest["folds"], Pseudonyms(saved.manifest["salt"]))
        store = path if isinstance(path, FeatureStore) else FeatureStore.open(path)
        # The selectors themselves know best: in a store that was made like another, folds are other folds.
        taught = f"{SELECTOR}/{TAUGHT}"
        if store.listed.has(taught):
            return cls(store.path, store, *read_taught(store.file(taught)))
        known = store.studies if "fold" in store.studies else store.studies.iloc[:0].assign(fold=-1)
        folds = {str(study): int(fold) for study, fold in zip(known["study_id"], known["fold"])}
        return cls(store.path, store, folds, Pseudonyms(""))

    @property
    def configuration(self) -> dict[str, Any]:
        """What decides the content of a store besides the data, as the store's manifest holds it."""
        return dict(self.artifact.manifest["configuration"])

    @property
    def feature_fingerprint(self) -> str:
        """Hash of what the features mean."""
        return str(self.artifact.manifest["feature_fingerprint"])

    @property
    def encoder(self) -> Path:
        """The file of the encoder's weights, checked."""
        return self.artifact.file(ENCODER)

    @property
    def selector(self) -> Path:
        """The folder of the selectors.

        Raises
        ------
        ArtifactError
            When there is none.
        """
        folder = self.artifact.path / SELECTOR
        if self.artifact.remote is not None:
            fetch_all([(self.artifact.listed, name) for name in self.artifact.listed.below(SELECTOR)])
        if not folder.is_dir():
            raise ArtifactError(
                f"{folder}: no such folder; a store of an older version is to be extracted again"
            )
        return folder

    def fold_of(self, study_id: str) -> int | None:
        """Tell in which fold a study was from which a selector learned.

        Parameters
        ----------
        study_id : str
            The study.

        Returns
        -------
        int or None
            None for a study that no selector has seen.
        """
        return self.folds.get(self.pseudonyms.of(study_id))


def write_extractor(store: FeatureStore, folder: Path, pseudonyms: Pseudonyms) -> bool:
    """Copy what a store was made with, so that a model needs no store.

    Parameters
    ----------
    store : FeatureStore
        The store that a model is fitted on.
    folder : Path
        The model's folder for it; what is there is finished, or written anew.
    pseudonyms : Pseudonyms
        How the model names studies.

    Returns
    -------
    bool
        False where the store holds features that were not made by `extract`, and nothing was written.
    """
    if not store.listed.below(SELECTOR) or not store.listed.has(ENCODER):
        return False
    if (folder / MANIFEST).is_file():
        return True
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    extractor = Extractor.of(store)
    shutil.copyfile(extractor.encoder, folder / ENCODER)
    shutil.copytree(extractor.selector, folder / SELECTOR)
    if extractor.pseudonyms.salt:  # they are hidden already
        pseudonyms = extractor.pseudonyms
        folds = dict(extractor.folds)
    else:
        folds = {pseudonyms.of(study): fold for study, fold in extractor.folds.items()}
    # Paths of the machine on which weights and a table of folds were found say nothing elsewhere.
    configuration = extractor.configuration | {"weights": ENCODER, "like": None}
    if not isinstance(configuration.get("folds"), int):
        configuration["folds"] = max(2, 1 + max(extractor.folds.values(), default=0))
    write_manifest(
        folder,
        SavedExtractor.kind,
        SavedExtractor.schema,
        configuration=configuration,
        feature_fingerprint=store.feature_fingerprint,
        salt=pseudonyms.salt,
        folds=dict(sorted(folds.items())),
        files=list_files(folder),
    )
    return True


def selector_digest(store: FeatureStore) -> str | None:
    """Hash the selectors that located a store.

    Parameters
    ----------
    store : FeatureStore
        A finished store.

    Returns
    -------
    str or None
        16 hexadecimal digits, the same for stores that were located alike; None where the features were made without
        `extract`. Manifests do not count: they name the version of lsdc.
    """
    prefix = f"{SELECTOR}/"
    if store.listed.entries is None:
        paths = sorted((store.path / SELECTOR).rglob("*"))
        hashes = {
            path.relative_to(store.path).as_posix(): file_hash(path) for path in paths if path.is_file()
        }
    else:
        hashes = {name: str(entry["sha256"]) for name, entry in store.listed.entries.items()}
    kept = [
        f"{name} {digest}"
        for name, digest in sorted(hashes.items())
        if name.startswith(prefix) and not name.endswith(MANIFEST)
    ]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16] if kept else None
