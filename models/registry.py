"""The members that can be asked for by name."""

from __future__ import annotations

from lsdc.models.heads import LightGBMHead, XGBoostHead
from lsdc.models.member import HeadMember, Member
from lsdc.models.neural import NeuralHead
from lsdc.runtime import ConfigError


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


MEMBERS: dict[str, type[Member]] = {member.name: member for member in (LightGBM, XGBoost, Mlp)}


def member_class(name: str) -> type[Member]:
    """The member of that name.

    Raises
    ------
    ConfigError
        When there is none.
    """
    if name not in MEMBERS:
        raise ConfigError(f"members: {name!r} is unknown; expected some of {', '.join(MEMBERS)}")
    return MEMBERS[name]
