"""The parts of the simulation, each by what it must obey."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lsdc.cohort.geometry import SlicePlane
from lsdc.cohort.phantom.acquire import build_scene, signals, slice_signal
from lsdc.cohort.phantom.anatomy import build_anatomy
from lsdc.cohort.phantom.calibrate import correlations
from lsdc.cohort.phantom.disease import Disease, draw_disease, draw_severity
from lsdc.cohort.phantom.measure import cuts, grade_probabilities, measure, perturb, read_grades
from lsdc.cohort.phantom.patient import draw_patient
from lsdc.cohort.phantom.protocol import LEFT_FIRST, Contrast, draw_protocol
from lsdc.cohort.phantom.spine import draw_spine
from lsdc.cohort.phantom.tissues import Tissue, relaxation, spin_echo
from lsdc.cohort.vocabulary import View

STATISTICS = Path(__file__).parents[3] / "shared" / "facts" / "real-cohort-statistics.json"


def uniform_disease(severity: float) -> Disease:
    return draw_disease(np.random.default_rng(0), np.full((5, 5), severity), age=50)


@pytest.fixture(scope="module")
def patient():
    return draw_patient(np.random.default_rng(4))


@given(st.floats(-40, 40), st.floats(-30, 25), st.floats(-90, 90), st.integers(0, 10**6))
def test_spine_coordinates_there_and_back(u, v, s, seed):
    spine = draw_spine(np.random.default_rng(seed), np.zeros(11), np.zeros(11), 1.0)
    x, y, z = spine.to_patient(np.array(u), np.array(v), np.array(s))
    back_v, back_s = spine.from_sagittal(np.array([y]), np.array([z]))
    assert_allclose([back_v[0], back_s[0]], [v, s], atol=0.3)
    assert_allclose(x - spine.sideways(back_s)[0], u, atol=0.3)


def test_a_slip_moves_the_upper_vertebra_forward():
    slip = np.zeros(11)
    slip[6] = 6.0
    spine = draw_spine(np.random.default_rng(0), np.zeros(11), slip, 1.0)
    above, below = spine.slipped(spine.centre[6]), spine.slipped(spine.centre[7])
    assert above == pytest.approx(-6, abs=0.1)
    assert below == pytest.approx(0, abs=0.1)


def test_t1_and_t2_weighting_order_the_tissues_as_on_real_pictures():
    table = relaxation(np.ones(8), 0.0, 0.0)
    t1, t2 = spin_echo(table, 550, 10), spin_echo(table, 3800, 100)
    assert t1[Tissue.FAT] > t1[Tissue.MARROW] > t1[Tissue.NUCLEUS] > t1[Tissue.CSF] > t1[Tissue.CORTEX]
    assert t2[Tissue.CSF] > t2[Tissue.FAT] > t2[Tissue.MUSCLE] > t2[Tissue.LIGAMENT] > t2[Tissue.CORTEX]
    stir = spin_echo(table, 3800, 60, ti=155)
    assert stir[Tissue.FAT] < 0.25 * stir[Tissue.CSF]


def test_worse_disease_leaves_less_of_every_space():
    spine = draw_spine(np.random.default_rng(1), np.zeros(11), np.zeros(11), 1.0)
    measured = [
        measure(build_anatomy(spine, uniform_disease(severity), np.random.default_rng(2)), spine)
        for severity in (-4.0, 0.0, 3.0)
    ]
    assert (measured[0] > measured[1]).all()
    assert (measured[1] > measured[2]).all()


def test_a_mirrored_disease_mirrors_the_measures():
    rng = np.random.default_rng(3)
    spine = draw_spine(rng, np.zeros(11), np.zeros(11), 1.0)
    straight = type(spine)(**{**vars(spine), "scoliosis": np.array([0.0, 300.0, 0.0])})
    disease = draw_disease(rng, draw_severity(rng, 1)[0], 60)
    other = type(disease)(**{
        **vars(disease),
        "recess": disease.recess[::-1],
        "foramen": disease.foramen[::-1],
        "anterior": disease.anterior[[0, 2, 1, 4, 3]],
    })  # fmt: skip
    one = measure(build_anatomy(straight, disease, np.random.default_rng(0)), straight)
    two = measure(build_anatomy(straight, other, np.random.default_rng(0)), straight)
    assert_allclose(one[1:], two[[2, 1, 4, 3]], rtol=0.12, atol=0.4)


def test_a_slice_shows_the_tissue_at_its_place(patient):
    scene = build_scene(patient, np.random.default_rng(0))
    signal = signals(scene, Contrast(3800.0, 100.0, None, 1.5, 16))
    csf = patient.spine.to_patient(np.array(0.0), np.array(7.0), patient.spine.centre[5])
    plane = SlicePlane(tuple(csf - [0, 10, -10]), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 1.0))
    picture = slice_signal(signal, plane, (21, 21), thickness=1.0)
    expected = spin_echo(patient.tissues, 3800.0, 100.0)[Tissue.CSF]
    assert picture[8:13, 9:12].mean() == pytest.approx(expected, rel=0.15)


def test_slice_counts_and_orders_follow_the_real_ones():
    spine = draw_spine(np.random.default_rng(1), np.zeros(11), np.zeros(11), 1.0)
    plans = [plan for seed in range(300) for plan in draw_protocol(np.random.default_rng(seed), spine)[1]]
    t1 = [plan for plan in plans if plan.view is View.SAGITTAL_T1]
    assert np.median([len(plan.planes) for plan in t1]) == pytest.approx(17, abs=1)
    left_first = np.mean([plan.planes[0].origin[0] > plan.planes[-1].origin[0] for plan in t1])
    assert left_first == pytest.approx(LEFT_FIRST, abs=0.08)
    square = np.mean([plan.shape[0] == plan.shape[1] for plan in t1])
    assert 1 - square == pytest.approx(0.136, abs=0.06)


def test_the_oracles_probabilities_are_those_of_the_reader():
    measures = cuts().mean(axis=-1)
    rng = np.random.default_rng(0)
    drawn = np.stack([read_grades(measures, rng)[0] for _ in range(3000)])
    seen = np.stack([(drawn == k).mean(axis=0) for k in range(3)], axis=-1)
    assert_allclose(grade_probabilities(measures), seen, atol=0.03)


@pytest.mark.slow
def test_grades_have_the_real_shares_and_correlations():
    if not STATISTICS.exists():
        pytest.skip("the statistics of the real cohort are not beside the repository")
    real = json.loads(STATISTICS.read_text())
    rngs = [np.random.default_rng([77, k]) for k in range(250)]
    seen = np.stack([perturb(draw_patient(rng).measures, rng)[1] for rng in rngs])
    grades = (seen[..., None] <= cuts()).sum(axis=-1)
    shares = np.stack([(grades == k).mean(axis=0) for k in range(3)], axis=-1)
    wanted = np.array([list(levels.values()) for levels in real["grade_share_by_condition_level"].values()])
    assert np.abs(shares - wanted).max() < 0.09
    assert np.abs(shares - wanted).mean() < 0.02
    for name, value in correlations(grades).items():
        # Moderate grades are rare at the upper levels: 250 patients leave a standard error of about 0.06.
        assert value == pytest.approx(real["grade_spearman"][name], abs=0.15), name
