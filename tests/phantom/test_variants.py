"""What few patients have, and that the others do not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lsdc.phantom import finishing
from lsdc.phantom.anatomy import build_anatomy
from lsdc.phantom.brush import Anatomy, blank
from lsdc.phantom.measure import measure
from lsdc.phantom.patient import Patient, draw_patient
from lsdc.phantom.tissues import Tissue
from lsdc.phantom.variants import USUAL, Variants, draw_variants
from lsdc.pretraining.encoder.label_patches import make_label_patches
from lsdc.pretraining.localizer.label_maps import make_label_maps


@pytest.fixture(scope="module")
def patient() -> Patient:
    return draw_patient(np.random.default_rng(4))


def rebuilt(patient: Patient, variants: Variants = USUAL, **changes: Any) -> Anatomy:
    """The same patient with other variants and changes of the spine."""
    spine = replace(patient.spine, **changes)
    return build_anatomy(blank(spine), spine, patient.disease, patient.aging, patient.seed, variants)


def test_usual_patients_have_none(patient: Patient) -> None:
    assert patient.variants == USUAL and patient.spine.canal == 1
    drawn = [draw_variants(np.random.default_rng(seed)) for seed in range(300)]
    assert 10 < sum(bool(variants.screwed) for variants, _ in drawn) < 45
    assert 15 < sum(variants.lipomatosis > 0 for variants, _ in drawn) < 55
    assert 20 < sum(canal < 1 for _, canal in drawn) < 70


def test_metal_is_where_the_screws_and_cages_are(patient: Patient) -> None:
    metal = rebuilt(patient, Variants(screwed=(6, 7), cages=(6,), bloom=2.0)).labels == Tissue.AIR
    assert not (rebuilt(patient).labels == Tissue.AIR).any()
    anatomy = blank(patient.spine)
    spine = patient.spine
    places = np.broadcast_to(anatomy.s, metal.shape)[metal]
    assert spine.center[7] - 15 < places.min() and places.max() < spine.center[6] + 15
    assert (anatomy.u[metal] > 8).any() and (anatomy.u[metal] < -8).any()
    disc = metal & (np.abs(anatomy.u) < 2)
    within = np.abs(np.broadcast_to(anatomy.s, metal.shape)[disc] - spine.disc_center[6])
    assert disc.any() and within.max() < spine.disc_height[6] / 2 + 2, (
        "in the midline there is the cage alone"
    )


def test_fat_and_a_canal_narrow_from_birth_leave_less_of_the_sac(patient: Patient) -> None:
    anatomies = (
        rebuilt(patient),
        rebuilt(patient, Variants(lipomatosis=0.5)),
        rebuilt(patient, canal=0.7),
    )
    areas = [measure(anatomy, patient.spine)[0] for anatomy in anatomies]
    assert (areas[1][3:] < 0.75 * areas[0][3:]).all()
    assert (areas[2] < areas[0]).all()


def test_some_images_were_jpeg_files(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = torch.rand((200, 1, 32, 32), generator=torch.Generator().manual_seed(0))
    shown = finishing.finished(signal, torch.Generator().manual_seed(1))
    assert shown.min() >= 0 and shown.max() <= 255 and torch.equal(shown, shown.round())
    assert torch.equal(shown, finishing.finished(signal, torch.Generator().manual_seed(1)))
    monkeypatch.setattr(finishing, "_JPEG", 0.0)
    plain = finishing.finished(signal, torch.Generator().manual_seed(1))
    assert 5 < (shown != plain).flatten(1).any(1).sum() < 40


def test_unusual_patients_are_painted_with_what_they_have() -> None:
    """Also when they are painted again, as for label maps and patches."""
    patients = (draw_patient(np.random.default_rng(seed), unusual=True) for seed in range(1, 100))
    screwed = next(patient for patient in patients if patient.variants.screwed)
    assert (screwed.anatomy.labels == Tissue.AIR).any()
    assert (screwed.paint(blank(screwed.spine)).labels == Tissue.AIR).any()
    drawn = [draw_patient(np.random.default_rng(seed), unusual=True).spine.canal for seed in (6, 7)]
    assert min(drawn) < 1 and max(drawn) == 1


@pytest.mark.parametrize("make", [make_label_maps, make_label_patches])
def test_pretraining_draws_unusual_patients(
    make: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def draw(*args: Any, **options: Any) -> Patient:
        asked.append(options)
        return draw_patient(*args, **options)

    monkeypatch.setattr(sys.modules[make.__module__], "draw_patient", draw)
    make(1, 0, tmp_path, workers=1)
    assert [options["unusual"] for options in asked] == [True]
