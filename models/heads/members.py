"""The members that put a head on the store's embeddings and metadata."""

from __future__ import annotations

from lsdc.models.heads.boosted import LightGBMHead, XGBoostHead
from lsdc.models.heads.forest import ForestHead
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.heads.logistic import LogisticHead
from lsdc.models.heads.neural import NeuralHead


class LightGBM(HeadMember):
    """Gradient-boosted trees (LightGBM) on compressed embeddings, metadata and context.

    Parameters
    ----------
    seed : int
        Decides which rows and columns each tree sees; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    name = "lightgbm"
    about = "gradient-boosted trees (LightGBM) on compressed embeddings, metadata and context"
    head = LightGBMHead


class XGBoost(HeadMember):
    """Gradient-boosted trees (XGBoost) on compressed embeddings, metadata and context.

    Parameters
    ----------
    seed : int
        Decides which rows and columns each tree sees; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    name = "xgboost"
    about = "gradient-boosted trees (XGBoost) on compressed embeddings, metadata and context"
    head = XGBoostHead


class Mlp(HeadMember):
    """A two-layer neural network on compressed embeddings, metadata and context.

    Parameters
    ----------
    seed : int
        Decides first weights, dropout and the order of rows; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    name = "mlp"
    about = "a two-layer neural network on compressed embeddings, metadata and context"
    head = NeuralHead


class Forest(HeadMember):
    """A random forest on compressed embeddings, metadata and context.

    Parameters
    ----------
    seed : int
        Decides which rows and columns each tree sees; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    name = "forest"
    about = "a random forest on compressed embeddings, metadata and context"
    head = ForestHead


class Logistic(HeadMember):
    """Logistic regression on compressed embeddings, metadata and context.

    Parameters
    ----------
    seed : int
        Decides the randomized principal components; 0 by default.
    options : Options, optional
        Kept, and of no consequence: heads have nothing to choose.
    """

    name = "logistic"
    about = "logistic regression on compressed embeddings, metadata and context"
    head = LogisticHead
