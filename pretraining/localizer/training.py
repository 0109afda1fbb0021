"""Train a localizer on images of label maps and of real pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.pretraining.drawing_ahead import DrawnAhead, drawing_workers
from lsdc.pretraining.localizer.label_maps import LabelMaps
from lsdc.pretraining.localizer.real_maps import RealMaps
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.pretraining.localizer.simulated_images import draw_images
from lsdc.runtime.recipe import History, Recipe
from lsdc.slice_selector.localizer import Localizer


@dataclass(frozen=True)
class LocalizerBatches:
    """Draws the batches of a training; picklable, so that other processes can.

    Parameters
    ----------
    kind : str
        `sagittal` or `axial`.
    maps : LabelMaps
        Of that kind.
    rows : (n,) int
        Those of the training patients.
    settings : LocalizerSettings
        The recipe.
    real : RealMaps, optional
        Real slices that are shown beside the simulated ones; for `sagittal`.
    """

    kind: str
    maps: LabelMaps
    rows: NDArray[np.int64]
    settings: LocalizerSettings
    real: RealMaps | None = None

    def __call__(self, epoch: int, step: int) -> tuple[Tensor, ...]:
        """Draw a batch.

        Parameters
        ----------
        epoch, step : int
            Which; the same give the same batch.

        Returns
        -------
        tuple of Tensor
            As `Localizer.learn` takes it, on the CPU. A quarter as many real images as simulated ones come after them.
        """
        rng = np.random.default_rng([self.settings.seed, epoch, step])
        rows = self.rows[rng.choice(len(self.rows), self.settings.batch)]
        images: tuple[Tensor, ...] = draw_images(self.maps, rows, self.kind, rng)
        if self.real is not None:
            beside = self.real.draw(max(1, self.settings.batch // 4), rng)
            images = tuple(torch.cat(pair) for pair in zip(images, beside))
        return images if images[3].numel() else images[:3]


def train_localizer(
    localizer: Localizer,
    maps: LabelMaps,
    rows: NDArray[np.int64],
    settings: LocalizerSettings,
    device: torch.device,
    checkpoint: Path | None = None,
    *,
    real: RealMaps | None = None,
    workers: int | None = None,
) -> History:
    """Train one network in place on images of some label maps.

    Parameters
    ----------
    localizer : Localizer
        Sagittal or axial.
    maps : LabelMaps
        Of the same kind.
    rows : (n,) int
        Those of the training patients.
    settings : LocalizerSettings
        The recipe.
    device : torch.device
        Where to train.
    checkpoint : Path, optional
        File written after each epoch, from which an interrupted training resumes.
    real : RealMaps, optional
        Real slices to learn from too; for the sagittal network.
    workers : int, optional
        Processes that draw batches for a GPU; by default one per core. On a CPU they are drawn in this process.

    Returns
    -------
    History
        Loss by epoch.
    """
    steps = settings.steps if localizer.kind == "sagittal" else max(1, settings.steps // 3)
    # Weights averaged along a path that does not settle carry over better to images of another kind (Izmailov et al.
    # 2018; Cha et al. 2021); here over its last tenth or so, because young averages follow faster.
    recipe = Recipe(
        settings.epochs, 2e-3, schedule="constant", weight_decay=0.02, ema=0.9995, seed=settings.seed
    )
    make = LocalizerBatches(localizer.kind, maps, rows, settings, real)
    with DrawnAhead(make, steps, settings.epochs, drawing_workers(device, workers)) as drawn:
        return localizer.learn(drawn.epoch, steps, recipe, device=device, checkpoint=checkpoint)
