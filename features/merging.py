"""Several stores made one: their files are linked, not written again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from lsdc.features.extractor import ENCODER, SELECTOR, selector_digest
from lsdc.features.merged_folds import fold_notes
from lsdc.features.shard_manifest import array_tails, check_columns, entry_of, write_shards
from lsdc.features.store import FeatureStore
from lsdc.features.store_part import StorePart
from lsdc.features.store_shards import SHARDS
from lsdc.runtime.artifact import claim, list_files, write_manifest
from lsdc.runtime.console import say, track, warn
from lsdc.runtime.errors import ArtifactError, ConfigError
from lsdc.runtime.first_names import first_of
from lsdc.runtime.folder_lock import only_writer
from lsdc.runtime.paths import PathLike
from lsdc.runtime.remote import url_of
from lsdc.runtime.remote_output import OutputFolder
from lsdc.runtime.whole_files import atomic, link_or_copy

PART_FILES = ("rows.parquet", "studies.parquet", "crops.npy", "previews.npy", "problems.csv", "series.csv")
"""The files of a shard besides its volumes."""
VOLUMES = "volumes"
"""The folder of a shard's volumes."""
_HEADER = ("kind", "schema", "lsdc", "name", SHARDS, "arrays")
"""What the manifest of a linked part does not take over."""
_MEANING = ("backbone", "encoder", "crop_px", "crop_mm")
"""What of a configuration enters the fingerprint of features."""


@dataclass(frozen=True)
class Merged:
    """What `merge` did.

    Parameters
    ----------
    store : Path or str
        The store of all; its URL where it was given one.
    studies, rows, problems, shards : int
        What it holds.
    feature_fingerprint : str
        That of all of them.
    """

    store: Path | str
    studies: int
    rows: int
    problems: int
    shards: int
    feature_fingerprint: str


def merge(stores: Sequence[PathLike], out: PathLike) -> Merged:
    """Make one store of several that were located and embedded alike.

    Files are linked where the disk can, else copied: merging takes no time and no space, and the stores may be removed
    afterwards. The result holds studies in the order of their ids, as if it had been extracted in one go; folds stay
    what they were in each store, and a warning says where they differ. The same call resumes an interrupted one.

    Parameters
    ----------
    stores : sequence of path
        At least two finished stores, or URLs of such, which are then fetched whole.
    out : path
        The directory of the new store: new, empty, or begun by the same call; or a URL.

    Returns
    -------
    Merged
        Where it is, and what it holds.

    Raises
    ------
    ArtifactError
        When a store is damaged, two differ in what their features mean or in the selector that located them, a study
        is in two of them, or `out` is in use.
    ConfigError
        When there are fewer than two stores, or `out` lies in one of them.

    Examples
    --------
    >>> merge(["january", "february"], "both").studies  # doctest: +SKIP
    120
    """
    if len(stores) < 2:
        raise ConfigError(f"stores must be at least two, not {len(stores)}")
    place = OutputFolder.of(out)
    for store in stores:
        if url_of(store) is None and Path(store).resolve() in (
            place.folder.resolve(),
            *place.folder.resolve().parents,
        ):
            raise ConfigError(
                f"out: {place.place} is, or lies in, a store to be merged; choose another directory"
            )
    opened = [FeatureStore.open(store) for store in stores]
    for other in opened[1:]:
        if difference := _difference(opened[0], other):
            raise ArtifactError(f"{other.path}: cannot be merged with {opened[0].path}: {difference}")
    check_columns([part for store in opened for part in store.parts.all])
    _check_studies(opened)
    for note in fold_notes(opened):
        warn(note)
    place.take("config.json")
    claim(
        place.folder,
        {"merge": [store.manifest["rows_sha256"] for store in opened]},
        lambda: "choose another directory, or delete it",
        place.place,
    )
    with only_writer(place.folder):
        if not place.is_finished():
            _link_all(opened, place.folder)
            place.publish()
    made = FeatureStore.open(place.place)
    counts, shards = made.manifest, len(made.manifest[SHARDS])
    say(f"{place.place}: {counts['n_studies']} studies of {len(stores)} stores, {shards} shards")
    return Merged(
        place.place,
        counts["n_studies"],
        counts["n_rows"],
        counts["n_problems"],
        shards,
        made.feature_fingerprint,
    )


def _link_all(stores: Sequence[FeatureStore], out: Path) -> None:
    """Link the parts of all stores, and the extractor of the first, and write the manifest."""
    parts = [part for store in stores for part in store.parts.all]
    shards = []
    for k, part in enumerate(track(parts, "linking")):
        name = f"{SHARDS}/{k:05d}"
        link_part(part, out / name)
        shards.append(entry_of(part, name))
    _link_extractor(stores[0], out)
    own = list_files(out, without=(SHARDS,))
    write_shards(out, stores[0].manifest, shards, array_tails(parts[0]), own)


def link_part(part: StorePart, folder: Path) -> None:
    """Give the files of a part a second name in a folder that is a shard of another store.

    Parameters
    ----------
    part : StorePart
        A whole store, of which the extractor stays behind, or a shard.
    folder : Path
        The shard to be; what is there is finished.
    """
    if folder.is_dir():
        return
    assert part.listed.entries is not None
    names = [name for name in (*PART_FILES, *part.listed.below(VOLUMES)) if part.listed.has(name)]
    with atomic(folder) as temporary:
        for name in names:
            link_or_copy(part.listed.unread(name), temporary / name)
        own = {name: part.listed.entries[name] for name in names}
        content = {key: value for key, value in part.manifest.items() if key not in _HEADER}
        write_manifest(temporary, StorePart.kind, StorePart.schema, **content | {"files": own})


def _link_extractor(store: FeatureStore, out: Path) -> None:
    """Link the selectors and the encoder of a store; features that were made without `extract` have none."""
    for name in (ENCODER, *store.listed.below(SELECTOR)):
        if store.listed.has(name) and not (out / name).exists():
            with atomic(out / name) as temporary:
                link_or_copy(store.listed.unread(name), temporary)


def _difference(one: FeatureStore, other: FeatureStore) -> str:
    """Say in what two stores differ that cannot be in one; empty where in nothing."""
    for store in (one, other):
        if store.listed.entries is None or "rows_sha256" not in store.manifest:
            return f"{store.path} was made by an earlier version, which kept no digests; extract it again"
    pairs: dict[str, tuple[Any, Any]] = {}
    for name in _MEANING:
        pairs[name] = one.manifest["configuration"].get(name), other.manifest["configuration"].get(name)
    for name in ("embedding_dim", "numeric_names"):
        pairs[name] = one.manifest[name], other.manifest[name]
    for name, (mine, theirs) in pairs.items():
        if mine != theirs:
            return f"they differ in {name} ({_shown(theirs)} and {_shown(mine)}); extract it again like the other"
    if one.feature_fingerprint != other.feature_fingerprint:
        return "their features were made by versions that do not fit; extract it again like the other"
    if selector_digest(one) != selector_digest(other):
        return (
            "they were located by different selectors, so their features do not mean the same; extract it again "
            f"like the other (`lsdc-features extract DATA --out STORE --like {one.path}`)"
        )
    mine, theirs = array_tails(one.parts.all[0]), array_tails(other.parts.all[0])
    for name in mine:
        if mine[name] != theirs[name]:
            return f"they differ in the size of {name} ({theirs[name]} and {mine[name]})"
    return ""


def _shown(value: Any) -> str:
    """Write a value of a configuration in bounded length."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _check_studies(stores: Sequence[FeatureStore]) -> None:
    """Refuse stores that share a study."""
    counts = Counter(chain.from_iterable(store.parts.ids for store in stores))
    twice = sorted(study for study, count in counts.items() if count > 1)
    if twice:
        raise ArtifactError(
            f"{stores[-1].path}: {len(twice)} studies are in more than one of the stores ({first_of(twice)}); extract "
            "only what is new, as `lsdc-features extract --append` does"
        )
