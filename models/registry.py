"""The members that can be asked for by name."""

from __future__ import annotations

from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.deep.detect_classify import DetectClassify
from lsdc.models.deep.embedding_ft import EmbeddingFt
from lsdc.models.deep.multilabel import MultiLabel
from lsdc.models.deep.multitask import MultiTask
from lsdc.models.deep.sequence import Sequence
from lsdc.models.deep.volume import Volume
from lsdc.models.heads.members import LightGBM, Mlp, XGBoost
from lsdc.models.member import Member
from lsdc.runtime import ConfigError

_ALL: tuple[type[Member], ...] = (
    LightGBM, XGBoost, Mlp, CropCnn, MultiTask, Sequence, Volume, DetectClassify, MultiLabel, EmbeddingFt
)  # fmt: skip
MEMBERS: dict[str, type[Member]] = {member.name: member for member in _ALL}
DEFAULT = ("lightgbm", "xgboost", "mlp")
"""Members that a laptop fits in a minute."""


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
