"""The one sampler of moved images and volumes: affine maps, and grids of positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def turn_matrix(angle: Tensor, zoom: Tensor, shift: Tensor) -> Tensor:
    """Build affine maps that turn within the plane of a slice, scale every axis, and shift.

    Parameters
    ----------
    angle : (n,) float Tensor
        Radians.
    zoom : (n, axes) float Tensor
        Factor of each axis, columns first (2 axes for images, 3 for volumes); values above 1 show more of it.
    shift : (n, axes) float Tensor
        In half sides of the image.

    Returns
    -------
    (n, axes, axes + 1) float Tensor
        From positions in the result to positions in the source, both from -1 to 1.

    Examples
    --------
    >>> matrix = turn_matrix(torch.zeros(1), torch.full((1, 2), 1.5), torch.zeros(1, 2))
    >>> matrix.shape, matrix[0].diagonal()
    (torch.Size([1, 2, 3]), tensor([1.5000, 1.5000]))
    """
    axes = zoom.shape[1]
    matrix = torch.zeros((len(angle), axes, axes + 1), dtype=zoom.dtype, device=zoom.device)
    matrix[:, 0, 0], matrix[:, 0, 1] = torch.cos(angle) * zoom[:, 0], -torch.sin(angle)
    matrix[:, 1, 0], matrix[:, 1, 1] = torch.sin(angle), torch.cos(angle) * zoom[:, 1]
    for axis in range(2, axes):
        matrix[:, axis, axis] = zoom[:, axis]
    matrix[:, :, axes] = shift
    return matrix


def affine_sample(
    values: Tensor,
    matrix: Tensor,
    *,
    size: Sequence[int] | None = None,
    bend: Tensor | None = None,
    outside: str = "border",
) -> Tensor:
    """Sample images or volumes through affine maps.

    Parameters
    ----------
    values : (n, c, rows, columns) or (n, c, slices, rows, columns) float Tensor
        What is sampled.
    matrix : (n, axes, axes + 1) float Tensor
        Maps of `turn_matrix`.
    size : sequence of int, optional
        Rows and columns (or slices, rows, columns) of the result; by default those of `values`.
    bend : (n, ..., axes) float Tensor, optional
        Displacement of each position, in half sides; columns come first.
    outside : str
        What lies beyond the edges: `border` continues the edge, `zeros` is black.

    Returns
    -------
    (n, c, ...) float Tensor
        Of the `size`.
    """
    shape = [len(values), values.shape[1], *(values.shape[2:] if size is None else size)]
    grid = functional.affine_grid(matrix, shape, align_corners=False)
    return sample(values, grid if bend is None else grid + bend, outside=outside)


def sample(values: Tensor, grid: Tensor, *, outside: str = "zeros") -> Tensor:
    """Interpolate images or volumes linearly at given positions; differentiable in the values and the positions.

    Parameters
    ----------
    values : (n, c, rows, columns) or (n, c, slices, rows, columns) float Tensor
        What is sampled.
    grid : (n, ..., axes) float Tensor
        Positions from -1 to 1, the outer edges of the first and the last pixel; columns come first.
    outside : str
        What lies beyond the edges: `border` continues the edge, `zeros` is black.

    Returns
    -------
    (n, c, ...) float Tensor
        A value per position.
    """
    return functional.grid_sample(values, grid, padding_mode=outside, align_corners=False)
