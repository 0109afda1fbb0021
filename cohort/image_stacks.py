"""Images without DICOM headers, made into stacks of upright slices: the work behind `Study.from_images`."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lsdc.cohort.dicom.files import natural_key, path_text
from lsdc.cohort.geometry import CANONICAL_AXES, SlicePlane, anatomical_normal
from lsdc.cohort.vocabulary import View
from lsdc.runtime import LsdcError
from lsdc.runtime.paths import PathLike

Images = PathLike | Sequence[ArrayLike | PathLike] | NDArray
"""The slices of one view: arrays, image files, or a folder of image files."""
T = TypeVar("T")
PerView = Mapping[View, T] | Mapping[str, T]
"""One value for each view; the keys are views or their names, such as `Axial T2`."""

ORDERS = {"sagittal": ("right_to_left", "left_to_right"), "axial": ("foot_to_head", "head_to_foot")}
"""How given slices may run, by plane; the first is the default and the order of a `Series`."""
SUFFIXES = (".png", ".jpg", ".jpeg")
"""The files that are taken from a folder."""
_FORMATS = ("PNG", "JPEG")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")


class ImagesError(LsdcError):
    """Images cannot be made into a study."""


@dataclass(frozen=True)
class GivenImage:
    """One image as it was given.

    Parameters
    ----------
    pixels : (rows, columns) float32
        Gray values, unscaled.
    dtype : str
        Type of the values before they became float32.
    number : int
        Place in the sequence given, from 1.
    source : str
        The file, or `image N`.
    """

    pixels: NDArray[np.float32]
    dtype: str
    number: int
    source: str


@dataclass(frozen=True)
class ImageStack:
    """The slices of one view with their planes.

    Parameters
    ----------
    view : View
        The view.
    images : tuple of GivenImage
        From right to left (sagittal) or foot to head (axial).
    planes : tuple of SlicePlane
        One per image: upright, parallel, the stack centered on the origin of patient space.
    metadata : dict of str to float
        Sizes and distances under the names of `Series.metadata`.
    """

    view: View
    images: tuple[GivenImage, ...]
    planes: tuple[SlicePlane, ...]
    metadata: dict[str, float]


def stack_images(
    images: Images | PerView[Images],
    view: View | str | None,
    spacing: tuple[float, float] | PerView[tuple[float, float]],
    slice_distance: float | PerView[float],
    order: str | PerView[str] | None,
) -> list[ImageStack]:
    """Read images and give them planes; `Study.from_images` explains the arguments.

    Parameters
    ----------
    images : sequence of array or path, or path, or mapping of View or str to these
        The slices of one view or of several.
    view : View or str or None
        The view of the images; None with a mapping.
    spacing : (float, float), or mapping of View or str to that
        mm between rows, mm between columns.
    slice_distance : float, or mapping of View or str to that
        mm between neighboring slices.
    order : str, or mapping of View or str to that, or None
        A name in `ORDERS`; None for the default of each plane.

    Returns
    -------
    list of ImageStack
        One per view, in the order given.

    Raises
    ------
    ImagesError
        When an image or an argument cannot work.
    """
    if isinstance(images, Mapping):
        if view is not None:
            raise ImagesError("view must be left out where images is a mapping, whose keys name the views")
        by_view = _by_view(images, "images")
    elif view is None:
        raise ImagesError("view is needed where images is not a mapping of views to images")
    else:
        by_view = {_known_view(view, "view"): images}
    if not by_view:
        raise ImagesError("images names no view; give at least one")
    return [
        _stack(
            item,
            _read_images(slices, item),
            _spacing_of(_of_view(spacing, item, "spacing"), item),
            _positive(_of_view(slice_distance, item, "slice_distance"), "slice_distance", item),
            _is_reversed(None if order is None else _of_view(order, item, "order"), item),
        )
        for item, slices in by_view.items()
    ]


def _stack(
    view: View, images: list[GivenImage], spacing: tuple[float, float], distance: float, is_reversed: bool
) -> ImageStack:
    """Order the images of a view anatomically and place them side by side around the origin."""
    ordered = images[::-1] if is_reversed else images
    axes = CANONICAL_AXES[view.plane]
    normal, right, down = anatomical_normal(axes), np.array(axes[0]), np.array(axes[1])
    planes = []
    for k, image in enumerate(ordered):
        rows, columns = image.pixels.shape
        corner = -right * spacing[1] * (columns - 1) / 2 - down * spacing[0] * (rows - 1) / 2
        x, y, z = normal * (k - (len(ordered) - 1) / 2) * distance + corner
        planes.append(SlicePlane((float(x), float(y), float(z)), *axes, spacing))
    metadata = {
        "rows": float(np.median([image.pixels.shape[0] for image in ordered])),
        "columns": float(np.median([image.pixels.shape[1] for image in ordered])),
        "row_spacing_mm": spacing[0],
        "column_spacing_mm": spacing[1],
        "spacing_between_slices_mm": distance,
        "n_slices": float(len(ordered)),
    }
    return ImageStack(view, tuple(ordered), tuple(planes), metadata)


def _read_images(images: Images, view: View) -> list[GivenImage]:
    """Read all images of a view, and check that their values can be compared."""
    if isinstance(images, str | os.PathLike):
        images = _files_of(Path(images))
    read = [_read_image(image, number) for number, image in enumerate(images, start=1)]
    if not read:
        raise ImagesError(f"{view}: no image; give at least one")
    for image in read[1:]:
        if image.dtype != read[0].dtype:
            raise ImagesError(
                f"{view}: {image.source} holds {image.dtype} and {read[0].source} holds {read[0].dtype}; "
                "give all images of a view with the same type of values"
            )
    return read


def _files_of(path: Path) -> list[Path]:
    """List the image files of a folder in natural order."""
    if not path.is_dir():
        remedy = "give a folder, or the files in a list"
        raise ImagesError(
            f"{path_text(path)}: {'not a folder' if path.exists() else 'no such folder'}; {remedy}"
        )
    files = [
        item for item in path.iterdir() if item.suffix.lower() in SUFFIXES and not item.name.startswith(".")
    ]
    if not files:
        raise ImagesError(f"{path_text(path)}: the folder holds no image; expected {', '.join(SUFFIXES)}")
    return sorted(files, key=natural_key)


def _read_image(image: ArrayLike | PathLike, number: int) -> GivenImage:
    """Read one image, and check that it holds finite numbers in rows and columns."""
    if isinstance(image, str | os.PathLike):
        source = path_text(Path(image))
        values = _read_pixels(Path(image), source)
    else:
        source = f"image {number}"
        values = np.asarray(image)
    if values.dtype.kind not in "biuf":
        raise ImagesError(f"{source}: holds {values.dtype}; expected numbers")
    if values.ndim != 2 or not values.size:
        raise ImagesError(
            f"{source}: has the shape {values.shape}; expected (rows, columns), both at least 1"
        )
    pixels = values.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise ImagesError(f"{source}: holds values that are not finite; replace them")
    return GivenImage(pixels, str(values.dtype), number, source)


def _read_pixels(path: Path, source: str) -> NDArray:
    """Decode an image file; colors become gray, deep gray values stay as they are."""
    from PIL import Image

    try:
        with Image.open(path, formats=_FORMATS) as image:
            return np.asarray(image if image.mode in _DEEP_MODES else image.convert("L"))
    except FileNotFoundError:
        raise ImagesError(f"{source}: no such file") from None
    except Exception as error:  # a damaged file can make a decoder fail in any way
        formats = " or ".join(_FORMATS)
        raise ImagesError(
            f"{source}: cannot be read as {formats} ({type(error).__name__}); save it again"
        ) from error


def _by_view(values: PerView[T], name: str) -> dict[View, T]:
    """Check the keys of a mapping by view."""
    result = {_known_view(view, name): value for view, value in values.items()}
    if len(result) < len(values):
        raise ImagesError(f"{name} names a view twice; give each once")
    return result


def _of_view(values: T | PerView[T], view: View, name: str) -> T:
    """Pick what an argument holds for a view: one value for all of them, or one for each."""
    if not isinstance(values, Mapping):
        return values
    chosen = _by_view(values, name)
    if view not in chosen:
        raise ImagesError(f"{name} has no value for the view {view.value!r}")
    return chosen[view]


def _known_view(view: View | str, name: str) -> View:
    """Find the view with a name, or name the argument that holds an unknown one."""
    try:
        return View(view)
    except ValueError:
        known = ", ".join(repr(item.value) for item in View)
        raise ImagesError(f"{name}: unknown view {view!r}; expected one of {known}") from None


def _spacing_of(spacing: tuple[float, float], view: View) -> tuple[float, float]:
    """Check that spacing is two positive numbers."""
    try:
        rows, columns = spacing
    except (TypeError, ValueError):
        raise ImagesError(
            f"{view}: spacing must be two numbers (mm between rows, mm between columns), not {spacing!r}"
        ) from None
    return _positive(rows, "spacing", view), _positive(columns, "spacing", view)


def _positive(value: float, name: str, view: View) -> float:
    """Check that an argument is a positive, finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ImagesError(f"{view}: {name} must be positive and finite (mm), not {value!r}")
    return number


def _is_reversed(order: str | None, view: View) -> bool:
    """Check the order, and say whether it runs against that of a `Series`."""
    orders = ORDERS[view.plane]
    if order is not None and order not in orders:
        raise ImagesError(f"{view}: unknown order {order!r}; expected {' or '.join(map(repr, orders))}")
    return order == orders[1]
