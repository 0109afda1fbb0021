"""multilabel: one network on the mid-sagittal T2 slice tells all 25 targets; where everybody starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.augment import disturbed
from lsdc.models.deep.backbones import Backbone, scaled
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch


class WholeSlice(nn.Module):
    """Backbone and 75 outputs."""

    def __init__(self, options: Options, seed: int) -> None:
        super().__init__()
        self.backbone = Backbone(options, seed)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(self.backbone.width, len(TARGETS) * 3))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and no auxiliary loss."""
        logits = self.head(self.backbone(batch["slice"])).unflatten(1, (len(TARGETS), 3))
        return logits, logits.new_zeros(())


class MultiLabel(DeepMember):
    """One CNN, all 25 x 3 outputs, binary cross-entropy."""

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
        """The network."""
        return WholeSlice(self.options, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """The previews, of which the first is the canal's slice."""
        assert examples.pictures is not None
        return {"previews": torch.from_numpy(examples.pictures.previews(chosen))}

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """The slice (b, 1, px, px) from 0 to 1, augmented."""
        picture = scaled(batch["previews"][:, :1].float() / 255, sizes.px)
        return batch | {"slice": picture if generator is None else disturbed(picture, generator)}
