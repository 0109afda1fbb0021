"""detect_classify: a detector per family finds the targets, a classifier per family grades what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lsdc.models.deep.augment import repaint
from lsdc.models.deep.backbones import Backbone, resized
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.box_network import BoxNetwork
from lsdc.models.deep.feed import require_arrays
from lsdc.models.deep.preview_batch import LocatedPreviewBatch
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.yolo import yolo_model
from lsdc.models.examples import Examples
from lsdc.models.store_arrays import read_locations
from lsdc.runtime import ConfigError


class DetectClassify(DeepMember[LocatedPreviewBatch]):
    """Boxes of every side and level are detected on the selected slices, and what is in them is graded.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        Among others `detector`.
    """

    name = "detect_classify"
    about = "a detector per condition (torchvision FCOS or RetinaNet; YOLOv8 extra), then a classifier of its boxes"
    needs = "previews of the store; the detector yolo needs the extra lsdc-toolkit[yolo] (AGPL)"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=48, batch=10, epochs=2, rate=2e-3),
        "gpu24": Sizes(px=192, batch=8, epochs=40, rate=3e-4, width=256),
        "gpu140": Sizes(px=192, batch=48, epochs=40, rate=6e-4, width=256),
    }

    def require(self) -> None:
        """Check that the device, the weights and the detector's library are there.

        Raises
        ------
        ConfigError
            When one of them is not, or the backbone cannot serve.
        """
        super().require()
        if self.options.detector == "yolo":
            yolo_model()

    def check(self, backbone: Backbone) -> None:
        """Check that the backbone has features of several sizes, which the detectors of torchvision need.

        Parameters
        ----------
        backbone : Backbone
            The one that the options name.

        Raises
        ------
        ConfigError
            When it takes images of one size alone, as many transformers do.
        """
        if self.options.detector != "yolo" and backbone.fixed_px:
            raise ConfigError(
                f"detect_classify: {self.options.backbone} takes images of {backbone.fixed_px} px alone, and a "
                "detector needs features of several sizes; choose a convolutional backbone"
            )

    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        BoxNetwork
            With new weights.

        Raises
        ------
        ConfigError
            When the detector's library is not installed.
        """
        return BoxNetwork(self.options, sizes, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> LocatedPreviewBatch:
        """Read the selected slices, and where the targets lie on them.

        Parameters
        ----------
        examples : Examples
            Rows of whole studies, with arrays.
        chosen : (b,) int64
            Which of the studies.
        sizes : Sizes
            Of the preset.

        Returns
        -------
        LocatedPreviewBatch
            On the CPU, without grades.
        """
        return LocatedPreviewBatch(
            previews=torch.from_numpy(require_arrays(examples, self.name).previews(chosen)),
            **read_locations(examples.rows, chosen, ("preview_x", "preview_y")),
        )

    def prepare(self, batch: LocatedPreviewBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Resize the slices, repaint them, and scale the points with them.

        Parameters
        ----------
        batch : LocatedPreviewBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the new side.
        generator : torch.Generator or None
            Changes brightness and noise where given; the points stay where they are.

        Returns
        -------
        dict of str to Tensor
            `slices` (b, 8, px, px) float, from 0 to 1; `slice_present` (b, 8) bool; `points` (b, 25, 2) float: column
            and row in px of the slices, NaN where unknown.
        """
        previews = batch.previews
        scale = sizes.px / previews.shape[-1]
        values = resized(previews.flatten(0, 1)[:, None].float() / 255, sizes.px)
        if generator is not None:
            values = repaint(values, generator)
        points = torch.stack([batch.preview_x, batch.preview_y], -1) * scale + (scale - 1) / 2
        return {
            "slices": values.view(*previews.shape[:2], sizes.px, sizes.px),
            "slice_present": (previews != 0).flatten(2).any(-1),
            "points": points,
        }
