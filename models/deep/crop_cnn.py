"""crop_cnn: a convolutional network on the crops around each target."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lsdc.cohort.vocabulary import Family
from lsdc.features.store import VIEWS
from lsdc.models.deep.augment import erase, misplace, repaint, shifted
from lsdc.models.deep.backbones import resized
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.crop_batch import CropBatch
from lsdc.models.deep.crop_network import CropNetwork, PerTarget
from lsdc.models.deep.feed import require_arrays
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.member import NotFittedError

_SPREAD, _ACROSS = 0.04, 0.1
"""How far crops are moved in training: the spread in the plane, in half sides of a crop (1 of 26 mm), and how often
through the slices. It is added to the errors of this cohort's own selector, which is cross-fitted: crops of training
studies lie as far off as those of new ones."""
_LOOK = 0.09
"""How far the places of two further looks lie from that of the selector, in half sides of a crop, across and down."""

_MANY_STUDIES = 200
"""From so many training studies on, none are set aside to judge the epochs."""


class CropCnn(DeepMember[CropBatch]):
    """A timm CNN fine-tuned on the crops around each target; neighboring slices are its channels (2.5-D).

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        Among others `neighbors` (channels or attention) and `per_condition` (a network per family).
    """

    name = "crop_cnn"
    about = "timm CNN fine-tuned on crops around each target, neighboring slices as channels or by attention"
    at_points = True
    convolutional = True
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=48, batch=4, epochs=3, rate=1e-3),
        "cpu": Sizes(px=96, batch=12, epochs=8, rate=1.2e-3),
        "gpu24": Sizes(px=96, batch=8, epochs=20, rate=5e-4, width=256, all_views=True),
        "gpu140": Sizes(px=128, batch=32, epochs=25, rate=1e-3, width=256, all_views=True),
    }

    def stops(self, studies: int) -> bool:
        """Say whether other studies must judge the epochs when the network learns from so many.

        Parameters
        ----------
        studies : int
            Number of training studies.

        Returns
        -------
        bool
            False for many studies and enough epochs: as the rate falls to zero, later epochs are no worse, and a fold
            more to learn from is worth more than knowing the best epoch.
        """
        return studies < _MANY_STUDIES or self.options.resolved().preset == "tiny"

    def build(self, sizes: Sizes) -> nn.Module:
        """Make one crop network, or one per family.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        PerTarget
            With new weights.
        """
        views, count = len(VIEWS) if sizes.all_views else 1, len(Family) if self.options.per_condition else 1
        return PerTarget([CropNetwork(self.options, sizes, views, self.seed) for _ in range(count)])

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> CropBatch:
        """Read the crops of the view in which each target is graded, or of all views.

        Parameters
        ----------
        examples : Examples
            Rows of whole studies, with arrays.
        chosen : (b,) int64
            Which of the studies.
        sizes : Sizes
            Of the preset; `all_views` decides.

        Returns
        -------
        CropBatch
            On the CPU, without grades.
        """
        crops = require_arrays(examples, self.name).crops(chosen, graded_view_only=not sizes.all_views)
        return CropBatch(crops=torch.from_numpy(crops))

    def prepare(self, batch: CropBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Resize the crops, and augment those that are there; absent ones stay 0.

        Parameters
        ----------
        batch : CropBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the new side.
        generator : torch.Generator or None
            Augments where given.

        Returns
        -------
        dict of str to Tensor
            `crops` (b, 25, views, 3, px, px) float, from 0 to 1.
        """
        crops = batch.crops
        present = (crops != 0).flatten(3).any(-1)
        values = resized(crops[present].float() / 255, sizes.px)
        if generator is not None and len(values):
            # The middle slice may be a neighbor only where the slices are channels: attention has no middle.
            across = _ACROSS if self.options.neighbors == "channels" else 0.0
            values = erase(repaint(misplace(values, generator, _SPREAD, across), generator), generator)
        out = values.new_zeros((*present.shape, *values.shape[1:]))
        out[present] = values
        return {"crops": out}

    def looks(self, inputs: Inputs) -> Iterator[Inputs]:
        """Look at the crops as they are, and as if they had been cut elsewhere: the selector's places are uncertain.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `crops` (b, 25, views, 3, px, px).

        Yields
        ------
        dict of str to Tensor
            The crops; then the same shifted by `_LOOK` along a diagonal, one way and the other.
        """
        yield inputs
        crops = inputs["crops"]
        for sign in (-1.0, 1.0):
            shift = torch.full((2,), sign * _LOOK, device=crops.device)
            yield {**inputs, "crops": shifted(crops.flatten(0, 2), shift).view_as(crops)}

    def embed(self, examples: Examples) -> NDArray[np.float32]:
        """Return what the last layer sees of every target, as the mean over `looks` at a study and its mirror image.

        Parameters
        ----------
        examples : Examples
            n rows of whole studies, with arrays.

        Returns
        -------
        (n, width) float32
            Embeddings; the preset decides the width.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the examples have no arrays.
        """
        if self.network is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before embed")
        inner, width = self.network.network, self._preset_sizes().width
        return self.mirror_averaged(examples, inner.embed, width).astype(np.float32).reshape(-1, width)
