"""From painted signals to gray values: blur, coil, noise, filters, window, and JPEG compression; in batches."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

_JPEG, _JPEG_QUALITY = 0.1, (25.0, 95.0)
"""Fraction of images that were JPEG files once, and the range of their quality."""


def blurred(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur images with a Gaussian of their own width each.

    Written as products with banded matrices, which are many times faster than convolutions of one channel.

    Parameters
    ----------
    images : (n, c, rows, columns) Tensor of float
        Any scale.
    sigma : (n, 2) Tensor of float
        Standard deviation along rows and columns, px.

    Returns
    -------
    (n, c, rows, columns) Tensor of float
        Means are kept.
    """

    def smoother(size: int, width: Tensor) -> Tensor:
        cells = torch.arange(size, device=images.device)
        distance = (cells[:, None] - cells) / width.clamp_min(0.05)[:, None, None]
        weight = torch.exp(-0.5 * distance * distance)
        return weight / weight.sum(-1, keepdim=True)

    n, c, rows, columns = images.shape
    down = torch.bmm(smoother(rows, sigma[:, 0]), images.permute(0, 2, 1, 3).reshape(n, rows, c * columns))
    across = smoother(columns, sigma[:, 1]).transpose(1, 2)
    return torch.bmm(down.view(n, rows * c, columns), across).view(n, rows, c, columns).permute(0, 2, 1, 3)


def finished(signal: Tensor, generator: torch.Generator, gain: tuple[float, float] = (0.35, 1.5)) -> Tensor:
    """Turn signals into gray values: add coil shading, noise, filters, a window, gamma, and JPEG artifacts.

    Parameters
    ----------
    signal : (n, c, rows, columns) Tensor of float
        About 0 to 1.
    generator : torch.Generator
        Source of randomness, of the same device.
    gain : (float, float), default (0.35, 1.5)
        Least and greatest brightness.

    Returns
    -------
    (n, c, rows, columns) Tensor of float
        0 to 255, whole numbers.
    """
    n, _, rows, columns = signal.shape
    device = signal.device

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand((n, 1, 1, 1), generator=generator, device=device)

    coil = torch.randn((n, 1, 3, 3), generator=generator, device=device) * 0.3 * draw(0, 1)
    signal = signal * torch.exp(
        functional.interpolate(coil, (rows, columns), mode="bicubic", align_corners=True)
    )
    strength = (draw(0, 1) ** 2) * 0.11
    grainy = (signal + strength * torch.randn(signal.shape, generator=generator, device=device)).abs()
    soft = functional.avg_pool2d(grainy, 3, 1, 1, count_include_pad=False)
    amount = torch.where(draw(0, 1) < 0.5, draw(0, 1), draw(-0.9, 0))
    grainy = torch.lerp(grainy, soft, amount).clamp_min(0)
    window = grainy * torch.exp(draw(*(float(torch.tensor(value).log()) for value in gain))) - draw(
        -0.03, 0.06
    )
    shown = (window.clamp(0, 1) ** torch.exp(draw(-0.35, 0.35)) * 255).round()
    return _recompressed(shown, draw(0, 1), draw(*_JPEG_QUALITY))


def _recompressed(images: Tensor, probability: Tensor, quality: Tensor) -> Tensor:
    """Compress some of the images (n, c, rows, columns) as JPEG and read them back."""
    for number in (probability.flatten() < _JPEG).nonzero().flatten().tolist():
        for image in images[number]:
            with BytesIO() as file:
                Image.fromarray(image.byte().cpu().numpy()).save(file, "JPEG", quality=int(quality[number]))
                image.copy_(torch.from_numpy(np.array(Image.open(file))))
    return images
