"""multitask: find the points on slices of every shape, cut around them, sharpen, and grade, all in one loss."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from lsdc.models.deep.augment import repaint
from lsdc.models.deep.base import DeepMember
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.cutting import inside_shape
from lsdc.models.deep.find_cut_grade import FindCutGrade
from lsdc.models.deep.sizes import Sizes
from lsdc.models.deep.slots import SLOTS
from lsdc.models.deep.volume_batch import LocatedVolumeBatch, read_volumes
from lsdc.models.examples import Examples
from lsdc.models.targets import AXIAL


class MultiTask(DeepMember[LocatedVolumeBatch]):
    """Keypoints, differentiable crops, super-resolution and grades, learned together.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        Among others `super_resolution`.
    """

    name = "multitask"
    about = "timm CNN that finds the points, cuts and enlarges around them, and grades; one joint loss"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=80, batch=4, epochs=2, rate=1.5e-3),
        "gpu24": Sizes(px=128, batch=12, epochs=30, rate=4e-4, width=256),
        "gpu140": Sizes(px=128, batch=64, epochs=30, rate=8e-4, width=256),
    }

    def build(self, sizes: Sizes) -> nn.Module:
        """Make a new network.

        Parameters
        ----------
        sizes : Sizes
            Of the preset.

        Returns
        -------
        FindCutGrade
            With new weights.
        """
        return FindCutGrade(self.options, sizes, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> LocatedVolumeBatch:
        """Read the volumes, and where the targets lie in them.

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
        LocatedVolumeBatch
            On the CPU, without grades.
        """
        columns = ("volume_slice", "volume_x", "volume_y")
        return LocatedVolumeBatch(**read_volumes(examples, chosen, columns, self.name))

    def prepare(self, batch: LocatedVolumeBatch, sizes: Sizes, generator: torch.Generator | None) -> Inputs:
        """Take the slices of every slot, cut out the part around the spine, and pad all of them to one size.

        Parameters
        ----------
        batch : LocatedVolumeBatch
            On the network's device.
        sizes : Sizes
            Of the preset; `px` is the side of a whole slice.
        generator : torch.Generator or None
            Changes brightness and noise where given; the points stay where they are.

        Returns
        -------
        dict of str to Tensor
            `image_present` (b, slots) bool: which slots of `SLOTS` have an image; `images` (n, 3, rows, columns)
            float, from 0 to 1: those images; `shape` (n, 2): rows and columns before padding; `points` (b, 25, 2)
            float: column and row in px of the images, NaN where unknown.
        """
        volumes = batch.volumes
        scale = sizes.px / volumes.shape[-1]
        present = torch.zeros((len(volumes), len(SLOTS)), dtype=torch.bool, device=volumes.device)
        points = torch.stack([batch.volume_x, batch.volume_y], -1) * scale + (scale - 1) / 2
        images = []
        for study, volume in enumerate(volumes):
            for number, slot in enumerate(SLOTS):
                targets = list(slot.targets)
                slices = batch.volume_slice[study, targets]
                slices = slices[slices.isfinite()]
                if not len(slices):
                    continue
                around = _neighbors(volume[slot.view], int(slices.median()))
                image, (left, top) = _spine_window(around, slot.view, sizes.px)
                images.append(image)
                points[study, targets, 0] -= left
                points[study, targets, 1] -= top
                present[study, number] = True
        whole = (sizes.px, sizes.px - 2 * (sizes.px // 8))
        return {
            "image_present": present,
            "points": points,
            **_padded(images, whole, volumes.device, generator),
        }


def _neighbors(volume: Tensor, index: int) -> Tensor:
    """Return a slice and its neighbors, (3, px, px), from 0 to 1."""
    around = torch.tensor([index - 1, index, index + 1]).clamp(0, len(volume) - 1)
    return volume[around.to(volume.device)].float() / 255


def _spine_window(slices: Tensor, view: int, px: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut out the part around the spine: a tall strip of sagittal slices, a square of axial ones.

    The slices are resized to `px` first. The pair says how many columns and rows were cut off before the part.
    """
    whole = functional.interpolate(slices[None], (px, px), mode="bilinear", antialias=True)[0]
    if view == AXIAL:
        margin = px // 8
        return whole[:, margin : px - margin, margin : px - margin], (margin, margin)
    margin = px * 3 // 16
    return whole[:, :, margin : px - margin], (margin, 0)


def _padded(
    images: list[Tensor], whole: tuple[int, int], device: torch.device, generator: torch.Generator | None
) -> Inputs:
    """Pad images (3, rows, columns) with zeros to the `whole` rows and columns, and repaint them with a generator."""
    if not images:
        return {
            "images": torch.zeros((0, 3, 8, 8), device=device),
            "shape": torch.zeros((0, 2), device=device),
        }
    shape = torch.tensor([image.shape[1:] for image in images], device=device)
    with warnings.catch_warnings():
        # Only the strided layout, which torch calls a prototype, lets rows and columns both differ.
        warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
        together = torch.nested.nested_tensor(images)
    # Always to the same size, so that a study's points do not depend on what it is batched with.
    padded = torch.nested.to_padded_tensor(together, 0.0, output_size=(len(images), 3, *whole))
    if generator is not None:
        padded = repaint(padded, generator) * inside_shape(shape, *padded.shape[-2:])[:, None]
    return {"images": padded, "shape": shape}
