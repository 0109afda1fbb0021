"""Every member keeps the contract."""

from support.member_contract import MemberContract

from lsdc.models import MEMBERS


class TestLightGBM(MemberContract):
    member = MEMBERS["lightgbm"]


class TestXGBoost(MemberContract):
    member = MEMBERS["xgboost"]


class TestMlp(MemberContract):
    member = MEMBERS["mlp"]
