"""The members that can be asked for, and factories for those that somebody asks for."""

from __future__ import annotations

import importlib
import inspect
from collections import UserDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lsdc.models.heads.sklearn_member import SklearnMember
from lsdc.models.member import Member
from lsdc.models.member_sources import check_member, import_member, load_plug_in, plug_ins
from lsdc.models.options import Options
from lsdc.runtime import ArtifactError, ConfigError
from lsdc.runtime.console import warn

_BUILT_IN = {
    "lightgbm": "lsdc.models.heads.members:LightGBM",
    "xgboost": "lsdc.models.heads.members:XGBoost",
    "mlp": "lsdc.models.heads.members:Mlp",
    "logistic": "lsdc.models.heads.members:Logistic",
    "forest": "lsdc.models.heads.members:Forest",
    "crop_cnn": "lsdc.models.deep.crop_cnn:CropCnn",
    "multitask": "lsdc.models.deep.multitask:MultiTask",
    "sequence": "lsdc.models.deep.sequence:SliceSequence",
    "volume": "lsdc.models.deep.volume:Volume",
    "detect_classify": "lsdc.models.deep.detect_classify:DetectClassify",
    "multilabel": "lsdc.models.deep.multilabel:MultiLabel",
    "embedding_ft": "lsdc.models.deep.embedding_ft:EmbeddingFt",
}


class MembersByName(UserDict[str, Any]):
    """Members by name; the module of a built-in one, and torch where it needs that, is imported when it is asked for.

    Parameters
    ----------
    origins : mapping of str to str
        The built-in members: `module:Class` by name.
    """

    def __init__(self, origins: Mapping[str, str]) -> None:
        super().__init__(origins)

    def __getitem__(self, name: str) -> type[Member]:
        """Find a member's class.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        type of Member
            The class.
        """
        found = self.data[name]
        if isinstance(found, str):
            module, _, kind = found.partition(":")
            found = self.data[name] = getattr(importlib.import_module(module), kind)
        member: type[Member] = found
        return member


MEMBERS = MembersByName(_BUILT_IN)
"""The members that lsdc itself has, by name."""
MemberLike = str | type[Member] | SklearnMember
"""What names a member: a name, `module:Class`, a member's class, or a scikit-learn estimator as a member."""
Factory = Callable[[int, Options], Member]
"""Makes a new, unfitted member from a seed and options."""


def member_class(name: str) -> type[Member]:
    """Find the class of a member.

    Parameters
    ----------
    name : str
        A built-in member, one that an installed package registers under the entry point group `lsdc.members`, or
        `module:Class` for a class in a module that can be imported.

    Returns
    -------
    type of Member
        The class; its `name` is the name of its folder in a model and of its column in tables.

    Raises
    ------
    ConfigError
        When there is no such member, when its module cannot be imported, or when the class lacks what the `Member`
        protocol asks for.

    Examples
    --------
    >>> member_class("lightgbm").about
    'gradient-boosted trees (LightGBM) on compressed embeddings, metadata and context'
    >>> member_class("lsdc.models.heads.members:Mlp").name
    'mlp'
    """
    if name in MEMBERS:
        return MEMBERS[name]
    if ":" in name:
        return import_member(name)
    registered = plug_ins()
    if name in registered:
        return load_plug_in(registered[name])
    known = ", ".join(dict.fromkeys([*MEMBERS, *registered]))
    raise ConfigError(f"members: {name!r} is unknown; expected some of {known}, or module:Class")


def available_members() -> dict[str, type[Member]]:
    """List the members that can be asked for by name here: the built-in ones, then those of installed packages.

    A package whose plug-in cannot be loaded is reported on the console by name, and left out.

    Returns
    -------
    dict of str to type of Member
        The classes by name.
    """
    found = dict(MEMBERS)
    for name, plug_in in plug_ins().items():
        if name in MEMBERS:
            continue
        try:
            found[name] = load_plug_in(plug_in)
        except ConfigError as error:
            warn(str(error))
    return found


def resolve_members(members: Sequence[MemberLike]) -> dict[str, Factory]:
    """Turn what names members into factories, after checking that each can be used and comes once.

    Parameters
    ----------
    members : sequence
        Each item is a name (see `member_class`), `module:Class`, a member's class, or a `SklearnMember`.

    Returns
    -------
    dict of str to callable
        By the members' names, in the given order: `factory(seed, options)` makes a new, unfitted member.

    Raises
    ------
    ConfigError
        When a member is unknown, cannot be imported or is not a member, when one comes twice, or when none is given.

    Examples
    --------
    >>> list(resolve_members(["mlp", "lsdc.models.heads.members:XGBoost"]))
    ['mlp', 'xgboost']
    """
    if not isinstance(members, list | tuple):
        raise ConfigError(f"members must be a list, not {members!r}; put it into [ ]")
    factories: dict[str, Factory] = {}
    for item in members:
        name, factory = _factory(item)
        if name in factories:
            raise ConfigError(f"members: {name!r} comes twice; name each member once")
        factories[name] = factory
    if not factories:
        raise ConfigError(f"members: none is given; name some of {', '.join(MEMBERS)}, or module:Class")
    return factories


def origin_of(member: Member | type[Member]) -> str:
    """Say where a member's class is defined, for a model's manifest.

    Parameters
    ----------
    member : Member or type of Member
        The member or its class.

    Returns
    -------
    str
        `module:Class`, from which `member_from_origin` finds the class again.

    Examples
    --------
    >>> origin_of(MEMBERS["xgboost"])
    'lsdc.models.heads.members:XGBoost'
    """
    kind = member if isinstance(member, type) else type(member)
    return f"{kind.__module__}:{kind.__qualname__}"


def member_from_origin(name: str, origin: str | None) -> type[Member]:
    """Find the class of a fitted model's member where it was defined.

    No code is taken from the model: the module must be installed, or be on the path, of the one who asks.

    Parameters
    ----------
    name : str
        The member's name in the model.
    origin : str or None
        What `origin_of` gave when the model was fitted; None for models from before origins were kept.

    Returns
    -------
    type of Member
        The class, whose `load` reads the member's folders.

    Raises
    ------
    ArtifactError
        When the class cannot be imported here, or is not a member.

    Examples
    --------
    >>> member_from_origin("mlp", "lsdc.models.heads.members:Mlp").name
    'mlp'
    """
    if name in MEMBERS and (origin is None or _is_same_class(origin, MEMBERS[name])):
        return MEMBERS[name]
    try:
        return member_class(name) if origin is None else import_member(origin)
    except ConfigError as error:
        if origin is None:
            raise ArtifactError(
                f"member {name!r} is neither built in nor registered by an installed package here; "
                "install the package that has it"
            ) from error
        raise ArtifactError(
            f"member {name!r} comes from {origin!r}, which cannot be imported here; "
            f"install the package that has it, or put its folder on PYTHONPATH ({error})"
        ) from error


def _is_same_class(origin: str, member: type[Member]) -> bool:
    """Tell whether a built-in member is meant, wherever in lsdc it was defined when the model was fitted.

    A scikit-learn estimator of the user's, which is of another class, may have its name.
    """
    module, _, kind = origin.partition(":")
    return origin == origin_of(member) or (module.startswith("lsdc.") and kind == member.__qualname__)


def _factory(item: Any) -> tuple[str, Factory]:
    if isinstance(item, SklearnMember):
        return item.name, item.renewed
    if isinstance(item, str):
        kind = member_class(item)
    elif isinstance(item, type):
        kind = check_member(item, f"members: {item.__module__}:{item.__qualname__}")
    else:
        raise ConfigError(
            f"members: {item!r} is neither a name, nor module:Class, nor a member's class; "
            "wrap a scikit-learn estimator in SklearnMember"
        )
    if issubclass(kind, SklearnMember) and kind.name == SklearnMember.name:
        raise ConfigError(
            f"members: {origin_of(kind)!r} needs a class attribute `name`, by which models know it"
        )
    try:
        inspect.signature(kind).bind(0, Options())
    except TypeError as error:
        raise ConfigError(
            f"members: {origin_of(kind)!r} cannot be made from a seed and options ({error}); "
            "its __init__ must take (self, seed=0, options=None)"
        ) from error
    return kind.name, kind
