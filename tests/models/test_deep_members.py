"""Every deep member keeps the contract, whatever its options; and what is particular to each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.member_contract import DeepContract
from torch import Tensor

from lsdc.models.deep import embedding_ft
from lsdc.models.deep.box_network import BoxNetwork
from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.deep.cutting import SuperResolution, bicubic, cut, soft_argmax
from lsdc.models.deep.detectors import make_detector
from lsdc.models.deep.find_cut_grade import FindCutGrade
from lsdc.models.deep.fitting import make_recipe, split_studies
from lsdc.models.deep.multitask import _padded
from lsdc.models.deep.networks3d import Encoder3d
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.spacing import SpacedVolumeBatch, positions_mm
from lsdc.models.deep.volume import DEPTH, SLICE_MM, resample_slices
from lsdc.models.examples import Examples
from lsdc.models.heads.members import LightGBM, Mlp
from lsdc.models.options import Options, VolumeArch
from lsdc.models.registry import MEMBERS
from lsdc.runtime import ConfigError
from lsdc.testing.planted_examples import make_examples, mirrored_examples

SIZES = Sizes(px=32, batch=2, epochs=1, rate=1e-3, width=16)


class TestCropCnn(DeepContract):
    member = MEMBERS["crop_cnn"]
    sizes, lesson, best_fraction = Sizes(px=32, batch=2, epochs=3, rate=4e-3, width=32), (60, 8), 0.8


class TestMultiLabel(DeepContract):
    member = MEMBERS["multilabel"]
    sizes, lesson, best_fraction = Sizes(px=48, batch=2, epochs=3, rate=2e-3), (100, 30), 0.95
    least_difference = 0.0  # one slice says little of sides


class TestSequence(DeepContract):
    member = MEMBERS["sequence"]
    sizes, lesson, best_fraction = Sizes(px=32, batch=2, epochs=8, rate=2e-3, width=32), (100, 20), 0.95


class TestMultiTask(DeepContract):
    member = MEMBERS["multitask"]
    sizes, lesson, best_fraction = Sizes(px=48, batch=2, epochs=3, rate=3e-3, width=32), (60, 8), 0.6


class TestDetectClassify(DeepContract):
    member = MEMBERS["detect_classify"]
    sizes, lesson, best_fraction = Sizes(px=48, batch=2, epochs=3, rate=3e-3, width=32), (40, 8), 0.6


class TestVolume(DeepContract):
    member = MEMBERS["volume"]
    sizes, lesson, best_fraction = Sizes(px=32, batch=2, epochs=4, rate=3e-3, width=8), (100, 6), 0.95

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def with_monai(cls) -> None:
        pytest.importorskip("monai", reason="the extra lsdc-toolkit[volume] is not installed")


class TestEmbeddingFt(DeepContract):
    member = MEMBERS["embedding_ft"]
    sizes, lesson, best_fraction = Sizes(px=32, batch=2, epochs=3, rate=4e-3, width=32), (60, 8), 0.8
    studies = 25  # of which each of its networks has a part, and stops on a part of that
    damaged_manifests = ({"networks": None}, {"heads": ["other"]})

    @classmethod
    def network(cls) -> type[Any]:
        return MEMBERS["crop_cnn"]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def two_heads(cls) -> Iterator[None]:
        """XGBoost takes most of the time, and is tested by itself."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedding_ft, "EMBEDDING_HEADS", (LightGBM, Mlp))
            yield


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return make_examples(6, folder=tmp_path_factory.mktemp("studies") / "arrays")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("crop_cnn", {"per_condition": True, "loss": "official"}),
        ("crop_cnn", {"neighbors": "attention", "loss": "ordinal", "schedule": "plateau"}),
        ("multitask", {"super_resolution": "bicubic"}),
        ("multitask", {"super_resolution": "none", "precision": "bfloat16"}),
        ("detect_classify", {"detector": "retinanet"}),
        ("multilabel", {"loss": "cross_entropy", "schedule": "exponential"}),
    ],
)
def test_options_train_are_kept_and_mirror(
    name: str, options: dict[str, Any], studies: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MEMBERS[name], "sizes", {"tiny": SIZES})
    chosen = Options(preset="tiny", backbone="test_resnet", weights="random", device="cpu", **options)
    member = MEMBERS[name](0, chosen).fit(studies, studies.where(studies.grades < -1))
    member.save(tmp_path / "member")
    again = MEMBERS[name].load(tmp_path / "member")
    assert {key: getattr(again.options, key) for key in options} == options
    found = again.predict_proba(studies)
    assert_array_equal(found, member.predict_proba(studies))
    other, order = mirrored_examples(studies, tmp_path / "mirrored")
    assert_allclose(again.predict_proba(other), found[order], atol=2e-2 if "precision" in options else 1e-6)


def test_a_transformer_serves_as_backbone_but_not_of_a_detector(
    studies: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    vit = Options(preset="tiny", backbone="test_vit", weights="random", device="cpu")
    monkeypatch.setattr(MEMBERS["multitask"], "sizes", {"tiny": SIZES})
    member = MEMBERS["multitask"](0, vit).fit(studies, studies.where(studies.grades < -1))
    assert np.isfinite(member.predict_proba(studies)).all()
    with pytest.raises(ConfigError, match=r"test_vit takes images of 160 px alone.*a convolutional backbone"):
        MEMBERS["detect_classify"](0, vit).require()


def test_super_resolution_is_applied_and_can_be_switched_off() -> None:
    crops = torch.rand(2, 3, 8, 8)
    assert SuperResolution()(crops).shape == (2, 3, 16, 16)
    assert not torch.equal(SuperResolution()(crops), bicubic(crops))
    made = {}
    for name in ("learned", "bicubic", "none"):
        options = Options(backbone="test_resnet", weights="random", super_resolution=name)  # type: ignore[arg-type]
        made[name] = FindCutGrade(options, SIZES, 0)
    assert isinstance(made["learned"].enlarge, SuperResolution)
    assert made["bicubic"].enlarge is None
    assert made["none"].enlarge(crops) is crops


def test_crops_are_cut_where_they_should_and_differentiable() -> None:
    image = torch.arange(20.0).view(1, 1, 1, 20).expand(1, 1, 20, 20)
    point = torch.tensor([[10.0, 7.0]], requires_grad=True)
    crop = cut(image, point, torch.ones(1), 5)
    assert_allclose(crop[0, 0, 2].detach(), [8, 9, 10, 11, 12], atol=1e-4)
    crop.sum().backward()
    assert_allclose(point.grad, [[25.0, 0.0]], atol=1e-3)


def test_soft_argmax_is_the_center_of_mass_inside() -> None:
    heat = torch.full((1, 1, 8, 8), -20.0)
    heat[0, 0, 2, 5] = 20.0
    heat[0, 0, 7, 7] = 40.0
    inside = torch.ones(1, 8, 8, dtype=torch.bool)
    inside[:, 6:] = False
    assert_allclose(soft_argmax(heat, inside)[0, 0], [5, 2], atol=1e-3)


def test_images_of_different_shapes_are_batched_with_their_shapes() -> None:
    padded = _padded([torch.ones(3, 8, 5), torch.ones(3, 6, 6)], (8, 6), torch.device("cpu"), None)
    assert padded["images"].shape == (2, 3, 8, 6)
    assert padded["shape"].tolist() == [[8, 5], [6, 6]]
    assert padded["images"][0, :, :, 5].sum() == 0
    assert padded["images"][1, :, 6:].sum() == 0


def test_detectors_find_the_best_box_of_each_class() -> None:
    options = Options(backbone="test_resnet", weights="random", detector="fcos")
    detector = make_detector(options, 3, 48, 0)
    images = torch.rand(2, 1, 48, 48)
    boxes = [torch.tensor([[10.0, 10.0, 22.0, 22.0]]), torch.zeros(0, 4)]
    loss = detector.train().losses(images, boxes, [torch.tensor([1]), torch.zeros(0, dtype=torch.long)])
    assert loss > 0
    found, scores = detector.eval().best(images)
    assert found.shape == (2, 3, 4)
    assert scores.shape == (2, 3)


def shapes(n: int, rng: np.random.Generator, px: int = 64) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return images of a disk and a square in noise, and their boxes."""
    rows, columns = np.mgrid[:px, :px]
    images, boxes = rng.uniform(0, 0.2, (n, 1, px, px)), []
    for image in images[:, 0]:
        middles = rng.uniform(12, px - 12, (2, 2))
        down, across = (np.abs(axis - middles[:, k, None, None]) for k, axis in ((1, rows), (0, columns)))
        image[np.hypot(down[0], across[0]) < 8] += 0.7
        image[np.maximum(down[1], across[1]) < 5] += 0.7
        boxes.append(torch.from_numpy(np.hstack([middles - 8, middles + 8])).float())
    return torch.from_numpy(images).float(), boxes, [torch.arange(2)] * n


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcos", "retinanet", "yolo"])
def test_detectors_learn_to_find(name: Any) -> None:
    if name == "yolo" and find_spec("ultralytics") is None:
        pytest.skip("the extra lsdc-toolkit[yolo] (AGPL) is not installed")
    printing = np.get_printoptions()
    torch.manual_seed(0)
    rng, options = np.random.default_rng(0), Options(backbone="test_resnet", weights="random", detector=name)
    detector = make_detector(options, 2, 64, 0).train()
    optimizer = torch.optim.AdamW(detector.parameters(), 2e-3)
    for _ in range(150):
        detector.losses(*shapes(8, rng)).backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
    images, boxes, _ = shapes(32, rng)
    with torch.inference_mode():
        found, scores = detector.eval().best(images)
    error = (found - torch.stack(boxes)).abs().amax(-1)[scores > 0]
    assert (scores > 0).float().mean() > 0.5
    assert error.median() < 4  # px, the worst edge of boxes of 16 px
    assert np.get_printoptions() == printing


def test_the_surest_box_of_a_class_is_taken() -> None:
    detector = make_detector(Options(backbone="test_resnet", weights="random"), 3, 48, 0).eval()
    found = {
        "boxes": torch.tensor([[0.0, 0, 5, 5], [1, 1, 6, 6], [2, 2, 7, 7]]),
        "labels": torch.tensor([1, 1, 2]),
        "scores": torch.tensor([0.5, 0.9, 0.4]),
    }
    none = {name: value[:0] for name, value in found.items()}
    detector.network.forward = lambda images: [found, none]
    boxes, scores = detector.best(torch.rand(2, 1, 48, 48))
    assert_allclose(scores, [[0.0, 0.9, 0.4], [0.0, 0.0, 0.0]])
    assert_allclose(boxes[0, 1:], [[1, 1, 6, 6], [2, 2, 7, 7]])


def test_a_point_far_outside_has_no_box() -> None:
    part = BoxNetwork(Options(backbone="test_resnet", weights="random"), SIZES, 0).parts[0]
    points = torch.full((1, 5, 2), 16.0)
    points[0, 2] = torch.tensor([-30.0, 16.0])
    points[0, 3] = torch.nan
    assert part.boxes(points)[1].tolist() == [[True, True, False, False, True]]


def test_yolo_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics.nn.tasks", None)
    with pytest.raises(
        ConfigError, match=r"AGPL; install it with `pip install 'lsdc-toolkit\[yolo\]'`, or take fcos"
    ):
        make_detector(Options(detector="yolo"), 5, 48, 0)


@pytest.mark.parametrize("arch", ["resnet", "swin_unetr", "segresnet", "dynunet", "vit"])
def test_every_volume_network_has_features(arch: VolumeArch) -> None:
    pytest.importorskip("monai", reason="the extra lsdc-toolkit[volume] is not installed")
    network = Encoder3d(arch, 32, 32, 8)
    assert network(torch.rand(2, 1, 32, 32, 16)).shape == (2, network.width)


def test_volumes_get_a_common_distance_of_slices() -> None:
    slices = torch.arange(16.0).view(1, 16, 1, 1).expand(1, 16, 8, 8)
    same = resample_slices(slices, torch.tensor([SLICE_MM]), 8)
    assert same.shape == (1, DEPTH, 8, 4)
    assert_allclose(same[0, 8:24, 4, 2], np.arange(16), atol=1e-4)
    assert same[0, :7].sum() == 0
    assert_allclose(
        resample_slices(slices, torch.tensor([2 * SLICE_MM]), 8)[0, 15:17, 4, 2], [7.25, 7.75], atol=1e-4
    )


def test_positions_of_slices_come_from_the_rows() -> None:
    slices, heights = torch.full((1, 25), torch.nan), torch.full((1, 25), torch.nan)
    slices[0, 15:18] = torch.tensor([4.0, 2.0, 0.0])
    heights[0, 15:18] = torch.tensor([10.0, 0.0, -10.0])
    batch = SpacedVolumeBatch(
        volumes=torch.zeros(1, 3, 5, 4, 4),
        volume_slice=slices,
        head_mm=heights,
        sagittal_span_mm=torch.tensor([[40.0, 60.0]]),
    )
    found = positions_mm(batch)
    assert_allclose(found[0, 0], [-20, -10, 0, 10, 20])
    assert_allclose(found[0, 1], [-30, -15, 0, 15, 30])
    assert_allclose(found[0, 2], [-10, -5, 0, 5, 10], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options", "module", "words"),
    [
        ("volume", {}, "monai.networks", r"pip install 'lsdc-toolkit\[volume\]'"),
        (
            "detect_classify",
            {"detector": "yolo"},
            "ultralytics.nn.tasks",
            r"pip install 'lsdc-toolkit\[yolo\]'",
        ),
        (
            "multilabel",
            {"tensorboard": True},
            "torch.utils.tensorboard",
            r"pip install 'lsdc-toolkit\[tensorboard\]'",
        ),
        ("embedding_ft", {"device": "abacus"}, "abacus", "device: 'abacus' is unknown"),
    ],
)
def test_what_is_not_installed_is_reported_before_anything_is_fitted(
    name: str, options: dict[str, Any], module: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=words):
        MEMBERS[name](0, Options(**options)).require()


def test_an_eighth_of_the_studies_judges_where_no_others_are_labeled(studies: Examples) -> None:
    nothing = studies.where(studies.grades < -1)
    with_others = split_studies(studies, studies, 0)
    assert_array_equal(with_others.learned, np.arange(6))
    assert_array_equal(with_others.judges, np.arange(6))
    assert len(split_studies(studies, nothing, 0).judges) == 0  # too few to split
    many = make_examples(16)
    split = split_studies(many, many.where(many.grades < -1), 0)
    assert split.judging is many
    assert len(split.judges) == 2
    assert sorted([*split.judges, *split.learned]) == list(range(16))


@pytest.mark.parametrize(("epochs", "patience"), [(None, 4), (3, 4), (100, 33)])
def test_patience_grows_with_the_epochs_that_are_asked_for(epochs: int | None, patience: int) -> None:
    sizes = CropCnn.sizes["cpu"]
    recipe = make_recipe(Options(epochs=epochs), sizes, "cosine", 10, 0, "float32")
    assert (recipe.epochs, recipe.patience) == (epochs or sizes.epochs, patience)
