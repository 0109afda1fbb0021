"""A store's arrays: read by study, nothing kept; and where the targets lie in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from lsdc.models.examples import Examples
from lsdc.models.store_arrays import LOCATION_COLUMNS, StoreArrays, read_locations
from lsdc.models.targets import GRADED_VIEW, SWAPPED
from lsdc.testing.planted_examples import make_examples


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return make_examples(4, folder=tmp_path_factory.mktemp("arrays") / "store")


def arrays_of(examples: Examples) -> StoreArrays:
    assert examples.arrays is not None
    return examples.arrays


def test_only_the_view_in_which_a_condition_is_graded_can_be_read(examples: Examples) -> None:
    chosen, arrays = np.array([2, 0]), arrays_of(examples)
    whole, graded = (arrays.crops(chosen, graded_view_only=only) for only in (False, True))
    assert graded.shape == (2, 25, 1, *whole.shape[3:])
    for k, view in enumerate(GRADED_VIEW):
        assert_array_equal(graded[:, k, 0], whole[:, k, view])


def test_some_studies_are_those_studies(examples: Examples) -> None:
    whole = arrays_of(examples)
    some = examples.where(examples.rows["study_id"].isin(["1", "3"]))
    assert_array_equal(arrays_of(some).crops(np.array([1])), whole.crops(np.array([3])))
    again = some.where(some.rows["study_id"] == "3")
    assert_array_equal(arrays_of(again).previews(np.array([0])), whole.previews(np.array([3])))
    assert_array_equal(arrays_of(again).volumes(np.array([0])), whole.volumes(np.array([3])))


def test_fingerprints_tell_selections_apart(examples: Examples) -> None:
    whole = arrays_of(examples)
    assert whole.fingerprint() == whole.select(np.arange(4)).fingerprint()
    assert whole.fingerprint() != whole.select(np.arange(3)).fingerprint()


def test_unknown_locations_are_nan(examples: Examples) -> None:
    rows = examples.rows.copy()
    rows.loc[:24, list(LOCATION_COLUMNS)] = -1.0
    found = read_locations(rows, np.arange(4))
    assert list(found) == list(LOCATION_COLUMNS)
    for name, value in found.items():
        assert torch.isnan(value[0]).all() == (name in ("volume_slice", "preview"))
        assert torch.isfinite(value[1:]).all()


def test_some_columns_of_some_studies_can_be_read(examples: Examples) -> None:
    found = read_locations(examples.rows, np.array([3, 1]), ("head_mm", "preview_x"))
    assert list(found) == ["head_mm", "preview_x"]
    wanted = examples.rows["preview_x"].to_numpy().reshape(-1, 25)[[3, 1]]
    assert_array_equal(found["preview_x"].numpy(), wanted)


def test_swapped_is_its_own_inverse() -> None:
    assert_array_equal(SWAPPED[SWAPPED], np.arange(25))
