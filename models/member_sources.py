"""Members that lsdc does not have: plug-ins of installed packages, and classes in modules on the path."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lsdc.models.member import Member, check_member_name
from lsdc.runtime import ConfigError

ENTRY_POINTS = "lsdc.members"
"""The entry point group under which an installed package registers members."""
_ATTRIBUTES = ("name", "about", "needs")
_METHODS = ("require", "fit", "predict_proba", "save", "load")


def plug_ins() -> dict[str, EntryPoint]:
    """Find the members that installed packages register; nothing is imported.

    Returns
    -------
    dict of str to EntryPoint
        By the names under which they are registered.
    """
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def load_plug_in(plug_in: EntryPoint) -> type[Member]:
    """Import the member of an installed package.

    Parameters
    ----------
    plug_in : EntryPoint
        One of `plug_ins()`.

    Returns
    -------
    type of Member
        The class.

    Raises
    ------
    ConfigError
        When the package breaks, or what it registers is no member or has another name.
    """
    where = f"members: the plug-in {plug_in.name!r} ({plug_in.value})"
    try:
        found = plug_in.load()
    except Exception as error:  # whatever goes wrong in somebody else's package
        raise ConfigError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    member = check_member(found, where)
    if member.name != plug_in.name:
        raise ConfigError(f"{where} holds a member named {member.name!r}; register it under that name")
    return member


def import_member(origin: str) -> type[Member]:
    """Import the class that `module:Class` names.

    Parameters
    ----------
    origin : str
        A module that can be imported, a colon, and the name of a class in it.

    Returns
    -------
    type of Member
        The class.

    Raises
    ------
    ConfigError
        When there is no such module or class, when the module breaks, or when the class is no member.
    """
    module, _, attribute = origin.partition(":")
    where = f"members: {origin!r}"
    if not module or not attribute or module.startswith("."):
        raise ConfigError(f"{where} is incomplete; expected module:Class")
    if "__main__" in module.split("."):
        raise ConfigError(f"{where}: a program is no module that has a member")
    if module.partition(".")[0] in sys.stdlib_module_names:
        # A stranger's model may name any module; importing some of these does things, and none has a member.
        raise ConfigError(f"{where}: the module is part of Python and has no member")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"{where}: there is no module {error.name!r} here") from error
    except (Exception, SystemExit) as error:  # whatever goes wrong in somebody else's module
        raise ConfigError(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{where}: the module {module} has no {attribute!r}")
        found = getattr(found, part)
    return check_member(found, where)


def check_member(found: Any, where: str) -> type[Member]:
    """Refuse what lacks a part of the `Member` protocol, and a name that cannot be a folder's.

    Parameters
    ----------
    found : object
        What should be a member's class.
    where : str
        The beginning of the error's message.

    Returns
    -------
    type of Member
        The class.

    Raises
    ------
    ConfigError
        With what is missing.
    """
    if not isinstance(found, type):
        raise ConfigError(f"{where} is not a class")
    missing = [name for name in _ATTRIBUTES if not isinstance(getattr(found, name, None), str)]
    missing += [name for name in _METHODS if not callable(getattr(found, name, None))]
    if missing:
        raise ConfigError(f"{where} is not a member: it lacks {', '.join(missing)}; see lsdc.models.Member")
    member: type[Member] = found
    check_member_name(member.name, where)
    return member
