"""Evaluation: measures agree with scikit-learn's, intervals hold them, and the command writes what it shows."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics
from support.scoring import write_labels

from lsdc.cohort.vocabulary import TARGETS
from lsdc.commands.ensemble import main
from lsdc.ensemble.evaluation import evaluate
from lsdc.ensemble.evaluation_tables import show_evaluation
from lsdc.metrics.evaluation import Evaluation, evaluate_predictions
from lsdc.metrics.graded import GradedPredictions
from lsdc.metrics.group_rows import MEASURES
from lsdc.metrics.measures import agreement, auc, kappa
from lsdc.metrics.official import official_score
from lsdc.metrics.target_groups import target_groups
from lsdc.runtime import ConfigError
from lsdc.testing.planted_predictions import make_grades, make_probabilities


def write(folder: Path, skills: Mapping[str, float], n: int = 30, first: int = 0, prefix: str = "") -> None:
    """Write train.csv, and a table of each name and skill."""
    rng = np.random.default_rng(5)
    grades, studies = make_grades(rng, n, 0.1), [f"{prefix}{first + k}" for k in range(n)]
    write_labels(folder / f"train{first or ''}.csv", grades, studies)
    for name, skill in skills.items():
        values = make_probabilities(rng, n, grades, skill).reshape(-1, 3)
        table = pd.DataFrame(values, columns=["normal_mild", "moderate", "severe"])
        table.insert(0, "row_id", [target.row_id(study) for study in studies for target in TARGETS])
        table.to_csv(folder / f"{name}.csv", index=False)


def drawn(seed: int, n: int) -> tuple[NDArray[np.int_], NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 3, n),
        rng.dirichlet([1, 1, 1], n).round(2) + 1e-3,
        rng.integers(0, 3, n).astype(float),
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(30, 90))
def test_measures_are_those_of_scikit_learn(seed: int, n: int) -> None:
    truth, probability, weight = drawn(seed, n)
    probability /= probability.sum(axis=1, keepdims=True)
    found, called = agreement(truth, probability, weight), probability.argmax(axis=1)
    kept = weight > 0
    args = {"sample_weight": weight[kept]}
    truth, probability, called = truth[kept], probability[kept], called[kept]
    areas = [metrics.roc_auc_score(truth == k, probability[:, k], **args) for k in range(3)]
    assert found["auc"] == pytest.approx(np.mean(areas))
    assert found["auc_severe"] == pytest.approx(areas[2])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, called, **args))
    assert found["kappa"] == pytest.approx(
        metrics.cohen_kappa_score(truth, called, weights="quadratic", **args)
    )
    for name in ("precision", "recall", "f1"):
        wanted = getattr(metrics, f"{name}_score")(truth, called, average="macro", zero_division=0, **args)
        assert found[name] == pytest.approx(wanted)
    severe = metrics.recall_score(truth == 2, probability[:, 2] >= 0.5, zero_division=0, **args)
    assert found["sensitivity_severe"] == pytest.approx(severe)
    sound = metrics.recall_score(truth == 0, probability[:, 1:].sum(1) < 0.5, **args)
    assert found["specificity_moderate"] == pytest.approx(sound)


def test_weights_are_counts() -> None:
    truth, probability, weight = drawn(3, 60)
    rows = np.repeat(np.arange(60), weight.astype(int))
    assert agreement(truth, probability, weight) == pytest.approx(agreement(truth[rows], probability[rows]))


def test_what_does_not_exist_is_nan() -> None:
    found = agreement(np.zeros(5, int), np.tile([0.8, 0.1, 0.1], (5, 1)))
    assert np.isnan(found["auc_severe"])
    assert np.isnan(found["sensitivity_severe"])
    assert np.isnan(kappa(np.diag([5.0, 0, 0])))
    assert found["accuracy"] == 1
    assert auc(np.array([True, False]), np.array([0.5, 0.5]), np.ones(2)) == 0.5


def test_a_calibrated_forecast_has_no_calibration_error() -> None:
    probability = np.tile([0.5, 0.25, 0.25], (8, 1))
    truth = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    assert agreement(truth, probability)["calibration_error"] == pytest.approx(0)
    sure = np.tile([1.0, 0.0, 0.0], (8, 1))
    assert agreement(truth, sure)["calibration_error"] == pytest.approx(1 / 3)


def test_groups_and_intervals() -> None:
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 3, (40, 5, 5)).astype(np.int8)
    cube = rng.dirichlet([1, 1, 1], (40, 5, 5))
    found = evaluate_predictions([GradedPredictions("drawn", grades, cube)], resamples=100)
    assert len(target_groups()) == 1 + 5 + 5 + 25
    assert len(found.measures) == 36 * len(MEASURES) and len(found.confusion) == 36
    pooled = found.measures.iloc[: len(MEASURES)]
    assert pooled["measure"].tolist() == list(MEASURES)
    some = pooled[pooled["measure"] != "rows"]
    assert ((some["low"] <= some["value"]) & (some["value"] <= some["high"])).all()
    assert found.confusion.iloc[0].filter(like="_called_").sum() == 1000
    single = found.measures.iloc[-len(MEASURES) :].set_index("measure")
    proportions = {name for name in MEASURES if name.startswith(("accuracy", "sensitivity", "specificity"))}
    assert set(single.index[single["low"].notna()]) == proportions
    official = found.measures["value"].iloc[0]
    assert repr(found) == f"Evaluation(drawn: {official:.4f})"
    assert "<table" in found._repr_html_()


def test_the_command_writes_what_it_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"good": 0.7, "poor": 0.4})
    files = [str(tmp_path / name) for name in ("train.csv", "good.csv", "poor.csv")]
    assert (
        main(["evaluate", *files, "--out", str(tmp_path / "measures.csv"), "--resamples", "50", "--json"])
        == 0
    )
    shown = json.loads(capsys.readouterr().out)
    table = pd.read_csv(tmp_path / "measures.csv")
    assert len(shown["measures"]) == len(table) == 2 * 36 * len(MEASURES)
    pooled = table.query("condition == 'all' and level == 'all'")
    good, poor = (
        pooled[pooled["predictions"] == name].set_index("measure")["value"] for name in ("good", "poor")
    )
    assert all(good[name] > poor[name] for name in ("auc", "kappa", "f1"))
    assert good["official"] < poor["official"]
    counts = pd.read_csv(tmp_path / "measures_confusion.csv")
    assert len(counts) == len(shown["confusion"]) == 2 * 36


def test_comparisons_of_an_earlier_run_do_not_stay(tmp_path: Path) -> None:
    write(tmp_path, {"one": 0.7, "two": 0.5})
    labels, out = tmp_path / "train.csv", tmp_path / "measures.csv"
    evaluate(labels, [tmp_path / "one.csv", tmp_path / "two.csv"], out=out, resamples=5)
    assert (tmp_path / "measures_comparisons.csv").is_file()
    evaluate(labels, tmp_path / "two.csv", out=out, resamples=5)
    assert not (tmp_path / "measures_comparisons.csv").exists()


def test_the_function_takes_text_and_writes_nothing_unasked(tmp_path: Path) -> None:
    write(tmp_path, {"good": 0.7})
    found = evaluate(str(tmp_path / "train.csv"), str(tmp_path / "good.csv"), resamples=0)
    assert found.pooled().index.tolist() == ["good"] and found.comparisons.empty
    assert found.measures.query("condition == 'all' or level == 'all'")["low"].isna().all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.csv", "train.csv"]
    with pytest.raises(ConfigError, match="resamples must not be negative, as -1 is"):
        evaluate(tmp_path / "train.csv", tmp_path / "good.csv", resamples=-1)
    with pytest.raises(ConfigError, match="seed must be at least 0, not -2"):
        evaluate(tmp_path / "train.csv", tmp_path / "good.csv", seed=-2)
    with pytest.raises(ConfigError, match="nothing to evaluate"):
        evaluate(tmp_path / "train.csv", [])


def test_study_ids_may_have_underscores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"good": 0.7}, prefix="hospital_a_")
    files = [str(tmp_path / name) for name in ("train.csv", "good.csv")]
    assert main(["evaluate", *files, "--resamples", "0", "--json"]) == 0
    measures = json.loads(capsys.readouterr().out)["measures"]
    rows = next(row for row in measures if row["measure"] == "rows")
    assert rows["value"] > 600


def test_what_cannot_be_evaluated_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"good": 0.7})
    write(tmp_path, {"other": 0.7}, first=500)
    (tmp_path / "folder").mkdir()
    again = [str(tmp_path / "other.csv")] * 2
    assert main(["evaluate", str(tmp_path / "train500.csv"), *again]) == 2
    assert "two of the predictions have this name" in capsys.readouterr().err
    for name, words in [
        ("other.csv", "holds none of the labeled studies"),
        ("folder", "neither a table nor a finished model"),
    ]:
        assert main(["evaluate", str(tmp_path / "train.csv"), str(tmp_path / name)]) == 2
        assert words in capsys.readouterr().err


def test_tables_fit_a_hundred_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long_name = "a_network_with_a_very_long_name_of_its_settings"
    write(tmp_path, {long_name: 0.7, "poor": 0.4})
    files = [str(tmp_path / name) for name in ("train.csv", f"{long_name}.csv", "poor.csv", "train.csv")]
    assert main(["evaluate", *files, "--resamples", "30"]) == 0
    printed = capsys.readouterr().err
    rows = [line for line in printed.splitlines() if line.startswith(("│", "┃", "┏"))]
    assert len(rows) > 30 and max(map(len, rows)) <= 100
    assert "moderate" in printed and "auc_seve" not in printed and "right subarticular" in printed
    assert "train: grades without probabilities, taken as a reader's" in printed
    said = " ".join(printed.split())
    for words in (
        "official score, log loss without any-severe (95 % interval); low is good",
        "severe against the rest at one half (95 % interval); high is good",
        "first minus second, by study (95 % interval; * without zero); below zero the first is better",
        "first minus second, by study (95 % interval; * without zero); above zero the first is better",
    ):
        assert words in said
    assert main(["evaluate", *files, "--resamples", "0"]) == 0
    assert "first minus second, by study; below zero" in " ".join(capsys.readouterr().err.split())


def graded(name: str, grades: NDArray[np.int8], cube: NDArray[np.float64]) -> GradedPredictions:
    return GradedPredictions(name, grades, cube, tuple(map(str, range(len(grades)))))


Numbers = dict[str, float]


def compared(table: pd.DataFrame) -> dict[tuple[str, str, str], Numbers]:
    """Take the comparisons over all targets, by the names of the two and the measure."""
    rows = table[table["condition"] == "all"].to_dict("records")
    return {
        (row["predictions"], row["other"], row["measure"]): {
            name: float(row[name]) for name in ("value", "low", "high", "studies", "rows")
        }
        for row in rows
    }


def pooled(found: Evaluation) -> dict[str, Numbers]:
    """Take the measures of all targets by the names of the predictions."""
    return {
        str(name): {str(k): float(v) for k, v in row.items()}
        for name, row in found.pooled().T.to_dict().items()
    }


def test_differences_are_those_of_the_scores_and_paired_by_study() -> None:
    rng = np.random.default_rng(2)
    grades = make_grades(rng, 60, 0.1)
    better, worse = (make_probabilities(rng, 60, grades, skill) for skill in (0.5, 0.4))
    both = [graded("better", grades, better), graded("worse", grades, worse), graded("again", grades, better)]
    found = evaluate_predictions(both, resamples=100)
    table = compared(found.comparisons)
    first, second = (official_score(grades, cube) for cube in (better, worse))
    row = table["better", "worse", "official"]
    assert row["value"] == pytest.approx(first.total - second.total)
    assert row["low"] < row["value"] < row["high"] < 0 and row["studies"] == 60
    for part in ("spinal", "any_severe"):
        gap = getattr(first, part) - getattr(second, part)
        assert table["better", "worse", f"loss_{part}"]["value"] == pytest.approx(gap)
    same = table["better", "again", "official"]
    assert same["low"] == same["value"] == same["high"] == 0
    labeled = grades >= 0
    calls = [cube[labeled].argmax(axis=1) for cube in (better, worse)]
    wanted = metrics.cohen_kappa_score(*calls, weights="quadratic")
    between = table["better", "worse", "kappa_between"]
    assert between["value"] == pytest.approx(wanted) and between["low"] < wanted < between["high"]


def test_only_rows_of_both_are_compared() -> None:
    rng = np.random.default_rng(3)
    grades = make_grades(rng, 40, 0.0)
    cubes = [make_probabilities(rng, 40, grades, skill) for skill in (0.5, 0.4)]
    canal = np.where(np.arange(5)[:, None] == 0, grades, np.int8(-1)).astype(np.int8)
    half = graded("half", grades, cubes[1])
    half = half.among(half.studies[20:], canal[20:])
    found = evaluate_predictions([graded("whole", grades, cubes[0]), half], resamples=20).comparisons
    assert set(found["rows"]) == {100} and set(found["studies"]) == {20}
    alone = evaluate_predictions(
        [graded("whole", canal[20:], cubes[0][20:]), graded("half", canal[20:], cubes[1][20:])], resamples=20
    ).comparisons
    pd.testing.assert_frame_equal(found, alone)


def test_single_targets_have_intervals_of_wilson() -> None:
    rng = np.random.default_rng(4)
    grades = make_grades(rng, 50, 0.0)
    cube = make_probabilities(rng, 50, grades, 0.3)
    found = evaluate_predictions([graded("one", grades, cube)], resamples=10).measures
    rows = found.query("condition == 'spinal_canal_stenosis' and level == 'l4_l5'").set_index("measure")
    limits = rows[["value", "low", "high"]].astype(float)
    right = int((cube[:, 0, 3].argmax(axis=1) == grades[:, 0, 3]).sum())
    p, z, n = right / 50, 1.959964, 50
    center, half = (p + z**2 / 2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
    wanted = [p, (center - half) / (1 + z**2 / n), (center + half) / (1 + z**2 / n)]
    assert limits.loc[["accuracy"]].to_numpy()[0].tolist() == pytest.approx(wanted)
    assert np.isnan(limits.loc[["auc_severe"]].to_numpy()[0, 1])


def test_a_reader_has_agreement_and_no_probabilities(tmp_path: Path) -> None:
    write(tmp_path, {"good": 0.7})
    reader = pd.read_csv(tmp_path / "train.csv", dtype=str)
    reader.iloc[::2, 1:] = "Severe"
    reader.to_csv(tmp_path / "reader.csv", index=False)
    found = evaluate(tmp_path / "train.csv", [tmp_path / "reader.csv", tmp_path / "good.csv"], resamples=20)
    mine = pooled(found)["reader"]
    assert found.readers == ("reader",)
    assert all(
        np.isnan(mine[name]) for name in ("official", "log_loss", "auc", "auc_severe", "calibration_error")
    )
    assert 0 < mine["kappa"] < 1 and mine["sensitivity_severe"] == 1 and mine["specificity_severe"] < 0.6
    measures = set(found.comparisons["measure"])
    assert {"kappa", "accuracy", "kappa_between"} <= measures and not {"official", "auc"} & measures


def test_partial_tables_are_measured_on_their_rows_and_marked(tmp_path: Path) -> None:
    write(tmp_path, {"good": 0.7, "canal": 0.7})
    table = pd.read_csv(tmp_path / "canal.csv")
    table[table["row_id"].str.contains("canal")].to_csv(tmp_path / "canal.csv", index=False)
    found = evaluate(tmp_path / "train.csv", [tmp_path / "good.csv", tmp_path / "canal.csv"], resamples=0)
    canal, good = (pooled(found)[name] for name in ("canal", "good"))
    assert canal["rows"] + found.lacking["canal"] == good["rows"]
    assert np.isnan(canal["official"]) and canal["log_loss"] > 0
    assert set(found.lacking) == {"canal"}


def test_studies_that_a_table_lacks_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A table with most ids misspelled must not look better than a whole one without a word."""
    write(tmp_path, {"good": 0.7, "few": 0.7})
    table = pd.read_csv(tmp_path / "few.csv", dtype={"row_id": str})
    studies = table["row_id"].str.partition("_")[0]
    misspelled = studies.isin(studies.unique()[3:])
    table.loc[misspelled, "row_id"] = "00" + table["row_id"]
    table.to_csv(tmp_path / "few.csv", index=False)
    caplog.set_level("INFO", "lsdc")
    found = evaluate(tmp_path / "train.csv", [tmp_path / "good.csv", tmp_path / "few.csv"], resamples=0)
    n = studies.nunique() - 3
    assert found.coverage == {"few": (n, n)} and not found.lacking
    show_evaluation(found)
    assert f"few: lacks {n} labeled studies, and holds {n} studies without a label; it is" in caplog.text


def test_plots_that_cannot_be_a_folder_are_refused_before_all_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plots").write_text("a file", encoding="utf-8")
    assert main(["evaluate", "absent.csv", "absent.csv", "--plots", str(tmp_path / "plots")]) == 2
    assert "plots: is a file; give the name of a folder" in capsys.readouterr().err


def test_plots_go_where_they_are_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"good": 0.7})
    files = [str(tmp_path / name) for name in ("train.csv", "good.csv", "train.csv")]
    assert main(["evaluate", *files, "--resamples", "0", "--plots", str(tmp_path / "plots")]) == 0
    made = {path.suffix for path in (tmp_path / "plots").iterdir()}
    assert made == {".svg", ".png"} and "plots: " in capsys.readouterr().err
    assert not list((tmp_path / "plots").glob("train*"))
