"""Detectors that can be asked for the best box of every class, whichever library they come from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.ops import FeaturePyramidNetwork

from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.yolo import YoloDetector
from lsdc.models.options import Options

_CHANNELS, _STRIDES, _LEAST_SCORE = 64, (8, 16, 32), 0.15


class Detector(Protocol):
    """A network that finds one box per class."""

    def losses(self, images: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor]) -> Tensor:
        """Return the loss of finding given boxes.

        Parameters
        ----------
        images : (n, 1, px, px) float Tensor
            Values from 0 to 1.
        boxes : sequence of (k, 4) float Tensor
            Left, top, right and bottom of the boxes of each image, px; k may be 0.
        labels : sequence of (k,) int64 Tensor
            Class of each box.

        Returns
        -------
        () Tensor
            To be minimized, in training mode.
        """
        ...

    def best(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find the best box of every class.

        Parameters
        ----------
        images : (n, 1, px, px) float Tensor
            Values from 0 to 1.

        Returns
        -------
        (n, classes, 4) Tensor, (n, classes) Tensor
            Left, top, right and bottom, px; and scores, 0 where no box was found. In evaluation mode.
        """
        ...


def make_detector(options: Options, classes: int, px: int, seed: int) -> nn.Module:
    """Make a new detector.

    Parameters
    ----------
    options : Options
        `detector` names it: `fcos`, `retinanet` or `yolo`; the first two are built on the backbone.
    classes : int
        Number of classes of boxes.
    px : int
        Side of the images, px.
    seed : int
        Seed of the backbone's random weights.

    Returns
    -------
    Module
        That keeps the protocol `Detector`.

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
        """Return maps of features (n, channels, rows, columns) by name, the finest first."""
        maps = self.backbone.feature_maps(images, _STRIDES)
        return self.pyramid(OrderedDict((str(k), level) for k, level in enumerate(maps)))


class TorchvisionDetector(nn.Module):
    """FCOS or RetinaNet of torchvision on a light pyramid of the backbone's features.

    Parameters
    ----------
    options : Options
        `detector` is `fcos` or `retinanet`; the backbone must have features of several strides.
    classes : int
        Number of classes of boxes.
    px : int
        Side of the images, px.
    seed : int
        Seed of the backbone's random weights.

    References
    ----------
    Tian et al., FCOS: Fully Convolutional One-Stage Object Detection, 2019; Lin et al., Focal Loss for Dense Object
    Detection, 2017.
    """

    def __init__(self, options: Options, classes: int, px: int, seed: int) -> None:
        super().__init__()
        self.classes = classes
        pyramid = _Pyramid(options, seed)
        # The backbone brings its normalization.
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
        """Return the loss of finding given boxes, as `Detector.losses`.

        Parameters
        ----------
        images : (n, 1, px, px) float Tensor
            Values from 0 to 1.
        boxes : sequence of (k, 4) float Tensor
            Left, top, right and bottom of the boxes of each image, px; k may be 0.
        labels : sequence of (k,) int64 Tensor
            Class of each box.

        Returns
        -------
        () Tensor
            Sum of the parts of the loss.
        """
        targets = [{"boxes": box, "labels": label} for box, label in zip(boxes, labels)]
        parts = self.network(list(images.expand(-1, 3, -1, -1)), targets)
        return sum(parts.values(), start=images.new_zeros(()))

    def best(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Find the best box of every class, as `Detector.best`.

        Parameters
        ----------
        images : (n, 1, px, px) float Tensor
            Values from 0 to 1.

        Returns
        -------
        (n, classes, 4) Tensor, (n, classes) Tensor
            Left, top, right and bottom, px; and scores, 0 where no box was found.
        """
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
