"""Label maps of one simulated patient, with the points and vertebrae that the localizer must find on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lsdc.phantom.label_maps import axial_label_maps, sagittal_label_maps
from lsdc.phantom.patient import Patient, landmarks
from lsdc.phantom.spine import FIRST_LUMBAR_DISC, Spine
from lsdc.phantom.tissues import N_DISCS, Tissue
from lsdc.slice_selector.square_images import ABSENT, PRESENT, UNKNOWN
from lsdc.slice_selector.vertebra_classes import class_of_disc

PIXEL_MM = 1.2
"""Side of a pixel of the label maps, mm."""
_HEAD_MM, _BACK_MM = np.arange(-178, 192, PIXEL_MM), np.arange(-150, 150, PIXEL_MM)
"""Positions z and y in patient space of the rows (from below) and columns of sagittal maps."""
MAP_MM = len(_BACK_MM) * PIXEL_MM, len(_HEAD_MM) * PIXEL_MM
"""Width and height of sagittal maps, mm."""
_AXIAL_MM = np.arange(-130, 130, PIXEL_MM)
_HALVES_MM = np.array([-1.3, 1.3])
"""Position of a slice's near and far half, from its middle."""
_CANAL_REACH_MM, _FORAMEN_REACH_MM, _BESIDE_MM = 5.5, 4.0, 10.0
"""Distance from a slice within which a canal or foraminal point is shown on it, and beyond which it is absent."""
_BONE = [Tissue.MARROW, Tissue.CORTEX, Tissue.VEIN, Tissue.EDEMA, Tissue.FATTY, Tissue.SCLEROSIS]


class PatientMaps(NamedTuple):
    """Label maps of one kind from one patient; the arrays are those of `LabelMaps`.

    Parameters
    ----------
    labels : (n, 2, rows, columns) uint8
        `Tissue` of the near and the far half of each slice.
    points : (n, channels, 2) float32
        Column and row, px of the map.
    state : (n, channels) int8
        `UNKNOWN`, `PRESENT` or `ABSENT`.
    classes : (n, ceil(rows / 2), ceil(columns / 2)) uint8
        Vertebra or disc that every other pixel shows; see `vertebra_classes`. Axial maps have none: (n, 0, 0).
    """

    labels: NDArray[np.uint8]
    points: NDArray[np.float32]
    state: NDArray[np.int8]
    classes: NDArray[np.uint8]


def draw_sagittal_maps(patient: Patient, rng: np.random.Generator) -> PatientMaps:
    """Label five sagittal slices: two near the midline, one through the foramina of each side, one off the spine.

    Parameters
    ----------
    patient : Patient
        Simulated.
    rng : numpy Generator
        Decides where exactly the slices lie.

    Returns
    -------
    PatientMaps
        Ordered from the patient's right to left, head up, anterior at the left. Ten channels: canal, then foramen of
        the nearer side, of the five levels.
    """
    marks = landmarks(patient.spine)
    across = marks[:3, :, 0].mean(axis=1)
    sides = across[1:] + rng.normal(0, 2.0, 2)
    middle = rng.normal(across[0], [1.0, 3.0])
    slices = np.sort([*middle, *sides, rng.choice([-1, 1]) * rng.uniform(24, 60)])
    x = (slices[:, None] + _HALVES_MM).ravel()
    shape = (len(slices), len(_HALVES_MM), len(_HEAD_MM), len(_BACK_MM))
    labels = sagittal_label_maps(patient, x, _HEAD_MM, _BACK_MM)[:, ::-1].reshape(shape)
    shown = [_sagittal_points(marks, position) for position in slices]
    return PatientMaps(
        np.ascontiguousarray(labels),
        np.stack([points for points, _ in shown]),
        np.stack([state for _, state in shown]),
        _vertebra_classes(patient.spine, labels[:, 0, ::2, ::2]),
    )


def _sagittal_points(
    marks: NDArray[np.float64], position: float
) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Points (10, 2) px and their states (10,) on the slice at x = `position` mm."""
    points = np.full((10, 2), np.nan, np.float32)
    state = np.zeros(10, np.int8)
    distance = np.abs(marks[:3, :, 0] - position)
    side = 1 + int(distance[2].mean() < distance[1].mean())
    for group, (row, reach) in enumerate(((0, _CANAL_REACH_MM), (side, _FORAMEN_REACH_MM))):
        channels = slice(5 * group, 5 * group + 5)
        place = np.stack([marks[row, :, 1] - _BACK_MM[0], _HEAD_MM[-1] - marks[row, :, 2]], 1)
        points[channels] = place / PIXEL_MM
        shown, gone = distance[row] < reach, distance[row] > _BESIDE_MM
        state[channels] = np.select([shown, gone], [PRESENT, ABSENT], UNKNOWN)
    return points, state


def _vertebra_classes(spine: Spine, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Vertebra or disc of every other pixel; bone counts where the vertebral bodies are."""
    v, s = (part[::-1][::2, ::2] for part in spine.from_sagittal(*np.meshgrid(_BACK_MM, _HEAD_MM)))
    vertebra = 1 + 2 * np.searchsorted(-spine.disc_center, -s)
    body = np.isin(labels, _BONE) & (v > -1.05 * spine.depth.max()) & (v < 1.5)
    classes = np.where(body, vertebra, 0)
    for k in range(N_DISCS):
        classes[np.isin(labels, (Tissue.NUCLEUS + k, Tissue.ANNULUS + k))] = class_of_disc(k)
    return classes.astype(np.uint8)


def draw_axial_maps(patient: Patient, rng: np.random.Generator) -> PatientMaps:
    """Label one axial slice along each lumbar disc, or near it.

    Parameters
    ----------
    patient : Patient
        Simulated.
    rng : numpy Generator
        Decides distance and tilt against the disc.

    Returns
    -------
    PatientMaps
        Five maps, anterior up, the patient's left at the right. Two channels: left and right lateral recess.
    """
    marks, spine = landmarks(patient.spine), patient.spine
    labels, points = [], []
    for level in range(5):
        disc = FIRST_LUMBAR_DISC + level
        s, tilt = spine.disc_center[disc], np.deg2rad(rng.normal(0, 5))
        offset, angle = rng.normal(0, 2.5), float(spine.tilt(s)) + tilt
        labels.append(axial_label_maps(patient, disc, offset + _HALVES_MM, _AXIAL_MM, _AXIAL_MM, tilt))
        origin = np.array([np.interp(s, spine.curve_s, curve) for curve in (spine.curve_y, spine.curve_z)])
        back = (marks[3:5, level, 1:] - origin) @ np.array([np.cos(angle), np.sin(angle)])
        place = np.stack([marks[3:5, level, 0] - _AXIAL_MM[0], back - _AXIAL_MM[0]], 1)
        points.append(place / PIXEL_MM)
    state = np.full((5, 2), PRESENT, np.int8)
    return PatientMaps(np.array(labels), np.array(points, np.float32), state, np.zeros((5, 0, 0), np.uint8))
