"""All images that one study adds to a store, and where its targets lie in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lsdc.features.array_files import ArraySizes, StudyArrays
from lsdc.features.crops import cut_crops
from lsdc.features.located_study import LocatedStudy
from lsdc.features.previews import cut_previews
from lsdc.features.store import VIEWS
from lsdc.features.volumes import cut_volume


@dataclass(frozen=True)
class StudyImages:
    """Crops, small volumes and previews of a study with n targets.

    Parameters
    ----------
    arrays : StudyArrays
        The images.
    in_volume : (n, 3) float32
        Slice, column and row of each target in the small volume of the view where it is graded; NaN where absent.
    in_preview : (n, 3) float32
        Preview, column and row of each target; NaN where absent.
    """

    arrays: StudyArrays
    in_volume: NDArray[np.float32]
    in_preview: NDArray[np.float32]


def cut_images(located: LocatedStudy, sizes: ArraySizes) -> StudyImages:
    """Cut everything that a store holds of a study.

    Parameters
    ----------
    located : LocatedStudy
        The study with its located targets.
    sizes : ArraySizes
        Sizes of crops, volumes and previews.

    Returns
    -------
    StudyImages
        Volumes of absent views are left out.
    """
    crops = cut_crops(located, sizes.crop_px)
    in_volume = np.full((len(located.locations), 3), np.nan, np.float32)
    volumes = {}
    for view in VIEWS:
        volume, points = cut_volume(located, view, sizes.volume_slices, sizes.volume_px)
        if volume is not None:
            volumes[view] = volume
        in_volume = np.where(np.isnan(in_volume), points, in_volume)
    previews, in_preview = cut_previews(located, sizes.preview_px)
    return StudyImages(StudyArrays(crops, volumes, previews), in_volume, in_preview)
