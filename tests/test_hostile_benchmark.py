"""The benchmark of damaged files works: a few of them, and one single case."""

from __future__ import annotations

import random
from pathlib import Path

import hostile
from hostile_cases import CASES, sequence_as_modality
from hostile_files import damaged, simulated

from lsdc.cohort.discovery.studies import discover, read_study


def test_damaged_files_are_many_and_decided_by_the_seed(tmp_path: Path) -> None:
    originals = simulated(tmp_path)
    first, second = (list(damaged(originals, 60, random.Random(3))) for _ in range(2))
    assert first == second and len(set(first)) > 55
    assert sum(content in originals for content in first) < 5


def test_a_batch_escapes_nowhere_and_changes_no_neighbor(tmp_path: Path) -> None:
    outcome = hostile.Hostile(files=24, work=tmp_path, no_cases=True).run()
    assert (outcome.files, outcome.escaped, outcome.hung, outcome.changed_neighbors) == (24, 0, 0, 0)
    assert outcome.failed_studies == 0


def test_a_sequence_as_modality_ends_nothing(tmp_path: Path) -> None:
    sequence_as_modality(tmp_path)
    cohort = discover(tmp_path)
    sound = [read_study(source) for source in cohort.studies if source.study_id == "1.2.3"]
    assert [len(study.series) for study in sound] == [3] and not sound[0].problems
    assert len(CASES) > 15
