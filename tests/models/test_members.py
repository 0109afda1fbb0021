"""Every member with a head per family keeps the contract, an estimator of the user's choice too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import RandomForestClassifier
from support.member_contract import HeadContract

from lsdc.cohort.vocabulary import View
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.heads.forest import ForestHead
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.heads.severity_axis import SeverityAxis
from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.member import Member
from lsdc.models.registry import MEMBERS
from lsdc.runtime import ArtifactError
from lsdc.testing.member_contract import MemberContract, Parts
from lsdc.testing.planted_examples import WIDTH


class TestLightGBM(HeadContract):
    member = MEMBERS["lightgbm"]


class TestXGBoost(HeadContract):
    member = MEMBERS["xgboost"]


class TestMlp(HeadContract):
    member = MEMBERS["mlp"]


class TestLogistic(HeadContract):
    member = MEMBERS["logistic"]


class TestForest(HeadContract):
    member = MEMBERS["forest"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [("left", 0), ("right", 10**6), ("feature", 999), ("feature", -2), ("root", -1), ("value", -1.0)],
    )
    def test_arrays_that_make_no_tree_are_refused(
        self, fitted: Member, tmp_path: Path, name: str, value: float
    ) -> None:
        """A file from a stranger cannot make a prediction run for ever, or read elsewhere."""
        assert isinstance(fitted, HeadMember)
        head = next(head for head, _ in fitted.heads.values() if isinstance(head, ForestHead))
        wrong = ForestHead()
        wrong.arrays = {key: found.copy() for key, found in head.arrays.items()}
        wrong.arrays[name][0] = value
        wrong.save(tmp_path / "wrong.safetensors")
        with pytest.raises(ArtifactError, match="damaged model file"):
            ForestHead.load(tmp_path / "wrong.safetensors")

    def test_its_arrays_predict_what_the_library_does(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(300, 6)).astype(np.float32)
        y = np.digitize(X[:, 0] + X[:, 1], [0.5, 1.5])
        head = ForestHead({"trees": 50}).fit(X, y, X[:0], y[:0], 3)
        forest = RandomForestClassifier(50, min_samples_leaf=3, max_features=0.2, random_state=3)
        forest.fit(X, y, sample_weight=GRADE_WEIGHTS[y])
        assert_allclose(head.predict(X), forest.predict_proba(X), atol=1e-6)


class TestSeverityAxis(HeadContract):
    member = SeverityAxis
    damaged_manifests: ClassVar[Any] = (
        {"views": [["spinal", "no view"]]},
        *MemberContract.damaged_manifests,
    )

    def test_numbers_of_headers_do_not_matter(self, fitted: Member, parts: Parts) -> None:
        other = replace(parts[2], numeric=parts[2].numeric + 100)
        assert_array_equal(fitted.predict_proba(other), fitted.predict_proba(parts[2]))

    def test_a_target_whose_own_view_is_absent_gets_the_prior(self, fitted: Member, parts: Parts) -> None:
        embedding = parts[2].embedding.copy()
        own = list(View).index(View.SAGITTAL_T2)
        canal = (parts[2].rows["condition"] == "spinal_canal_stenosis").to_numpy()
        embedding[canal, own * WIDTH : (own + 1) * WIDTH] = np.nan
        found = fitted.predict_proba(replace(parts[2], embedding=embedding)).reshape(-1, 25, 3)
        assert np.allclose(found[:, :5], found[0, :5]) and not np.allclose(found[:, 5:], found[0, 5:])


class TestSklearnMember(HeadContract):
    foreign_manifests = HeadContract.foreign_manifests[:2]  # its name is whatever the user chose
    damaged_manifests: ClassVar[Any] = (*HeadContract.damaged_manifests, {"member": "../other"})

    @classmethod
    def make(cls, seed: int = 0) -> Member:
        return SklearnMember(RandomForestClassifier(40, min_samples_leaf=5), name="forest", seed=seed)
