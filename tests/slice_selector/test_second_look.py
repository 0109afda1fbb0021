"""The second look: crops around marks, a point found more exactly, and weights that are saved and checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lsdc.cohort.cropping import Cutter
from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, Family, View
from lsdc.runtime import ArtifactError
from lsdc.runtime.recipe import Recipe
from lsdc.slice_selector import fitting
from lsdc.slice_selector.augment import vary
from lsdc.slice_selector.closeups import CLOSEUP_PX, Closeups
from lsdc.slice_selector.second_look import SecondLook
from lsdc.slice_selector.selector import SliceSelector
from lsdc.slice_selector.training_example import SelectorExample
from lsdc.testing.damage import relist


def test_closeups_are_of_every_marked_foramen(examples: list[SelectorExample]) -> None:
    foramina = [k for k, target in enumerate(TARGETS) if target.condition.family is Family.FORAMINAL]
    for example in examples:
        assert example.closeup_marked.sum() == (example.annotated[foramina] >= 0).sum()
        assert len(example.closeup) > example.closeup_marked.sum()  # the neighbors are there too
        middle = example.closeup[:, CLOSEUP_PX // 2 - 8 : CLOSEUP_PX // 2 + 8]
        assert (middle > 0).mean() > 0.9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_variation_moves_points_with_the_image(seed: int, mirror: bool) -> None:
    columns, rows = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="xy")
    blob = 255 * torch.exp(-((columns - 50) ** 2 + (rows - 44) ** 2) / 18)
    points = torch.tensor([[[50.0, 44.0], [50.0, 44.0]]] * 2)
    changed, moved = vary(
        blob.to(torch.uint8).repeat(2, 1, 1), points, torch.Generator().manual_seed(seed),
        size=64, zoom=64 / 96, shift=0.2, mirror=mirror,
    )  # fmt: skip
    assert changed.shape == (2, 64, 64)
    for image, found in zip(changed, moved):
        smooth = torch.nn.functional.avg_pool2d(image[None, None], 5, 1, 2)[0, 0]
        row, column = divmod(int(smooth.argmax()), 64)
        assert float((found[0] - torch.tensor([column, row])).norm()) < 4


@pytest.fixture(scope="module")
def dots() -> SecondLook:
    """A second look that learned to find bright dots, on slices that have one."""
    rng = np.random.default_rng(0)
    images = rng.normal(90, 8, (256, CLOSEUP_PX, CLOSEUP_PX))
    marked = np.arange(256) % 2 == 0
    middle = slice(CLOSEUP_PX // 2 - 4, CLOSEUP_PX // 2 + 4)
    images[marked, middle, middle] = 230
    closeups = Closeups(images.clip(0, 255).astype(np.uint8), marked)
    second_look = SecondLook()
    start = SliceSelector.bundled().localizers["sagittal"].network
    history = second_look.fit(closeups, Recipe(5, 3e-3), start=start, batch=32, judge=closeups)
    assert history.best >= 0
    return second_look


def test_a_dot_is_found_from_beside_it_and_missed_where_there_is_none(dots: SecondLook) -> None:
    images = [np.random.default_rng(k).normal(90, 8, (200, 200)).clip(0, 255) for k in range(2)]
    images[0][100:108, 80:88] = 230
    study = Study.from_images(
        [image.astype(np.uint8) for image in images], View.SAGITTAL_T1, spacing=(1.0, 1.0), slice_distance=4.0
    )
    cutter = Cutter(study.series[0], View.SAGITTAL_T1)
    glance = dots.glance(cutter, [0], np.array([[90.0, 98.0]]))
    look = dots.look(cutter, [0], glance.points)
    assert look.points.shape == (1, 2) and 0 < look.mass[0] <= 1
    assert np.hypot(*(look.points[0] - [83.5, 103.5])) < 3
    shown, absent = dots.glance(cutter, [0, 1], np.array([[83.5, 103.5]] * 2)).marked
    assert shown > absent


def test_a_look_is_the_mean_of_glances_from_five_places(dots: SecondLook, studies: dict[str, Study]) -> None:
    """It cuts one larger crop for all of them."""
    series = next(iter(studies.values())).of_view(View.SAGITTAL_T1)[0]
    cutter = Cutter(series, View.SAGITTAL_T1)
    slices, points = [3, 4], np.array([[150.0, 160.3], [171.7, 200.0]])
    glances = []
    for across, down in ((0, 0), (5, 0), (-5, 0), (0, 5), (0, -5)):
        shifted = [
            cutter.unplace(k, (x, y), (31.5 + across, 31.5 + down), 64.0, 64)
            for k, (x, y) in zip(slices, points.tolist())
        ]
        glances.append(dots.glance(cutter, slices, np.array(shifted)).points)
    np.testing.assert_allclose(dots.look(cutter, slices, points).points, np.mean(glances, axis=0), atol=0.05)


def test_a_selector_keeps_its_second_look(
    dots: SecondLook, studies: dict[str, Study], tmp_path: Path
) -> None:
    bundled = SliceSelector.bundled()
    selector = SliceSelector(bundled.rankings, bundled.localizers, dots)
    selector.save(tmp_path / "with")
    again = SliceSelector.load(tmp_path / "with")
    study = next(iter(studies.values()))
    for one, two in zip(selector.locate(study), again.locate(study)):
        assert one.slice == two.slice
        np.testing.assert_allclose(one.point, two.point, atol=0.2)
        assert 0 <= two.confidence <= 1
    bundled.save(tmp_path / "without")
    assert SliceSelector.load(tmp_path / "without").second_look is None
    (tmp_path / "with" / "second_look.safetensors").write_bytes(b"no")
    relist(tmp_path / "with")
    with pytest.raises(ArtifactError, match="not weights of the second look"):
        SliceSelector.load(tmp_path / "with")


def test_t2_that_stands_in_for_t1_gets_no_second_look(dots: SecondLook, studies: dict[str, Study]) -> None:
    bundled = SliceSelector.bundled()
    whole = next(iter(studies.values()))
    study = Study(whole.study_id, tuple(item for item in whole.series if item.view is not View.SAGITTAL_T1))
    looking = SliceSelector(bundled.rankings, bundled.localizers, dots)
    for one, two in zip(bundled.locate(study), looking.locate(study)):
        assert one.slice == two.slice and one.confidence == two.confidence
        np.testing.assert_array_equal(one.patient, two.patient)


def test_an_old_second_look_does_not_outlive_its_selector(dots: SecondLook, tmp_path: Path) -> None:
    bundled = SliceSelector.bundled()
    SliceSelector(bundled.rankings, bundled.localizers, dots).save(tmp_path)
    bundled.save(tmp_path)
    assert SliceSelector.load(tmp_path).second_look is None


def test_selectors_of_all_folds_look_twice_or_none_does(
    examples: list[SelectorExample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[bool | None] = []
    monkeypatch.setattr(fitting, "_fit_one", lambda *_, config, **__: wanted.append(config.second_look))
    monkeypatch.setattr(fitting, "for_each", lambda work, todo, *_: [work(key) for key in todo])
    closeups = [len(example.closeup) for example in examples]
    # Enough for the selector of all studies, too few for those that leave a fold out.
    monkeypatch.setattr(fitting, "_LEAST_CLOSEUPS", sum(closeups) * 0.89)
    folds = {example.study_id: k % 3 for k, example in enumerate(examples)}
    fitting.cross_fit_selector(examples, folds, fitting.SelectorConfig(), tmp_path, 1)
    assert wanted == [False] * 4
