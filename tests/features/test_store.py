"""What is written is read, damage is named, and fingerprints follow what features mean."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.features import writer
from lsdc.features.extractor import Extractor
from lsdc.features.store import FeatureStore
from lsdc.features.store_check import check_rows
from lsdc.features.store_settings import Settings
from lsdc.features.writer import write_store
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.errors import ArtifactError, ConfigError, LsdcError, Problem, TableError


def rows_of(*studies: str, **columns: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        [(study, t.condition.value, t.level.value) for study in studies for t in TARGETS],
        columns=["study_id", "condition", "level"],
    )
    return table.assign(**columns)


def small_store(path: Path, **options: Any) -> tuple[FeatureStore, NDArray[np.float32], NDArray[np.uint8]]:
    rows = rows_of("a", "b", meta_depth=1.5, flag_odd=True, confidence=0.5)
    embedding = np.arange(len(rows) * 4, dtype=np.float32).reshape(-1, 4)
    embedding[3, 2:] = np.nan
    crops = np.random.default_rng(0).integers(0, 255, (len(rows), 3, 3, 6, 6), dtype=np.uint8)
    return write_store(path, rows, embedding, crops, **options), embedding, crops


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written, embedding, crops = small_store(tmp_path / "s", problems=[Problem("f", "bad", "mend")])
    store = FeatureStore.open(tmp_path / "s")
    np.testing.assert_array_equal(store.embedding, embedding)
    np.testing.assert_array_equal(store.crops, crops)
    assert store.numeric_names == ["meta_depth", "flag_odd", "confidence"]
    np.testing.assert_array_equal(store.numeric()[0], [1.5, 1.0, 0.5])
    assert store.rows.row_id[0] == "a_spinal_canal_stenosis_l1_l2"
    assert store.rows.grade.dtype == np.int8 and store.rows.flag_odd.dtype == bool
    assert list(store.studies.study_id) == ["a", "b"]
    assert pd.read_csv(tmp_path / "s" / "problems.csv").reason.tolist() == ["bad"]
    assert written.manifest["n_problems"] == 1


def test_rows_come_in_small_groups_however_they_were_added(tmp_path: Path) -> None:
    rows = rows_of(*map(str, range(100, 140)), confidence=0.5)
    embedding = np.arange(len(rows) * 2, dtype=np.float32).reshape(-1, 2)
    crops = np.zeros((len(rows), 3, 3, 6, 6), np.uint8)
    store = write_store(tmp_path / "s", rows, embedding, crops)
    groups = pq.ParquetFile(tmp_path / "s" / "rows.parquet").metadata
    sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
    assert sizes == [400, 400, 200]  # a reader of one group of all would hold the embeddings four times
    np.testing.assert_array_equal(store.embedding, embedding)


def test_fingerprint_follows_configuration_and_columns(tmp_path: Path) -> None:
    one, *_ = small_store(tmp_path / "1", configuration={"backbone": "a", "seed": 1})
    two, *_ = small_store(tmp_path / "2", configuration={"backbone": "a", "seed": 2})
    three, *_ = small_store(tmp_path / "3", configuration={"backbone": "b", "seed": 1})
    assert one.feature_fingerprint == two.feature_fingerprint != three.feature_fingerprint


def test_unfinished_store_is_refused(tmp_path: Path) -> None:
    small_store(tmp_path / "s")
    (tmp_path / "s" / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"not a finished store .*lsdc-features extract"):
        FeatureStore.open(tmp_path / "s")


def test_newer_store_is_refused(tmp_path: Path) -> None:
    small_store(tmp_path / "s")
    manifest = read_json(tmp_path / "s" / "manifest.json")
    write_json(tmp_path / "s" / "manifest.json", manifest | {"schema": 99})
    with pytest.raises(ArtifactError, match="newer than what this version reads"):
        FeatureStore.open(tmp_path / "s")


def test_only_a_store_of_an_earlier_version_lists_no_files(tmp_path: Path) -> None:
    written, *_ = small_store(tmp_path / "s")
    manifest = read_json(tmp_path / "s" / "manifest.json")
    del manifest["files"]
    write_json(tmp_path / "s" / "manifest.json", manifest)
    with pytest.raises(ArtifactError, match=r"damaged store, manifest\.json lists no files; make it again"):
        FeatureStore.open(tmp_path / "s")
    write_json(tmp_path / "s" / "manifest.json", manifest | {"schema": 1})
    assert FeatureStore.open(tmp_path / "s").rows.equals(written.rows)


@pytest.mark.parametrize("name", ["rows.parquet", "crops.npy"])
def test_missing_part_is_named(tmp_path: Path, name: str) -> None:
    small_store(tmp_path / "s")
    (tmp_path / "s" / name).unlink()
    with pytest.raises(ArtifactError, match=f"damaged store, {name} is missing"):
        FeatureStore.open(tmp_path / "s")


def test_a_truncated_part_is_damage(tmp_path: Path) -> None:
    small_store(tmp_path / "s")
    (tmp_path / "s" / "rows.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ArtifactError,
        match=r"damaged store, rows\.parquet has 4 bytes instead of \d+; make it again with `lsdc-features extract",
    ):
        FeatureStore.open(str(tmp_path / "s"))


def test_a_store_cannot_have_a_backbone_fetched(tmp_path: Path) -> None:
    configuration = Settings().content() | {"backbone": "hf-hub:somebody/something"}
    store, *_ = small_store(tmp_path / "s", configuration=configuration)
    with pytest.raises(ConfigError, match="would be fetched from a hub or a folder; where you trust it"):
        Settings().matched_to(Extractor.of(store))


def test_lengths_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="25 rows, 3 embeddings and 25 crops"):
        write_store(tmp_path / "s", rows_of("a"), np.zeros((3, 2), np.float32))


EMBEDDING, CROPS = np.zeros((25, 2), np.float32), np.zeros((25, 3, 3, 6, 6), np.uint8)


@pytest.mark.parametrize(
    ("rows", "embedding", "crops", "kind", "message"),
    [
        (rows_of(), EMBEDDING[:0], None, ArtifactError, "0 rows, 0 embeddings and 0 crops; a store needs"),
        (rows_of("a"), EMBEDDING[:, 0], None, ArtifactError, r"embedding must be .* not float32 \(25,\)"),
        (rows_of("a"), EMBEDDING[:, :0], None, ArtifactError, r"embedding must be .* not float32 \(25, 0\)"),
        (rows_of("a"), EMBEDDING.astype(str), None, ArtifactError, "embedding must be numbers"),
        (rows_of("a"), EMBEDDING, CROPS / 255, ArtifactError, r"crops must be uint8 .* not float64 \(25, 3"),
        (rows_of("a"), EMBEDDING, CROPS[..., 1:], ArtifactError, r"not uint8 \(25, 3, 3, 6, 5\)"),
        (rows_of("a"), EMBEDDING, CROPS[:, :, 0], ArtifactError, r"not uint8 \(25, 3, 6, 6\)"),
        (
            rows_of("a").drop(columns="level"),
            EMBEDDING,
            None,
            TableError,
            "rows: the column 'level' is missing",
        ),
        (rows_of("a").assign(study_id=7), EMBEDDING, None, TableError, "the column 'study_id' is not text"),
        (
            rows_of("a").assign(condition="pain"),
            EMBEDDING,
            None,
            TableError,
            "'pain' is not a valid Condition",
        ),
        (rows_of("a")[::-1], EMBEDDING, None, TableError, "'condition' is not in the competition's order"),
        (rows_of("a", grade=0.5), EMBEDDING, None, TableError, "the column 'grade' cannot be read as int8"),
        (rows_of("a", grade=3), EMBEDDING, None, TableError, "'grade' is not whole numbers from -1 to 2"),
        (
            rows_of("a", instance_number=2**40),
            EMBEDDING,
            None,
            TableError,
            "'instance_number' cannot be read as",
        ),
        (rows_of("a", meta_x="deep"), EMBEDDING, None, TableError, "'meta_x' cannot be read as float"),
        (rows_of("a", flag_x=np.nan), EMBEDDING, None, TableError, "the column 'flag_x' has empty cells"),
    ],
)
def test_what_is_no_store_is_told_before_anything_is_written(
    tmp_path: Path, rows: pd.DataFrame, embedding: Any, crops: Any, kind: type[LsdcError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        write_store(tmp_path, rows, embedding, crops)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(writer, "write_problems", full)
        small_store(tmp_path / "s")
    assert not list(tmp_path.iterdir())
    assert small_store(tmp_path / "s")[0].path == tmp_path / "s"


def test_empty_grades_and_folds_are_unknown(tmp_path: Path) -> None:
    grades = [np.nan, 0.0, 1.0, 2.0, 0.0] * 5
    store = write_store(tmp_path, rows_of("a", grade=grades, fold=np.nan, reason=None), EMBEDDING)
    assert store.rows.grade.tolist() == [-1, 0, 1, 2, 0] * 5
    assert set(store.rows.fold) == {-1} and set(store.rows.reason) == {""}
    assert [path.name for path in tmp_path.parent.glob(".*.part*")] == []


def test_a_directory_in_use_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ArtifactError, match="not empty"):
        write_store(str(tmp_path), rows_of("a"), np.zeros((25, 2), np.float32))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"status": "lost", "reason": ""}, "the column 'status' is not among seen, unsure, not seen"),
        ({"status": "seen", "reason": None}, "of the columns 'status' and 'reason' one is missing"),
        ({"reason": "a\x1bb"}, "the column 'reason' has control characters"),
        ({"reason": 1}, "the column 'reason' is not text"),
        ({"confidence": "high"}, "the column 'confidence' is not numbers"),
        ({"level_doubt": "high"}, "the column 'level_doubt' is not numbers"),
        ({"series_id": 7}, "the column 'series_id' is not text"),
    ],
)
def test_what_was_seen_is_checked(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    rows = small_store(tmp_path / "s")[0].rows
    for name, value in columns.items():
        rows = rows.drop(columns=name) if value is None else rows.assign(**{name: value})
    with pytest.raises(ValueError, match=message):
        check_rows(rows, [])
