"""The search of a model, read from its journal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest

from lsdc.ensemble.tuning.mix_problem import OPTUNA_STUDY
from lsdc.ensemble.tuning.progress import finished_losses
from lsdc.ensemble.tuning.storage import JOURNAL, open_storage
from lsdc.report.model_page.tuning_history import TuningHistory, tuning_section


def test_the_tuning_is_read_from_a_copy_of_its_journal(tmp_path: Path) -> None:
    assert TuningHistory.read(tmp_path) is None
    study = optuna.create_study(storage=open_storage(tmp_path / JOURNAL), study_name=OPTUNA_STUDY)
    assert TuningHistory.read(tmp_path) is None  # nothing is finished
    sampler = optuna.samplers.RandomSampler(seed=0)
    study.sampler = sampler
    study.optimize(
        lambda trial: trial.suggest_float("steep", 0, 1) + 0 * trial.suggest_float("flat", 0, 1), 30
    )
    before = (tmp_path / JOURNAL).read_bytes()
    history = TuningHistory.read(tmp_path)
    assert history is not None and history.values.tolist() == [trial.value for trial in study.trials]
    assert list(history.importances) == ["steep", "flat"] and history.seconds > 0
    assert sum(history.importances.values()) == pytest.approx(1)
    assert (tmp_path / JOURNAL).read_bytes() == before


def test_trials_that_were_given_up_count(tmp_path: Path) -> None:
    study = optuna.create_study(study_name=OPTUNA_STUDY, storage=open_storage(tmp_path / JOURNAL))

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("x", 0, 1)
        trial.report(value, 0)
        if trial.number % 3 == 2:
            raise optuna.TrialPruned
        return value

    study.optimize(objective, 30)
    history = TuningHistory.read(tmp_path)
    assert history is not None and np.isinf(history.values).tolist() == [k % 3 == 2 for k in range(30)]
    assert finished_losses(tmp_path / JOURNAL, OPTUNA_STUDY) == history.values.tolist()
    section = tuning_section(history, 30)
    assert section.lead.startswith("Trials: 30, 10 given up early, in ")
    assert f"reached {study.best_value:.4f} at trial {study.best_trial.number + 1}." in section.lead
