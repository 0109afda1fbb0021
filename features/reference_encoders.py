"""Features of crops that need no training on spines: yardsticks that an encoder must beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lsdc.runtime.paths import PathLike

Crop = NDArray[np.uint8]
"""A gray image (rows, columns) of any size, with values from 0 to 255."""
_NETWORK_PX = 96
_PER_BATCH = 128


def resize_crops(crops: Sequence[Crop], width: int, height: int) -> NDArray[np.uint8]:
    """Stretch crops to one size, whatever their proportions.

    Parameters
    ----------
    crops : sequence of (rows, columns) uint8
        Gray images.
    width, height : int
        Size of the results, px.

    Returns
    -------
    (n, height, width) uint8
        Interpolated linearly.

    Examples
    --------
    >>> resize_crops([np.zeros((5, 9), np.uint8), np.ones((40, 30), np.uint8)], 16, 8).shape
    (2, 8, 16)
    """
    return np.stack([
        np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.BILINEAR)) for crop in crops
    ])  # fmt: skip


def pixel_features(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Describe crops by their pixels after shrinking to 16 x 8: the simplest features there are.

    Parameters
    ----------
    crops : sequence of (rows, columns) uint8
        Gray images.

    Returns
    -------
    (n, 128) float
        Gray values from 0 to 1, row by row.
    """
    return resize_crops(crops, 16, 8).reshape(len(crops), -1) / 255.0


def texture_features(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Describe crops by histograms of gradients and of local binary patterns, after resizing to 64 x 32.

    Parameters
    ----------
    crops : sequence of (rows, columns) uint8
        Gray images.

    Returns
    -------
    (n, 266) float
        Eight gradient directions in each of 32 blocks, then fractions of the ten uniform patterns.

    References
    ----------
    Dalal & Triggs, CVPR 2005 (gradients); Ojala et al., IEEE PAMI 24, 2002 (patterns).
    """
    from skimage.feature import hog, local_binary_pattern

    features = []
    for image in resize_crops(crops, 64, 32):
        patterns = local_binary_pattern(image, 8, 1, "uniform").astype(int)
        gradients = hog(image, orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1))
        features.append(np.append(gradients, np.bincount(patterns.ravel(), minlength=10) / patterns.size))
    return np.array(features)


def mobilenet_features(crops: Sequence[Crop], weights: PathLike | None = None) -> NDArray[np.float32]:
    """Embed crops with timm's MobileNetV2, random or with given weights, after resizing to 96 x 96.

    Parameters
    ----------
    crops : sequence of (rows, columns) uint8
        Gray images; each becomes three equal channels from -1 to 1.
    weights : path, optional
        Safetensors of `mobilenetv2_100` with 1,001 classes, as converted from TensorFlow's ImageNet weights; by
        default random weights, the same in every call.

    Returns
    -------
    (n, 1280) float32
        Pooled features.

    Raises
    ------
    RuntimeError
        When the file does not fit the network.
    """
    import timm
    import torch
    from safetensors.torch import load_file
    from torch.nn import ReLU6

    torch.manual_seed(0)
    network: Any = timm.create_model("mobilenetv2_100", num_classes=1001, pad_type="same", act_layer=ReLU6)
    if weights is not None:
        network.load_state_dict(load_file(Path(weights)))
    network.eval().reset_classifier(0)
    resized = torch.from_numpy(resize_crops(crops, _NETWORK_PX, _NETWORK_PX))
    images = resized.float()[:, None].expand(-1, 3, -1, -1) / 127.5 - 1
    with torch.inference_mode():
        return np.concatenate([network(batch).numpy() for batch in images.split(_PER_BATCH)])
