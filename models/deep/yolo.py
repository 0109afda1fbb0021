"""YOLOv8 by ultralytics as a detector; the library is licensed under the AGPL and is an extra that stands alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lsdc.models.deep.padding import pad_to_multiple
from lsdc.runtime import ConfigError

_LEAST_SCORE, _COARSEST_STRIDE = 0.15, 32


def yolo_model() -> Any:
    """Return the class of ultralytics' detectors.

    Returns
    -------
    type
        `ultralytics.nn.tasks.DetectionModel`.

    Raises
    ------
    ConfigError
        When ultralytics is not installed.
    """
    # When imported, it would ask the internet whether it can be reached.
    os.environ.setdefault("YOLO_OFFLINE", "true")
    try:
        # It also changes how NumPy prints arrays in the whole program, which is not its business.
        with np.printoptions():
            from ultralytics.nn.tasks import DetectionModel
    except ImportError:
        raise ConfigError(
            "the detector yolo needs ultralytics, which is licensed under the AGPL; install it with "
            "`pip install 'lsdc-toolkit[yolo]'`, or take fcos or retinanet"
        ) from None
    return DetectionModel


class YoloDetector(nn.Module):
    """YOLOv8n by ultralytics, trained from random weights.

    Parameters
    ----------
    classes : int
        Number of classes of boxes.

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
        """Return the loss of finding given boxes, as `Detector.losses`.

        Parameters
        ----------
        images : (n, 1, px, px) float Tensor
            Values from 0 to 1.
        boxes : sequence of (k, 4) float Tensor
            Left, top, right and bottom of the boxes of each image, px.
        labels : sequence of (k,) int64 Tensor
            Class of each box.

        Returns
        -------
        () Tensor
            Sum of the parts of the loss, per image.
        """
        images = pad_to_multiple(images, _COARSEST_STRIDE)
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
        found = self.network(pad_to_multiple(images, _COARSEST_STRIDE).expand(-1, 3, -1, -1))[0]
        scores, where = found[:, 4:].max(-1)
        middle_size = torch.gather(
            found[:, None, :4].expand(-1, self.classes, -1, -1),
            3,
            where[:, :, None, None].expand(-1, -1, 4, 1),
        )[..., 0]
        middle, size = middle_size[..., :2], middle_size[..., 2:]
        return torch.cat([middle - size / 2, middle + size / 2], -1), scores * (scores > _LEAST_SCORE)
