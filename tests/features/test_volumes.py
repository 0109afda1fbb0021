import numpy as np
import pytest
from support.made_study import axial, locate_all, sagittal, study_of, whole_study

from lsdc.cohort.study import Study
from lsdc.cohort.vocabulary import TARGETS, View
from lsdc.features.crops import cutters_of
from lsdc.features.projections import find_projections
from lsdc.features.volumes import FIELD_MM, cut_previews, cut_volume


def parts(study):
    locations = locate_all(study)
    return study, locations, [find_projections(study, item) for item in locations], cutters_of(study)


def volume_of(study, view, slices=8, px=50):
    study, locations, projections, cutters = parts(study)
    return cut_volume(study, view, locations, projections, cutters, slices, px)


@pytest.mark.parametrize("view", View)
def test_targets_are_where_the_volume_says(view):
    volume, points = volume_of(whole_study(), view)
    assert volume.shape == (8, 50, 50) and volume.any(axis=(1, 2)).all()
    own = np.array([target.condition.view is view for target in TARGETS])
    assert np.isfinite(points[own]).all() and np.isnan(points[~own]).all()
    by_target = dict(zip(TARGETS, points * FIELD_MM[view] / 50))
    if view is View.AXIAL_T2:
        apart = [by_target[t.mirrored] - by_target[t] for t in TARGETS[15:20]]
        np.testing.assert_allclose([delta[1:] for delta in apart], [(-18, 0)] * 5, atol=1e-3)
    else:
        one, two = (TARGETS[0], TARGETS[4]) if view is View.SAGITTAL_T2 else (TARGETS[5], TARGETS[9])
        np.testing.assert_allclose((by_target[two] - by_target[one])[1:], (12, 48), atol=1e-3)


def test_axial_volume_holds_all_series_from_foot_to_head():
    study = study_of(axial([10, 14, 18]), axial([-20, -16, -12]))
    volume, points = volume_of(study, View.AXIAL_T2, slices=6)
    order = [point[0] for point, target in zip(points, TARGETS) if target.condition.view is View.AXIAL_T2]
    assert len({picture.tobytes() for picture in volume}) == 6
    assert order[:5] == sorted(order[:5], reverse=True)


def test_an_absent_view_has_no_volume():
    volume, points = volume_of(study_of(sagittal()), View.AXIAL_T2)
    assert volume is None and np.isnan(points).all()


def test_previews_show_every_located_target():
    study, locations, projections, cutters = parts(whole_study())
    previews, points = cut_previews(study, locations, projections, cutters, 64)
    assert previews.any(axis=(1, 2)).all() and set(points[:, 0]) == set(range(8))
    assert ((points[:, 1:] > 0) & (points[:, 1:] < 63)).all()


def test_previews_of_nothing_are_black():
    previews, points = cut_previews(*parts(Study("nothing", ())), 16)
    assert not previews.any() and np.isnan(points).all()
