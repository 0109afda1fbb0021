"""Blends applied: to new studies, and to those that they were fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.scoring import make_grades, write_labels, write_members

from lsdc.cohort.vocabulary import GRADES
from lsdc.commands.ensemble import main
from lsdc.ensemble.applying import apply_blend
from lsdc.ensemble.blend_model import FITTED_ON, BlendModel
from lsdc.ensemble.external import Blended, blend
from lsdc.metrics.prediction_tables import read_predictions, to_cube
from lsdc.metrics.scoring import score
from lsdc.runtime import ConfigError, TableError
from lsdc.runtime.artifact import MANIFEST, read_json, write_json

pytestmark = pytest.mark.usefixtures("brief_learners")

STUDIES = [str(1000 + k) for k in range(24)]
Made = tuple[Path, Blended]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A folder with train.csv and members' tables, and a blend of them; not to be changed."""
    folder = tmp_path_factory.mktemp("applied")
    grades = make_grades(np.random.default_rng(0), len(STUDIES))
    write_labels(folder / "train.csv", grades, STUDIES)
    write_members(folder / "oof", grades, STUDIES)
    return folder, blend(folder / "train.csv", folder / "oof", folder / "blend", trials=4)


def test_studies_that_a_blend_was_fitted_on_are_scored_honestly(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, blended = made
    caplog.set_level("INFO", "lsdc")
    done = apply_blend(blended.model, folder / "oof", tmp_path / "s.csv")
    assert (done.rows, done.out_of_fold) == (600, 24)
    assert "24 studies are those the blend was fitted on" in caplog.text
    total = score(folder / "train.csv", tmp_path / "s.csv").total
    assert total == pytest.approx(blended.report.nested.total, abs=1e-9)
    assert total > blended.report.in_sample.total


def test_other_predictions_under_a_known_id_are_warned_of(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, blended = made
    (tmp_path / "new").mkdir()
    for path in (folder / "oof").iterdir():
        table = pd.read_csv(path, dtype={"row_id": str})
        first = table["row_id"].str.startswith("1000_")
        table.loc[first, list(GRADES)] = [0.2, 0.3, 0.5]
        fresh = table[first].assign(row_id=table.loc[first, "row_id"].str.replace("1000", "7"))
        pd.concat([table, fresh]).to_csv(tmp_path / "new" / path.name, index=False)
    done = apply_blend(blended.model, tmp_path / "new", tmp_path / "s.csv")
    assert (done.rows, done.out_of_fold) == (625, 23)
    assert (
        "1 studies have the id of one that the blend was fitted on, but other predictions (1000)"
        in caplog.text
    )
    found = to_cube(read_predictions(tmp_path / "s.csv"), ["1000", "7"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


def test_blends_of_earlier_versions_warn_of_the_studies_they_know(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, _ = made
    old = blend(folder / "train.csv", folder / "oof", tmp_path / "old", trials=1).model
    (old / FITTED_ON).unlink()
    manifest = read_json(old / MANIFEST)
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if name != FITTED_ON}
    write_json(old / MANIFEST, manifest)
    assert set(BlendModel.open(old).fitted_on) == set(STUDIES)
    assert apply_blend(old, folder / "oof", tmp_path / "s.csv").out_of_fold == 0
    assert "24 studies have the id of one that the blend was fitted on" in caplog.text


def test_a_finished_blend_is_not_searched_again(
    made: Made, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, blended = made
    caplog.set_level("INFO", "lsdc")
    monkeypatch.setattr("lsdc.ensemble.external.stack", None)
    again = blend(folder / "train.csv", folder / "oof", folder / "blend", trials=4)
    assert again.to_dict() == blended.to_dict() and "already finished" in caplog.text


def test_what_cannot_be_applied_is_said_before_the_search(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, blended = made
    words = ["blend", "--labels", str(folder / "train.csv"), "--members", str(folder / "oof")]
    words += ["--out", str(tmp_path / "late"), "--apply", str(tmp_path / "none"), "--submission"]
    assert main([*words, str(tmp_path / "s.csv")]) == 2
    assert "none: no such folder of prediction tables" in capsys.readouterr().err
    assert not (tmp_path / "late").exists()
    with pytest.raises(ConfigError, match="submissions are written as CSV"):
        apply_blend(blended.model, folder / "oof", tmp_path / "s.parquet")
    with pytest.raises(TableError, match="no such folder"):
        apply_blend(blended.model, tmp_path / "none", tmp_path / "s.csv")
