"""Detectors that can be asked for the best box of every class, whichever library they come from."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork

from lsdc.models.deep.backbones import Backbone
from lsdc.models.options import Options
from lsdc.runtime import ConfigError

_CHANNELS, _STRIDES, _LEAST_SCORE = 64, (8, 16, 32), 0.15


class Detector(Protocol):
    """A network that finds one box per class."""

    def losses(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Loss on images (n, 1, px, px), 0 to 1, with boxes (k, 4: left, top, right, bottom; px), labels (k,)."""
        ...

    def best(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Best box of each class (n, classes, 4) px, and its score (n, classes); 0 where there is none."""
        ...


def make_detector(options: Options, classes: int, px: int, seed: int) -> nn.Module:
    """A new detector.

    Raises
    ------
    ConfigError
        When its library is not installed.
    """
    if options.detector == "yolo":
        return YoloDetector(classes)
    return TorchvisionDetector(options, classes, px, seed)


class _Pyramid(nn.Module):
    """Features of a timm backbone at three strides, joined from coarse to fine."""

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__()
        self.backbone, self.out_channels = Backbone(options, seed), _CHANNELS
        self.pyramid = FeaturePyramidNetwork([self.backbone.channels(s) for s in _STRIDES], _CHANNELS)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.backbone.levels(images, _STRIDES)
        return self.pyramid(OrderedDict((str(k), level) for k, level in enumerate(maps)))


class TorchvisionDetector(nn.Module):
    """FCOS (Tian et al. 2019) or RetinaNet (Lin et al. 2017) on a light pyramid."""

    def __init__(self, options: Options, classes: int, px: int, seed: int) -> None:
        super().__init__()
        self.classes = classes
        pyramid = _Pyramid(options, seed)
        # The backbone brings its own normalization.
        common: dict[str, Any] = {
            "min_size": px, "max_size": px, "image_mean": [0.0] * 3, "image_std": [1.0] * 3,
            "score_thresh": _LEAST_SCORE, "detections_per_img": 4 * classes, "size_divisible": _STRIDES[0],
        }  # fmt: skip
        if options.detector == "fcos":
            anchors = AnchorGenerator(tuple((s,) for s in _STRIDES), ((1.0,),) * len(_STRIDES))
            head: nn.Module = FCOSHead(_CHANNELS, 1, classes, num_convs=2)
            # Boxes are what a ReLU lets through: begun at zero, as torchvision does, many never grow.
            nn.init.ones_(head.regression_head.bbox_reg.bias)
            self.network: nn.Module = FCOS(pyramid, classes, anchor_generator=anchors, head=head, **common)
        else:
            anchors = AnchorGenerator(tuple((2 * s, 3 * s) for s in _STRIDES), ((1.0,),) * len(_STRIDES))
            head = RetinaNetHead(_CHANNELS, 2, classes)
            self.network = RetinaNet(pyramid, classes, anchor_generator=anchors, head=head, **common)

    def losses(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """See `Detector`."""
        targets = [{"boxes": box, "labels": label} for box, label in zip(boxes, labels)]
        parts = self.network(list(images.expand(-1, 3, -1, -1)), targets)
        return sum(parts.values(), start=images.new_zeros(()))

    def best(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Detector`."""
        boxes = images.new_zeros((len(images), self.classes, 4))
        scores = images.new_zeros((len(images), self.classes))
        classes = torch.arange(self.classes, device=images.device)[:, None]
        for k, found in enumerate(self.network(list(images.expand(-1, 3, -1, -1)))):
            if not len(found["scores"]):
                continue
            of_class = torch.where(found["labels"] == classes, found["scores"].to(scores), 0.0)
            scores[k], place = of_class.max(1)
            boxes[k] = found["boxes"].to(boxes)[place]
        return boxes, scores


def yolo_model() -> Any:
    """The class of ultralytics' detectors.

    Raises
    ------
    ConfigError
        When it is not installed.
    """
    # When imported, it would ask the network whether there is one.
    os.environ.setdefault("YOLO_OFFLINE", "true")
    try:
        from ultralytics.nn.tasks import DetectionModel
    except ImportError:
        raise ConfigError(
            "--detector yolo needs ultralytics, which is licensed under the AGPL; `pip install lsdc[yolo]`, or "
            "take fcos or retinanet"
        ) from None
    return DetectionModel


class YoloDetector(nn.Module):
    """YOLOv8n by ultralytics, trained from random weights.

    Raises
    ------
    ConfigError
        When ultralytics is not installed.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.network = yolo_model()("yolov8n.yaml", nc=classes, verbose=False)
        self.network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)

    def losses(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """See `Detector`."""
        images = _filled_up(images)
        corners = torch.cat([*boxes]) / images.shape[-1]
        batch = {
            "img": images.expand(-1, 3, -1, -1),
            "batch_idx": torch.cat([torch.full((len(box),), float(k)) for k, box in enumerate(boxes)]),
            "cls": torch.cat([*labels]).float()[:, None],
            "bboxes": torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1),
        }
        batch["batch_idx"] = batch["batch_idx"].to(images.device)
        return self.network.loss(batch, self.network(batch["img"]))[0].sum() / len(images)

    def best(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `Detector`."""
        found = self.network(_filled_up(images).expand(-1, 3, -1, -1))[0]
        scores, where = found[:, 4:].max(-1)
        middle_size = torch.gather(
            found[:, None, :4].expand(-1, self.classes, -1, -1),
            3,
            where[:, :, None, None].expand(-1, -1, 4, 1),
        )[..., 0]
        middle, size = middle_size[..., :2], middle_size[..., 2:]
        return torch.cat([middle - size / 2, middle + size / 2], -1), scores * (scores > _LEAST_SCORE)


def _filled_up(images: Tensor) -> Tensor:
    """Zeros at the right and below, so that YOLO's coarsest stride divides the sides."""
    lack = -images.shape[-1] % _STRIDES[-1]
    return functional.pad(images, (0, lack, 0, lack))
