"""The parts of the simulation, each by what it must obey."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calibrate_phantom import correlations
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from lsdc.cohort.geometry import Array, SlicePlane
from lsdc.cohort.vocabulary import View
from lsdc.phantom.aging import draw_aging
from lsdc.phantom.anatomy import build_anatomy
from lsdc.phantom.bones import foramen_range
from lsdc.phantom.brush import OUTSIDE, Anatomy, blank
from lsdc.phantom.disease import Disease, draw_disease, draw_severity
from lsdc.phantom.facets import draw_facets
from lsdc.phantom.finishing import blurred
from lsdc.phantom.foramina import foramen_back
from lsdc.phantom.label_maps import axial_label_maps, sagittal_label_maps
from lsdc.phantom.measure import cuts, grade_probabilities, measure, perturb, read_grades
from lsdc.phantom.painter import Painter
from lsdc.phantom.patient import Patient, draw_patient, landmarks
from lsdc.phantom.protocol import LEFT_FIRST, draw_protocol
from lsdc.phantom.scene import build_scene
from lsdc.phantom.series_plan import Contrast
from lsdc.phantom.spine import Spine
from lsdc.phantom.spine_drawing import draw_spine
from lsdc.phantom.tissue_signal import signals, slice_signal
from lsdc.phantom.tissues import N_DISCS, Tissue, relaxation, spin_echo

L5 = 7
STATISTICS = Path(__file__).parents[3] / "shared" / "facts" / "real-cohort-statistics.json"


def uniform_disease(severity: float) -> Disease:
    return draw_disease(np.random.default_rng(0), np.full((5, 5), severity), age=50)


def painted(spine: Spine, disease: Disease, seed: int = 0, **changes: Array) -> Anatomy:
    """The anatomy of a spine without extrusions, unless `changes` to its aging say otherwise."""
    settings: dict[str, Any] = {"extrusion": np.zeros((5, 4))} | changes
    aging = replace(draw_aging(np.random.default_rng(seed), disease, 60), **settings)
    return build_anatomy(blank(spine), spine, disease, aging, seed)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return draw_patient(np.random.default_rng(4))


@given(st.floats(-40, 40), st.floats(-30, 25), st.floats(-90, 90), st.integers(0, 10**6), st.booleans())
def test_spine_coordinates_there_and_back(u: float, v: float, s: float, seed: int, wide: bool) -> None:
    spine = draw_spine(np.random.default_rng(seed), np.zeros(11), np.zeros(11), 1.0, wide)
    x, y, z = spine.to_patient(np.array(u), np.array(v), np.array(s))
    back_v, back_s = spine.from_sagittal(np.array([y]), np.array([z]))
    assert_allclose([back_v[0], back_s[0]], [v, s], atol=0.3)
    assert_allclose(x - spine.sideways(back_s)[0], u, atol=0.3)


def test_wide_ranges_are_wider() -> None:
    def draw(seed: int, wide: bool) -> Spine:
        return draw_spine(np.random.default_rng(seed), np.zeros(11), np.zeros(11), 1.0, wide)

    usual, wide = ([draw(seed, wide=wide) for seed in range(60)] for wide in (False, True))
    tilts = [np.rad2deg([spine.tilt(spine.center[L5]) for spine in spines]) for spines in (usual, wide)]
    assert np.std(tilts[1]) > 1.3 * np.std(tilts[0])
    assert not any(spine.rim.any() or spine.parted for spine in usual)
    assert np.std([spine.disc_height for spine in wide]) > np.std([spine.disc_height for spine in usual])
    tapers = [np.std([(spine.lower_depth / spine.depth)[L5 + 1] for spine in part]) for part in (usual, wide)]
    assert tapers[1] > 1.4 * tapers[0]
    assert any(spine.parted > 4 for spine in wide)
    rimmed = [spine for spine in wide if spine.rim.any()]
    assert 20 < len(rimmed) < 50
    disease = uniform_disease(0.2)
    cortex = [
        np.sum(painted(spine, disease).labels == Tissue.CORTEX)
        for spine in (rimmed[0], replace(rimmed[0], rim=np.zeros(11)))
    ]
    assert cortex[0] > cortex[1]


def test_a_slip_moves_the_upper_vertebra_forward() -> None:
    slip = np.zeros(11)
    slip[6] = 6.0
    spine = draw_spine(np.random.default_rng(0), np.zeros(11), slip, 1.0)
    above, below = spine.slipped(spine.center[6]), spine.slipped(spine.center[7])
    assert above == pytest.approx(-6, abs=0.1)
    assert below == pytest.approx(0, abs=0.1)


def test_t1_and_t2_weighting_order_the_tissues_as_on_real_images() -> None:
    table = relaxation(np.ones(N_DISCS), 0.0, 0.0)
    t1, t2 = spin_echo(table, 550, 10), spin_echo(table, 3800, 100)
    assert t1[Tissue.FAT] > t1[Tissue.MARROW] > t1[Tissue.NUCLEUS] > t1[Tissue.CSF] > t1[Tissue.CORTEX]
    assert t2[Tissue.CSF] > t2[Tissue.FAT] > t2[Tissue.MUSCLE] > t2[Tissue.LIGAMENT] > t2[Tissue.CORTEX]
    stir = spin_echo(table, 3800, 60, ti=155)
    assert stir[Tissue.FAT] < 0.25 * stir[Tissue.CSF]


def test_worse_disease_leaves_less_of_every_space() -> None:
    spine = draw_spine(np.random.default_rng(1), np.zeros(11), np.zeros(11), 1.0)
    measured = [measure(painted(spine, uniform_disease(severity)), spine) for severity in (-4.0, 0.0, 3.0)]
    assert (measured[0] > measured[1]).all()
    assert (measured[1] > measured[2]).all()


def test_a_mirrored_disease_mirrors_the_measures() -> None:
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
    one = measure(painted(straight, disease), straight)
    two = measure(painted(straight, other), straight)
    assert_allclose(one[1:], two[[2, 1, 4, 3]], rtol=0.12, atol=0.4)


def test_an_extrusion_narrows_the_canal_and_marrow_changes_do_not() -> None:
    spine = draw_spine(np.random.default_rng(1), np.zeros(11), np.zeros(11), 1.0)
    disease = uniform_disease(-1.0)
    extrusion, modic = np.zeros((5, 4)), np.zeros((N_DISCS, 2, 4))
    extrusion[3] = [7.0, 0.0, 6.0, 0.0]
    modic[6] = [2, 8.0, 0.0, 15.0]
    healthy = painted(spine, disease, modic=np.zeros_like(modic))
    narrow, changed = painted(spine, disease, extrusion=extrusion), painted(spine, disease, modic=modic)
    before, after = measure(healthy, spine), measure(narrow, spine)
    assert after[0, 3] < 0.9 * before[0, 3]
    assert_allclose(after[0, [0, 1, 4]], before[0, [0, 1, 4]])
    assert_allclose(measure(changed, spine), before)
    fatty = (changed.labels == Tissue.FATTY) & (healthy.labels != Tissue.FATTY)
    where = changed.s[fatty.any(axis=0)]
    assert len(where) and np.abs(where - spine.disc_center[6]).max() < 25


def test_a_foramen_is_a_keyhole_between_bones(patient: Patient) -> None:
    """Marks lie in soft tissue; going back, up and down from them, one meets bone."""
    volume, spine = patient.anatomy, patient.spine
    soft = [Tissue.EPIDURAL_FAT, Tissue.ROOT, Tissue.VESSEL, Tissue.DISC_MATERIAL]
    bone = [Tissue.MARROW, Tissue.CORTEX, Tissue.EDEMA, Tissue.FATTY, Tissue.SCLEROSIS]
    for level in range(5):
        low, high = foramen_range(spine, level)
        widths = [foramen_back(spine, level, np.array(s)) for s in (low + 1, high - 5)]
        assert widths[0] < widths[1] - 1, "a slit below, round above"
        for mark in landmarks(spine)[1:3, level]:
            i, k, j = (
                int(np.argmin(np.abs(grid - x)))
                for grid, x in zip((volume.x, volume.z, volume.y), mark[[0, 2, 1]])
            )
            assert np.isin(volume.labels[i, k - 1 : k + 2, j - 1 : j + 2], soft).mean() > 0.5
            along = volume.labels[i, k - 20 : k + 21, j]
            assert np.isin(along[:20], bone).any() and np.isin(along[21:], bone).any()
            assert np.isin(volume.labels[i, k - 12 : k + 1, j : j + 18], bone).any(axis=1).mean() > 0.6


def test_worn_joints_are_larger() -> None:
    calm, worn = (
        np.mean([draw_facets(np.random.default_rng(seed), np.full(5, worst)).size for seed in range(20)])
        for worst in (-3.0, 2.0)
    )
    assert worn > 1.15 * calm


def test_label_maps_show_what_the_volume_holds(patient: Patient) -> None:
    volume = patient.anatomy
    rows, columns = slice(60, 280), slice(40, 150)
    maps = sagittal_label_maps(patient, volume.x[[40, 51]], volume.z[rows], volume.y[columns])
    labels = volume.labels[[40, 51], rows, columns]
    inside = labels != OUTSIDE
    assert (maps == labels)[inside].mean() > 0.99
    disc = 6
    plane = np.arange(-30, 30.1, 1.0)
    axial = axial_label_maps(patient, disc, np.array([0.0]), plane, plane)[0]
    nucleus = np.argwhere(axial == Tissue.NUCLEUS + disc)
    assert len(nucleus) > 100 and plane[nucleus[:, 0]].max() < 0, (
        "the disc lies in front of the posterior wall"
    )
    assert (axial[:, ::-1] == Tissue.CSF).any()


def test_the_painter_orders_tissues_as_the_scanner_does(patient: Patient) -> None:
    tissues = np.array([Tissue.FAT, Tissue.CSF, Tissue.MUSCLE, Tissue.CORTEX], np.uint8)
    labels = np.broadcast_to(tissues[:, None, None, None], (4, 1, 24, 24))
    table = np.broadcast_to(patient.tissues.astype(np.float32), (4, *patient.tissues.shape))
    painter = Painter(vary=0.0, usual=True)
    for heavy in (True, False):
        image = painter(labels, table, np.full(4, heavy), np.random.default_rng(0)).mean(axis=(1, 2, 3))
        fat, csf, muscle, cortex = image
        assert muscle > cortex and (csf > muscle if heavy else fat > csf)
    again = [painter(labels, table, np.ones(4, bool), np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])


def test_blur_keeps_the_mean_and_widens_a_point() -> None:
    point = torch.zeros(2, 1, 31, 31)
    point[:, :, 15, 15] = 1.0
    sharp, wide = blurred(point, torch.tensor([[0.01, 0.01], [2.0, 1.0]]))[:, 0]
    assert sharp[15, 15] == pytest.approx(1.0)
    assert wide.sum() == pytest.approx(1.0, abs=1e-3)
    assert wide[13, 15] > wide[15, 13] > 0


def test_a_slice_shows_the_tissue_at_its_place(patient: Patient) -> None:
    scene = build_scene(patient, np.random.default_rng(0))
    signal = signals(scene, Contrast(3800.0, 100.0, None, 1.5, 16))
    csf = patient.spine.to_patient(np.array(0.0), np.array(7.0), patient.spine.center[5])
    plane = SlicePlane(tuple(csf - [0, 10, -10]), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 1.0))
    image = slice_signal(signal, plane, (21, 21), thickness=1.0)
    expected = spin_echo(patient.tissues, 3800.0, 100.0)[Tissue.CSF]
    assert image[8:13, 9:12].mean() == pytest.approx(expected, rel=0.15)


def test_slice_counts_and_orders_follow_the_real_ones() -> None:
    spine = draw_spine(np.random.default_rng(1), np.zeros(11), np.zeros(11), 1.0)
    plans = [plan for seed in range(300) for plan in draw_protocol(np.random.default_rng(seed), spine)[1]]
    t1 = [plan for plan in plans if plan.view is View.SAGITTAL_T1]
    assert np.median([len(plan.planes) for plan in t1]) == pytest.approx(17, abs=1)
    left_first = np.mean([plan.planes[0].origin[0] > plan.planes[-1].origin[0] for plan in t1])
    assert left_first == pytest.approx(LEFT_FIRST, abs=0.08)
    square = np.mean([plan.shape[0] == plan.shape[1] for plan in t1])
    assert 1 - square == pytest.approx(0.136, abs=0.06)


def test_the_oracles_probabilities_are_those_of_the_reader() -> None:
    measures = cuts().mean(axis=-1)
    rng = np.random.default_rng(0)
    drawn = np.stack([read_grades(measures, rng)[0] for _ in range(3000)])
    seen = np.stack([(drawn == k).mean(axis=0) for k in range(3)], axis=-1)
    assert_allclose(grade_probabilities(measures), seen, atol=0.03)


@pytest.mark.slow
def test_grades_have_the_real_fractions_and_correlations() -> None:
    if not STATISTICS.exists():
        pytest.skip("the statistics of the real cohort are not beside the repository")
    real = json.loads(STATISTICS.read_text())
    n = 100  # a second each; benchmarks/calibrate_phantom.py measures a thousand
    rngs = [np.random.default_rng([77, k]) for k in range(n)]
    seen = np.stack([perturb(draw_patient(rng).measures, rng)[1] for rng in rngs])
    grades = (seen[..., None] <= cuts()).sum(axis=-1)
    fractions = np.stack([(grades == k).mean(axis=0) for k in range(3)], axis=-1)
    wanted = np.array([list(levels.values()) for levels in real["grade_share_by_condition_level"].values()])
    # By family: the sides are alike.
    families = [[0], [1, 2], [3, 4]]
    found, true = (np.stack([part[rows].mean(axis=0) for rows in families]) for part in (fractions, wanted))
    assert (np.abs(found - true) < 3.5 * np.sqrt(true * (1 - true) / n)).all()
    assert np.abs(found - true).mean() < 0.025
    for name, value in correlations(grades).items():
        # Moderate grades are rare at the upper levels: 100 patients leave a standard error of about 0.08.
        assert value == pytest.approx(real["grade_spearman"][name], abs=0.2), name
