"""Every member with a head per family keeps the contract, an estimator of the user's choice too."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.ensemble import RandomForestClassifier
from support.member_contract import HeadContract

from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.member import Member
from lsdc.models.registry import MEMBERS


class TestLightGBM(HeadContract):
    member = MEMBERS["lightgbm"]


class TestXGBoost(HeadContract):
    member = MEMBERS["xgboost"]


class TestMlp(HeadContract):
    member = MEMBERS["mlp"]


class TestSklearnMember(HeadContract):
    foreign_manifests = HeadContract.foreign_manifests[:2]  # its name is whatever the user chose
    damaged_manifests: ClassVar[Any] = (*HeadContract.damaged_manifests, {"member": "../other"})

    @classmethod
    def make(cls, seed: int = 0) -> Member:
        return SklearnMember(RandomForestClassifier(40, min_samples_leaf=5), name="forest", seed=seed)
