"""What a report says of one target: a measurement group (TID 1410 with a point, TID 1501 without)."""

from __future__ import annotations

from typing import Any

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)

from lsdc.cohort.vocabulary import Grade
from lsdc.ensemble.weighting import Weighting
from lsdc.report.dicom_objects import concepts
from lsdc.report.dicom_objects.source_headers import SourceImage
from lsdc.report.graded_study import GradedTarget

Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations
_DECIMALS = 6


def group_of(
    item: GradedTarget,
    source: SourceImage | None,
    uid: str,
    algorithm: AlgorithmIdentification,
    weighting: Weighting,
) -> Group:
    """Say what was found of a target.

    Parameters
    ----------
    item : GradedTarget
        The target; one that was not seen or was refused gets neither grade nor probabilities.
    source : SourceImage or None
        The image on which it was located; None where there is none.
    uid : str
        Its tracking UID.
    algorithm : AlgorithmIdentification
        What graded it.
    weighting : `competition` or `none`
        What the probabilities are; those for the competition have other names.

    Returns
    -------
    measurement group
        Finding, site with side, status, grade, probabilities, reason, and the point where there is one.
    """
    target = item.target
    side = target.condition.side
    said: dict[str, Any] = {
        "tracking_identifier": TrackingIdentifier(uid=uid, identifier=target.slug),
        "finding_type": concepts.CONDITIONS[target.condition.family],
        "algorithm_id": algorithm,
        "finding_sites": [
            FindingSite(concepts.LEVELS[target.level], laterality=concepts.SIDES[side] if side else None)
        ],
        "measurements": _probabilities(item, weighting),
        "qualitative_evaluations": _answers(item),
    }
    group: Group
    if source is None:
        group = MeasurementsAndQualitativeEvaluations(**said)
    else:
        header = source.header
        region = ImageRegion(
            GraphicTypeValues.POINT,
            image_point(item.location.point),
            SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID, source.frames),
        )
        group = PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **said)
    if reason := _reason(item):
        comment = TextContentItem(concepts.COMMENT, reason, RelationshipTypeValues.CONTAINS)
        group[0].ContentSequence.append(comment)
    return group


def image_point(point: tuple[float, float]) -> np.ndarray:
    """Turn a point into image coordinates of DICOM, in which the first pixel's center is at (0.5, 0.5).

    Parameters
    ----------
    point : (float, float)
        Column and row, px; (0, 0) is the center of the first pixel.

    Returns
    -------
    (1, 2) float64
        Column and row, px; (0, 0) is the corner of the first pixel, and no value is below it.

    References
    ----------
    DICOM PS3.3, C.18.6.1.1.
    """
    return np.maximum(np.array([point], float) + 0.5, 0.0)


def _probabilities(item: GradedTarget, weighting: Weighting) -> list[Measurement]:
    """List the three numbers; none where the target has no grade."""
    if item.grade is None:
        return []
    names = concepts.PROBABILITIES[weighting]
    return [
        Measurement(names[grade], round(float(value), _DECIMALS), concepts.NO_UNIT)
        for grade, value in zip(Grade, item.probabilities)
    ]


def _answers(item: GradedTarget) -> list[QualitativeEvaluation]:
    """Say whether the target was seen and, if so, how it was graded."""
    answers = [QualitativeEvaluation(concepts.VISIBILITY, concepts.STATUSES[item.location.status])]
    if item.grade is not None:
        answers.append(QualitativeEvaluation(concepts.SEVERITY, concepts.GRADES[item.grade]))
    return answers


def _reason(item: GradedTarget) -> str:
    """Say why it is unsure, not seen, or has no grade."""
    words = [item.location.reason] if item.location.reason else []
    if item.grade is None:
        words.append("no grade is given")
    return "; ".join(words)
