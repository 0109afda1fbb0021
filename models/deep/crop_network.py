"""Networks that grade targets from the crops around them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.sizes import Sizes
from lsdc.models.options import Options
from lsdc.models.targets import FAMILY_LEVEL_OF, FAMILY_LEVELS, of_family


class CropNetwork(nn.Module):
    """A backbone on the crop of every view, and a small head on the features of all views together.

    Neighboring slices are the channels of an image, or separate images that attention pools.

    Parameters
    ----------
    options : Options
        Backbone, and how neighbors are joined.
    sizes : Sizes
        Width of the head.
    views : int
        Views per target.
    seed : int
        Seed of random weights.
    """

    def __init__(self, options: Options, sizes: Sizes, views: int, seed: int) -> None:
        super().__init__()
        self.backbone = Backbone(options, seed)
        width = self.backbone.width
        self.attention = nn.Linear(width, 1) if options.neighbors == "attention" else None
        self.kind = nn.Embedding(FAMILY_LEVELS, 16)
        self.reduce = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(views * (width + 1) + 16, sizes.width), nn.GELU(), nn.Dropout(0.3)
        )
        self.head = nn.Linear(sizes.width, 3)

    def embed(self, crops: Tensor, family_level: Tensor) -> Tensor:
        """Return what the last layer sees of every target.

        Parameters
        ----------
        crops : (n, views, 3, P, P) float Tensor
            Values from 0 to 1; all 0 where a view is absent.
        family_level : (n,) int64 Tensor
            Family and level of each target, as `FAMILY_LEVEL_OF`.

        Returns
        -------
        (n, width) float Tensor
            Embeddings.
        """
        present = (crops != 0).flatten(2).any(-1)
        images = crops[present]
        if self.attention is None:
            features = self.backbone(images)
        else:
            each = self.backbone(images.flatten(0, 1)[:, None]).unflatten(0, (-1, images.shape[1]))
            features = (each * self.attention(each).softmax(1)).sum(1)
        seen = features.new_zeros((*present.shape, features.shape[-1]))
        seen[present] = features
        parts = [seen.flatten(1), present.to(seen.dtype), self.kind(family_level).to(seen.dtype)]
        return self.reduce(torch.cat(parts, 1))

    def forward(self, crops: Tensor, family_level: Tensor) -> Tensor:
        """Grade targets.

        Parameters
        ----------
        crops : (n, views, 3, P, P) float Tensor
            Values from 0 to 1; all 0 where a view is absent.
        family_level : (n,) int64 Tensor
            Family and level of each target, as `FAMILY_LEVEL_OF`.

        Returns
        -------
        (n, 3) float Tensor
            Logits.
        """
        return self.head(self.embed(crops, family_level))


class PerTarget(nn.Module):
    """One crop network for all targets, or one for each family.

    Parameters
    ----------
    networks : list of CropNetwork
        One, or one per family in the order of `Family`.
    """

    def __init__(self, networks: list[CropNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.targets = [list(range(len(TARGETS)))] if len(networks) == 1 else [of_family(f) for f in Family]

    def _each(self, crops: Tensor, method: Literal["forward", "embed"]) -> Tensor:
        """Ask each network about its targets, and put the answers (b, 25, ...) together."""
        b, family_level = len(crops), torch.from_numpy(FAMILY_LEVEL_OF).to(crops.device)
        out: Tensor | None = None
        for network, targets in zip(self.networks, self.targets):
            answer = getattr(network, method)(
                crops[:, targets].flatten(0, 1), family_level[targets].repeat(b)
            )
            found = answer.unflatten(0, (b, len(targets)))
            out = found.new_zeros((b, len(TARGETS), found.shape[-1])) if out is None else out
            out[:, targets] = found
        assert out is not None
        return out

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `crops` (b, 25, views, 3, P, P) float, from 0 to 1.

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, and an auxiliary loss of 0.
        """
        logits = self._each(inputs["crops"], "forward")
        return logits, logits.new_zeros(())

    def embed(self, inputs: Inputs) -> Tensor:
        """Return what the last layer sees of the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `crops` (b, 25, views, 3, P, P) float, from 0 to 1.

        Returns
        -------
        (b, 25, width) Tensor
            Embeddings.
        """
        return self._each(inputs["crops"], "embed")
