"""The members that put a head on the store's embeddings and metadata."""

from __future__ import annotations

from lsdc.models.heads.boosted import LightGBMHead, XGBoostHead
from lsdc.models.heads.neural import NeuralHead
from lsdc.models.member import HeadMember


class LightGBM(HeadMember):
    """LightGBM on embeddings, metadata and context."""

    name = "lightgbm"
    about = "gradient-boosted trees (LightGBM) on compressed embeddings, metadata and context"
    head = LightGBMHead


class XGBoost(HeadMember):
    """XGBoost on embeddings, metadata and context."""

    name = "xgboost"
    about = "gradient-boosted trees (XGBoost) on compressed embeddings, metadata and context"
    head = XGBoostHead


class Mlp(HeadMember):
    """A small neural network on embeddings, metadata and context."""

    name = "mlp"
    about = "a two-layer neural network on compressed embeddings, metadata and context"
    head = NeuralHead
