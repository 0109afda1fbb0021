"""Detectors of boxes around the targets, with a classifier of what is in them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from lsdc.cohort.vocabulary import TARGETS, Family, Side
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.batch import Inputs
from lsdc.models.deep.detectors import make_detector
from lsdc.models.deep.sizes import Sizes
from lsdc.models.options import Options
from lsdc.models.targets import RIGHT_AXIAL, of_family

BOX_FRACTION = {Family.SPINAL: 0.20, Family.FORAMINAL: 0.20, Family.SUBARTICULAR: 0.28}
"""Side of a box as a fraction of the slice's: 40 mm; axial slices show 144 mm, sagittal ones 200."""
PREVIEWS_OF = {Family.SPINAL: [0], Family.FORAMINAL: [1, 2], Family.SUBARTICULAR: [3, 4, 5, 6, 7]}
"""Which of a study's eight previews show the targets of a family."""
_JITTER = 0.12
"""Largest shift and growth of a training box, as a fraction of its side."""
_FOLLOW = 0.05
"""Fraction of the way that the usual box follows the mean of a batch."""
_DETECTED_FRACTION = 0.25
"""Fraction of the slices from which the detector learns in a step; those of a study are much alike."""


def preview_of(family: Family) -> Tensor:
    """Return which of a family's previews shows each of its targets.

    Parameters
    ----------
    family : Family
        Spinal, foraminal or subarticular.

    Returns
    -------
    (targets,) int64 Tensor
        Indices in `PREVIEWS_OF[family]`.

    Examples
    --------
    >>> preview_of(Family.FORAMINAL)
    tensor([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    """
    targets = [TARGETS[k] for k in of_family(family)]
    if family is Family.SUBARTICULAR:
        return torch.tensor([k % 5 for k in range(len(targets))])
    return torch.tensor([int(target.condition.side is Side.RIGHT) for target in targets])


class FamilyBoxes(nn.Module):
    """Detector and classifier of one family; every target is a class of boxes, and all share the classifier.

    Parameters
    ----------
    family : Family
        Spinal, foraminal or subarticular.
    options : Options
        Detector and backbone.
    sizes : Sizes
        Side of the slices, and width of the classifier.
    seed : int
        Seed of random weights.
    """

    def __init__(self, family: Family, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.family, self.px, self.crop_px = family, sizes.px, max(32, sizes.px // 2)
        self.targets = of_family(family)
        self.detector = make_detector(options, len(self.targets), sizes.px, seed)
        self.backbone = Backbone(options, seed)
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(self.backbone.width, sizes.width), nn.GELU(), nn.Dropout(0.2),
            nn.Linear(sizes.width, 3),
        )  # fmt: skip
        # Where each target's box usually is: for those that are not detected.
        self.register_buffer(
            "usual", torch.tensor([0.4, 0.4, 0.6, 0.6]).repeat(len(self.targets), 1) * sizes.px
        )

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the family's targets: in training inside boxes around the known points, later inside detected ones.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `slices` (b, 8, px, px) float, from 0 to 1; `slice_present` (b, 8) bool; `points` (b, 25, 2) float: column
            and row in px of the slices, NaN where unknown.

        Returns
        -------
        (b, targets, 3) Tensor, () Tensor
            Logits, 0 where the slice is absent; and the detector's loss, 0 outside training.
        """
        previews = PREVIEWS_OF[self.family]
        images = inputs["slices"][:, previews].flatten(0, 1)[:, None]
        present = inputs["slice_present"][:, previews].flatten()
        b, device = len(inputs["slices"]), images.device
        number = torch.arange(b * len(previews), device=device).view(b, -1)
        image_of = torch.gather(number, 1, preview_of(self.family).to(device).expand(b, -1))
        loss = self.head[-1].bias.sum() * 0
        if self.training:
            boxes, known = self.boxes(inputs["points"][:, torch.tensor(self.targets)])
            loss = loss + self._detector_loss(images, present, boxes, known, image_of)
            self._remember(boxes, known)
            chosen = torch.where(known[..., None], _jittered(boxes), self.usual)
        else:
            chosen = self._detected(images, present, image_of)
        return self._classified(images, chosen, image_of, present[image_of]), loss

    def boxes(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes around points.

        Parameters
        ----------
        points : (b, targets, 2) float Tensor
            Column and row, px; NaN where unknown.

        Returns
        -------
        (b, targets, 4) float Tensor, (b, targets) bool Tensor
            Left, top, right and bottom, px, cut off at the edges of the slice; and which are known and not empty.
        """
        half = BOX_FRACTION[self.family] * self.px / 2
        boxes = torch.cat([points - half, points + half], -1)
        known = boxes.isfinite().all(-1)
        boxes = boxes.nan_to_num(0.0).clamp(0, self.px)
        # A point far outside leaves nothing of its box.
        return boxes, known & (boxes[..., 2:] > boxes[..., :2]).all(-1)

    def _classified(self, images: Tensor, boxes: Tensor, image_of: Tensor, shown: Tensor) -> Tensor:
        """Return logits (b, targets, 3) of what is in the boxes; 0 for targets that are not shown."""
        logits = images.new_zeros((*shown.shape, 3))
        if shown.any():
            rois = torch.cat([image_of[shown][:, None].to(boxes.dtype), boxes[shown]], 1)
            crops = roi_align(images, rois, self.crop_px, sampling_ratio=2, aligned=True)
            flip = torch.from_numpy(RIGHT_AXIAL[np.array(self.targets)]).to(images.device)
            flip = flip.expand(len(shown), -1)[shown]
            crops = torch.where(flip[:, None, None, None], crops.flip(-1), crops)
            logits[shown] = self.head(self.backbone(crops)).to(logits.dtype)
        return logits

    def _detector_loss(
        self, images: Tensor, present: Tensor, boxes: Tensor, known: Tensor, image_of: Tensor
    ) -> Tensor:
        """Return the detector's loss on a random part of the slices."""
        present = present & (torch.rand(present.shape, device=present.device) < _DETECTED_FRACTION)
        if int(present.sum()) < 2:  # too few for the normalization of small images
            return images.new_zeros(())
        each, labels = [], []
        classes = torch.arange(len(self.targets), device=images.device).expand(len(boxes), -1)
        for image in present.nonzero()[:, 0]:
            on_image = known & (image_of == image)
            each.append(boxes[on_image])
            labels.append(classes[on_image])
        if not sum(len(part) for part in each):
            return images.new_zeros(())
        return self.detector.losses(images[present], each, labels)

    @torch.no_grad()
    def _remember(self, boxes: Tensor, known: Tensor) -> None:
        """Move the usual boxes a little towards the mean of the batch."""
        count = known.sum(0)[:, None]
        mean = (boxes * known[..., None]).sum(0) / count.clamp_min(1)
        self.usual.copy_(torch.where(count > 0, torch.lerp(self.usual, mean, _FOLLOW), self.usual))

    def _detected(self, images: Tensor, present: Tensor, image_of: Tensor) -> Tensor:
        """Return the best box of each target's class on its slice; the usual one where none was found."""
        n = len(self.targets)
        boxes, scores = images.new_zeros((len(images), n, 4)), images.new_zeros((len(images), n))
        if present.any():
            boxes[present], scores[present] = self.detector.best(images[present])
        column = torch.arange(n, device=images.device).expand(len(image_of), -1)
        found = boxes[image_of, column]
        return torch.where((scores[image_of, column] > 0)[..., None], found, self.usual.expand_as(found))


def _jittered(boxes: Tensor) -> Tensor:
    """Shift and resize boxes (b, targets, 4) at random, as a detector would miss them."""
    side = boxes[..., 2:] - boxes[..., :2]
    shift = _JITTER * (2 * torch.rand_like(side) - 1) * side
    grow = _JITTER * (2 * torch.rand_like(side) - 1) * side / 2
    return torch.cat([boxes[..., :2] + shift - grow, boxes[..., 2:] + shift + grow], -1)


class BoxNetwork(nn.Module):
    """One detector and one classifier for each family.

    Parameters
    ----------
    options : Options
        Detector and backbone.
    sizes : Sizes
        Side of the slices, and width of the classifiers.
    seed : int
        Seed of random weights.
    """

    def __init__(self, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList([FamilyBoxes(family, options, sizes, seed) for family in Family])

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            `slices` (b, 8, px, px) float, from 0 to 1; `slice_present` (b, 8) bool; `points` (b, 25, 2) float: column
            and row in px of the slices, NaN where unknown.

        Returns
        -------
        (b, 25, 3) Tensor, () Tensor
            Logits, and the sum of the detectors' losses.
        """
        found = [part(inputs) for part in self.parts]
        logits = found[0][0].new_zeros((len(inputs["slices"]), len(TARGETS), 3))
        for part, (of_targets, _) in zip(self.parts, found):
            logits[:, part.targets] = of_targets
        return logits, sum((loss for _, loss in found), start=logits.new_zeros(()))
