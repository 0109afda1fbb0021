"""multilabel: one network grades all 25 targets from the mid-sagittal T2 slice; the simple baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.augment import augment
from lsdc.models.deep.backbones import Backbone, resized
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.feed import require_arrays
from lsdc.models.deep.preview_batch import PreviewBatch
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.options import Options


class WholeSlice(nn.Module):
    """A backbone with 25 x 3 outputs.

    Parameters
    ----------
    options : Options
        The backbone.
    seed : int
        Seed of random weights.
    """

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__()
        self.backbone = Backbone(options, seed)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.backbone.width, len(TARGETS) * 3))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `slice` (b, 1, px, px) float, from 0 to 1.

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, and an auxiliary loss of 0.
        """
        logits = self.head(self.backbone(inputs["slice"])).unflatten(1, (len(TARGETS), 3))
        return logits, logits.new_zeros(())


class MultiLabel(DeepMember[PreviewBatch]):
    """One CNN on one slice with 25 x 3 outputs and binary cross-entropy: what other members have to beat.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        What the user chose.
    """

    name = "multilabel"
    about = (
        "timm CNN on the mid-sagittal T2 slice, 25 x 3 outputs with binary cross-entropy; the simple baseline"
    )
    loss = "binary"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=144, batch=8, epochs=12, rate=1e-3),
        "gpu24": Sizes(px=192, batch=32, epochs=40, rate=5e-4),
        "gpu140": Sizes(px=192, batch=128, epochs=40, rate=1e-3),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network.

        Parameters
        ----------
        sizes : Sizes
            Of the preset; only its `px` counts, when images are prepared.

        Returns
        -------
        WholeSlice
            With new weights.
        """
        return WholeSlice(self.options, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> PreviewBatch:
        """Read the previews, of which the first is the canal's slice.

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
        PreviewBatch
            On the CPU, without grades.
        """
        return PreviewBatch(previews=torch.from_numpy(require_arrays(examples, self.name).previews(chosen)))

    def prepare(self, batch: PreviewBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Take the canal's slice, resize it, and augment it.

        Parameters
        ----------
        batch : PreviewBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the new side.
        generator : torch.Generator or None
            Augments where given.

        Returns
        -------
        dict of str to Tensor
            `slice` (b, 1, px, px) float, from 0 to 1.
        """
        image = resized(batch.previews[:, :1].float() / 255, sizes.px)
        return {"slice": image if generator is None else augment(image, generator)}
