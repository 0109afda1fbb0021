"""Every member keeps the contract."""

from support.member_contract import HeadContract

from lsdc.models.registry import MEMBERS


class TestLightGBM(HeadContract):
    member = MEMBERS["lightgbm"]


class TestXGBoost(HeadContract):
    member = MEMBERS["xgboost"]


class TestMlp(HeadContract):
    member = MEMBERS["mlp"]
