"""Pictures: read by study, nothing kept, mirrored as the store would mirror them."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.examples import make_examples, mirrored

from lsdc.models.store_arrays import PLACES, mirror, places
from lsdc.models.targets import OWN_VIEW, SWAPPED


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return make_examples(4, folder=tmp_path_factory.mktemp("pictures") / "store")


def batch_of(examples):
    chosen = np.arange(len(examples) // 25)
    pictures = examples.pictures
    return {
        "crops": torch.from_numpy(pictures.crops(chosen)),
        "volumes": torch.from_numpy(pictures.volumes(chosen)),
        "previews": torch.from_numpy(pictures.previews(chosen)),
        "grades": torch.from_numpy(examples.grades.reshape(-1, 25)),
        **places(examples.rows, chosen),
    }


def test_a_mirrored_batch_is_what_a_mirrored_store_holds(examples, tmp_path):
    other, _ = mirrored(examples, tmp_path / "mirrored")
    ours, theirs = mirror(batch_of(examples)), batch_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert_array_equal(ours[name], value, err_msg=name)


def test_twice_mirrored_is_the_same(examples):
    batch = batch_of(examples)
    for name, value in mirror(mirror(batch)).items():
        assert_allclose(value, batch[name], rtol=1e-5, err_msg=name)
    own = {"crops": torch.from_numpy(examples.pictures.crops(np.arange(4), own_view=True))}
    assert_array_equal(mirror(mirror(own))["crops"], own["crops"])


def test_the_own_view_is_the_one_the_condition_is_graded_in(examples):
    chosen = np.array([2, 0])
    whole, own = (examples.pictures.crops(chosen, own_view=only) for only in (False, True))
    assert own.shape == (2, 25, 1, *whole.shape[3:])
    for k, view in enumerate(OWN_VIEW):
        assert_array_equal(own[:, k, 0], whole[:, k, view])


def test_some_studies_are_those_studies(examples):
    some = examples.where(examples.rows["study_id"].isin(["1", "3"]))
    assert_array_equal(some.pictures.crops(np.array([1])), examples.pictures.crops(np.array([3])))
    again = some.where(some.rows["study_id"] == "3")
    assert_array_equal(again.pictures.previews(np.array([0])), examples.pictures.previews(np.array([3])))


def test_unknown_places_are_nan(examples):
    rows = examples.rows.copy()
    rows.loc[:24, list(PLACES)] = -1.0
    for name, value in places(rows, np.arange(4)).items():
        assert torch.isnan(value[0]).all() == (name in ("volume_slice", "preview"))
        assert torch.isfinite(value[1:]).all()


def test_swapped_is_its_own_inverse():
    assert_array_equal(SWAPPED[SWAPPED], np.arange(25))
