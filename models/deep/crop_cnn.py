"""crop_cnn: a convolutional network on the crops around each target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.models.deep.augment import disturbed
from lsdc.models.deep.backbones import Backbone, scaled
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.examples import Examples
from lsdc.models.member import NotFittedError
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch
from lsdc.models.targets import KIND_OF, KINDS, of_family


class CropNetwork(nn.Module):
    """Backbone on every view's crop, neighboring slices as channels or pooled by attention; then a small head.

    Parameters
    ----------
    options : Options
        Backbone, and how neighbors are joined.
    sizes : Sizes
        Width of the head.
    views : int
        Views per target.
    seed : int
        For random weights.
    """

    def __init__(self, options: Options, sizes: Sizes, views: int, seed: int) -> None:
        super().__init__()
        self.backbone = Backbone(options, seed)
        width = self.backbone.width
        self.attention = nn.Linear(width, 1) if options.neighbors == "attention" else None
        self.kind = nn.Embedding(KINDS, 16)
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(views * (width + 1) + 16, sizes.width), nn.GELU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(sizes.width, 3)

    def embed(self, crops: Tensor, kind: Tensor) -> Tensor:
        """What the head sees: crops (n, views, 3, P, P) and kinds (n,) to (n, width)."""
        present = (crops != 0).flatten(2).any(-1)
        pictures = crops[present]
        if self.attention is None:
            features = self.backbone(pictures)
        else:
            each = self.backbone(pictures.flatten(0, 1)[:, None]).unflatten(0, (-1, pictures.shape[1]))
            features = (each * self.attention(each).softmax(1)).sum(1)
        seen = features.new_zeros((*present.shape, features.shape[-1]))
        seen[present] = features
        whole = torch.cat([seen.flatten(1), present.to(seen.dtype), self.kind(kind).to(seen.dtype)], 1)
        return self.reduce(whole)

    def forward(self, crops: Tensor, kind: Tensor) -> Tensor:
        """Logits (n, 3)."""
        return self.head(self.embed(crops, kind))


class PerTarget(nn.Module):
    """One crop network for all targets, or one for each condition.

    Parameters
    ----------
    networks : sequence of CropNetwork
        One, or one per family.
    """

    def __init__(self, networks: list[CropNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.parts = [list(range(len(TARGETS)))] if len(networks) == 1 else [of_family(f) for f in Family]

    def _each(self, crops: Tensor, method: str) -> Tensor:
        b, kind = len(crops), torch.from_numpy(KIND_OF).to(crops.device)
        out: Tensor | None = None
        for network, of in zip(self.networks, self.parts):
            found = getattr(network, method)(crops[:, of].flatten(0, 1), kind[of].repeat(b)).unflatten(
                0, (b, len(of))
            )
            out = found.new_zeros((b, len(TARGETS), found.shape[-1])) if out is None else out
            out[:, of] = found
        assert out is not None
        return out

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and no auxiliary loss."""
        logits = self._each(batch["crops"], "forward")
        return logits, logits.new_zeros(())

    def embed(self, batch: Batch) -> Tensor:
        """Embeddings (b, 25, width)."""
        return self._each(batch["crops"], "embed")


class CropCnn(DeepMember):
    """A CNN on crops, neighboring slices as channels (2.5-D); test-time mirroring as for all deep members."""

    name = "crop_cnn"
    about = "timm CNN fine-tuned on crops around each target, neighboring slices as channels or by attention"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=48, batch=4, epochs=3, rate=1e-3),
        "gpu24": Sizes(px=96, batch=8, epochs=20, rate=5e-4, width=256, all_views=True),
        "gpu140": Sizes(px=128, batch=32, epochs=25, rate=1e-3, width=256, all_views=True),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """One network, or one per family."""
        views, count = 3 if sizes.all_views else 1, len(Family) if self.options.per_condition else 1
        return PerTarget([CropNetwork(self.options, sizes, views, self.seed) for _ in range(count)])

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """Crops of each target's own view, or of all."""
        assert examples.pictures is not None
        return {"crops": torch.from_numpy(examples.pictures.crops(chosen, own_view=not sizes.all_views))}

    def embed(self, examples: Examples) -> NDArray[np.float32]:
        """What the last layer sees of every target, (n, width).

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.network is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before embed")
        inner, width = self.network.network, self._sizes().width
        return self.both_sides(examples, inner.embed, width).astype(np.float32).reshape(-1, width)

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """Crops from 0 to 1 at the size of the preset, augmented; absent ones stay blank."""
        crops = batch["crops"]
        present = (crops != 0).flatten(3).any(-1)
        values = scaled(crops[present].float() / 255, sizes.px)
        if generator is not None and len(values):
            values = disturbed(values, generator)
        out = values.new_zeros((*present.shape, *values.shape[1:]))
        out[present] = values
        return batch | {"crops": out}
