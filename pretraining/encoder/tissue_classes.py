"""Classes of tissues that pretraining tells apart, and what parts of a crop are made of."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lsdc.phantom.tissues import N_LABELS, Tissue

N_CLASSES = 11
_OTHER = 2
_CLASSES = {
    0: (Tissue.AIR, Tissue.GAS),
    1: (Tissue.FAT, Tissue.EPIDURAL_FAT, Tissue.STREAK),
    3: (Tissue.MARROW, Tissue.VEIN),
    4: (Tissue.CORTEX, Tissue.LIGAMENT, Tissue.SCLEROSIS),
    5: (Tissue.CSF, Tissue.FLUID),
    6: (Tissue.NERVE, Tissue.CORD, Tissue.ROOT),
    7: tuple(range(Tissue.NUCLEUS, Tissue.ANNULUS)),
    8: (*range(Tissue.ANNULUS, Tissue.EDEMA), Tissue.DISC_MATERIAL),
    9: (Tissue.EDEMA,),
    10: (Tissue.FATTY,),
}
"""Tissues of each class; muscle, organs and all others are in `_OTHER`."""


def composition(seen: Tensor, cells: int) -> Tensor:
    """Compute the fraction of each class of tissue in each cell of some crops.

    Parameters
    ----------
    seen : (n, rows, columns) Tensor of int64
        `Tissue`.
    cells : int
        Number of cells along each axis.

    Returns
    -------
    (n, N_CLASSES, cells, cells) Tensor of float
        Sums to 1 over the classes.
    """
    classes = torch.full((N_LABELS,), _OTHER)
    for number, tissues in _CLASSES.items():
        classes[[int(tissue) for tissue in tissues]] = number
    one_hot = functional.one_hot(classes.to(seen.device)[seen], N_CLASSES).permute(0, 3, 1, 2).float()
    return functional.adaptive_avg_pool2d(one_hot, cells)
