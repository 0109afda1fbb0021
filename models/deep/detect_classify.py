"""detect_classify: a detector per condition finds the levels, a classifier per condition grades what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import roi_align

from lsdc.cohort.vocabulary import TARGETS, Family, Side
from lsdc.models.deep.augment import repainted
from lsdc.models.deep.backbones import Backbone, scaled
from lsdc.models.deep.base import DeepMember, Sizes
from lsdc.models.deep.detectors import make_detector, yolo_model
from lsdc.models.examples import Examples
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch, places
from lsdc.models.targets import RIGHT_AXIAL, of_family
from lsdc.runtime import ConfigError

BOX_SHARE = {Family.SPINAL: 0.20, Family.FORAMINAL: 0.20, Family.SUBARTICULAR: 0.28}
"""Side of a box as a share of the slice's: 40 mm; axial slices show 144 mm, sagittal ones 200."""
SLOTS = {Family.SPINAL: [0], Family.FORAMINAL: [1, 2], Family.SUBARTICULAR: [3, 4, 5, 6, 7]}
"""Which of the chosen slices show the targets of a family."""
_JITTER, _FOLLOW, _SHARE = 0.12, 0.05, 0.25


class _OfFamily(nn.Module):
    """Detector and classifier of one family; left and right share the classifier."""

    def __init__(self, family: Family, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.family, self.px, self.crop = family, sizes.px, max(32, sizes.px // 2)
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

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, targets, 3), and the detector's loss."""
        slots, of = SLOTS[self.family], torch.tensor(self.targets)
        images = batch["slices"][:, slots].flatten(0, 1)[:, None]
        present = batch["slot_present"][:, slots].flatten()
        b, n = len(batch["slices"]), len(self.targets)
        number = torch.arange(b * len(slots), device=images.device).view(b, -1)
        position = slot_of(self.family).to(images.device).expand(b, -1)
        own = torch.gather(number, 1, position)
        boxes, known = self.boxes(batch["preview_points"][:, of])
        loss = self.head[-1].bias.sum() * 0
        if self.training:
            loss = loss + self._detect(images, present, boxes, known, own)
            self._remember(boxes, known)
            chosen = torch.where(known[..., None], self._jittered(boxes), self.usual)
        else:
            chosen = self._found(images, present, own)
        shown = present[own]
        logits = images.new_zeros((b, n, 3))
        if shown.any():
            rois = torch.cat([own[shown][:, None].to(chosen.dtype), chosen[shown]], 1)
            crops = roi_align(images, rois, self.crop, sampling_ratio=2, aligned=True)
            flip = torch.from_numpy(RIGHT_AXIAL)[of].to(images.device).expand(b, -1)[shown]
            crops = torch.where(flip[:, None, None, None], crops.flip(-1), crops)
            logits[shown] = self.head(self.backbone(crops)).to(logits.dtype)
        return logits, loss

    def boxes(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (b, targets, 4) around points (b, targets, 2), px, and which are known."""
        half = BOX_SHARE[self.family] * self.px / 2
        boxes = torch.cat([points - half, points + half], -1)
        known = boxes.isfinite().all(-1)
        boxes = boxes.nan_to_num(0.0).clamp(0, self.px)
        # A point far outside leaves nothing of its box.
        return boxes, known & (boxes[..., 2:] > boxes[..., :2]).all(-1)

    def _detect(self, images: Tensor, present: Tensor, boxes: Tensor, known: Tensor, own: Tensor) -> Tensor:
        # Slices of a study are much alike: a quarter of them per step teaches nearly as much.
        present = present & (torch.rand(present.shape, device=present.device) < _SHARE)
        if int(present.sum()) < 2:  # too few for the normalization of small pictures
            return images.new_zeros(())
        each, labels = [], []
        classes = torch.arange(len(self.targets), device=images.device).expand(len(boxes), -1)
        for image in present.nonzero()[:, 0]:
            mine = known & (own == image)
            each.append(boxes[mine])
            labels.append(classes[mine])
        if not sum(len(part) for part in each):
            return images.new_zeros(())
        return self.detector.losses(images[present], each, labels)

    @torch.no_grad()
    def _remember(self, boxes: Tensor, known: Tensor) -> None:
        count = known.sum(0)[:, None]
        mean = (boxes * known[..., None]).sum(0) / count.clamp_min(1)
        self.usual.copy_(torch.where(count > 0, torch.lerp(self.usual, mean, _FOLLOW), self.usual))

    def _jittered(self, boxes: Tensor) -> Tensor:
        side = boxes[..., 2:] - boxes[..., :2]
        shift = _JITTER * (2 * torch.rand_like(side) - 1) * side
        grow = _JITTER * (2 * torch.rand_like(side) - 1) * side / 2
        return torch.cat([boxes[..., :2] + shift - grow, boxes[..., 2:] + shift + grow], -1)

    def _found(self, images: Tensor, present: Tensor, own: Tensor) -> Tensor:
        """The best box of each target's class on its slice; the usual one where none was found."""
        n = len(self.targets)
        boxes, scores = images.new_zeros((len(images), n, 4)), images.new_zeros((len(images), n))
        if present.any():
            boxes[present], scores[present] = self.detector.best(images[present])
        column = torch.arange(n, device=images.device).expand(len(own), -1)
        found = boxes[own, column]
        return torch.where((scores[own, column] > 0)[..., None], found, self.usual.expand_as(found))


def slot_of(family: Family) -> Tensor:
    """Which of the family's slices shows each of its targets."""
    targets = [TARGETS[k] for k in of_family(family)]
    if family is Family.SUBARTICULAR:
        return torch.tensor([k % 5 for k in range(len(targets))])
    return torch.tensor([int(target.condition.side is Side.RIGHT) for target in targets])


class Detectors(nn.Module):
    """One detector and one classifier for each family."""

    def __init__(self, options: Options, sizes: Sizes, seed: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList([_OfFamily(family, options, sizes, seed) for family in Family])

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits (b, 25, 3), and the detectors' losses."""
        found = [part(batch) for part in self.parts]
        logits = found[0][0].new_zeros((len(batch["slices"]), len(TARGETS), 3))
        for part, (own, _) in zip(self.parts, found):
            logits[:, part.targets] = own
        return logits, sum((loss for _, loss in found), start=logits.new_zeros(()))


class DetectClassify(DeepMember):
    """Boxes of side x level are detected on the chosen slices and graded."""

    name = "detect_classify"
    about = "a detector per condition (torchvision FCOS or RetinaNet; YOLOv8 extra), then a classifier of its boxes"
    needs = "previews of the store; --detector yolo the extra lsdc[yolo] (AGPL)"
    sizes: ClassVar[Mapping[str, Sizes]] = {
        "tiny": Sizes(px=48, batch=10, epochs=2, rate=2e-3),
        "gpu24": Sizes(px=192, batch=8, epochs=40, rate=3e-4, width=256),
        "gpu140": Sizes(px=192, batch=48, epochs=40, rate=6e-4, width=256),
    }

    def require(self) -> None:
        """Raise a ConfigError where the detector's library is not installed."""
        super().require()
        if self.options.detector == "yolo":
            yolo_model()

    def check(self, backbone: Backbone) -> None:
        """Raise a ConfigError where the backbone takes one size of picture, and the detector needs several."""
        if self.options.detector != "yolo" and backbone.fixed:
            raise ConfigError(
                f"detect_classify: {self.options.backbone} takes pictures of {backbone.fixed} px alone, and a "
                "detector needs features of several sizes; choose a convolutional --backbone"
            )

    def build(self, sizes: Sizes) -> nn.Module:
        """The networks."""
        return Detectors(self.options, sizes, self.seed)

    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """Chosen slices, and where the targets lie on them."""
        assert examples.pictures is not None
        return {
            "previews": torch.from_numpy(examples.pictures.previews(chosen)),
            **places(examples.rows, chosen),
        }

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """Slices (b, 8, px, px) from 0 to 1, which are there, and points (b, 25, 2) in their px."""
        previews = batch["previews"]
        scale = sizes.px / previews.shape[-1]
        values = scaled(previews.flatten(0, 1)[:, None].float() / 255, sizes.px)
        if generator is not None:
            values = repainted(values, generator)
        points = torch.stack([batch["preview_x"], batch["preview_y"]], -1) * scale + (scale - 1) / 2
        return batch | {
            "slices": values.view(*previews.shape[:2], sizes.px, sizes.px),
            "slot_present": (previews != 0).flatten(2).any(-1),
            "preview_points": points,
        }
