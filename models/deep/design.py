"""What sets one deep member apart from another: its network, what it reads, how large it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar, Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.feed import B, Feed
from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.runtime.device import fast_bfloat16, pick_device
from lsdc.runtime.epoch_log import tensorboard_writer

_LONG = 4
"""A long effort trains for so many times the epochs of the preset."""


class NetworkDesign(ABC, Generic[B]):
    """The part of a deep member that its author writes; `DeepMember` adds training, prediction and saving.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        What the user chose; by default everything is left to the presets.
    """

    name: ClassVar[str]
    """The member's name in tables and on disk."""
    about: ClassVar[str]
    """What the member does, in one line for lists of members."""
    needs: ClassVar[str] = "images of the store"
    """What it reads of a store, and which extra it needs."""
    sizes: ClassVar[Mapping[str, Sizes]]
    """Sizes by preset: `tiny`, `gpu24`, `gpu140`, and `cpu` where a CPU can do more than `tiny` in bounded time."""
    loss: ClassVar[str] = "cross_entropy"
    """Name in `LOSSES`, where the user chose none."""
    at_points: ClassVar[bool] = False
    """Whether it looks where the selector's points are, and nowhere else."""
    convolutional: ClassVar[bool] = False
    """Whether the network is a plain CNN, which trains in bfloat16 on CPUs that compute in it, half again as fast."""
    schedule: ClassVar[str] = "cosine"
    """How the learning rate falls, where the user chose nothing."""

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()

    def require(self) -> None:
        """Check that the device, the libraries and the weights that were asked for are there.

        Raises
        ------
        LsdcError
            When one of them is not; a `ConfigError` for devices, libraries and names.
        """
        pick_device(self.options.device)
        self.check(Backbone(self.options, self.seed))
        if self.options.tensorboard:
            tensorboard_writer()

    def check(self, backbone: Backbone) -> None:
        """Check that the member can use a backbone; most can use any, and do not override this.

        Parameters
        ----------
        backbone : Backbone
            The one that the options name.

        Raises
        ------
        ConfigError
            When the backbone cannot serve.
        """

    def stops(self, studies: int) -> bool:
        """Say whether other studies must judge the epochs when the network learns from so many.

        Parameters
        ----------
        studies : int
            Number of training studies.

        Returns
        -------
        bool
            Here always True. Where it is False, the last epoch is kept.
        """
        return True

    @abstractmethod
    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        Module
            Inputs to logits (b, 25, 3) and an auxiliary loss, a scalar that is added to the loss of the grades.
        """

    @abstractmethod
    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> B:
        """Read what the network needs of some studies; runs in a thread beside the training.

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
        Batch
            On the CPU, without grades.
        """

    @abstractmethod
    def prepare(self, batch: B, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Turn a batch into what the network takes.

        Parameters
        ----------
        batch : Batch
            What `read` returned, mirrored or not, on the network's device.
        sizes : Sizes
            Of the preset.
        generator : torch.Generator or None
            On the same device: augment the images. None: leave them as they are.

        Returns
        -------
        dict of str to Tensor
            By the names that the network's `forward` expects.
        """

    def _preset_sizes(self) -> Sizes:
        """Return the sizes of the chosen preset, or of the one that fits the device, for the chosen effort."""
        sizes = self.sizes.get(self.options.resolved().preset, self.sizes["tiny"])
        return replace(sizes, epochs=sizes.epochs * (_LONG if self.options.effort == "long" else 1))

    def _loss_name(self) -> str:
        """Return the loss that the user chose, or the member's default."""
        return self.loss if self.options.loss == "default" else self.options.loss

    def _precision(self) -> str:
        """Return the precision of the training, as `Recipe` names it."""
        chosen = self.options.precision
        fast = self.convolutional and fast_bfloat16(pick_device(self.options.device))
        return "bfloat16" if chosen == "auto" and fast else chosen

    def inputs_of(self, examples: Examples, mirrored: bool = False) -> Inputs:
        """Read and prepare studies as the network takes them when it predicts.

        Parameters
        ----------
        examples : Examples
            Whole studies, with arrays; those beyond a batch are left out.
        mirrored : bool
            Show them in a mirror.

        Returns
        -------
        dict of str to Tensor
            On the CPU.
        """
        inputs, _ = next(self._feed().in_order(examples, np.arange(len(examples) // len(TARGETS)), mirrored))
        return {name: value.cpu() for name, value in inputs.items()}

    def _feed(self) -> Feed[B]:
        """Return what reads and prepares studies for the network."""
        device, sizes = pick_device(self.options.device), self._preset_sizes()
        return Feed(
            partial(self.read, sizes=sizes),
            lambda batch, generator: self.prepare(batch, sizes, generator),
            device,
            sizes.batch,
        )
