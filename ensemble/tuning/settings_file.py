"""The settings of members in a JSON file: a search writes it, `fit` takes it, and a person may edit it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lsdc.models.member import Member
from lsdc.models.options import Options
from lsdc.models.registry import Factory
from lsdc.models.search_space import Settings
from lsdc.runtime import ConfigError
from lsdc.runtime.artifact import read_json, write_json
from lsdc.runtime.console import say
from lsdc.runtime.paths import PathLike

SETTINGS = "settings.json"
"""Name of the file in the folder of a search."""


def read_settings(path: PathLike) -> dict[str, dict[str, float]]:
    """Read the settings of members.

    Parameters
    ----------
    path : path
        JSON such as `{"lightgbm": {"num_leaves": 4}}`.

    Returns
    -------
    dict of str to dict of str to float
        Settings by member.

    Raises
    ------
    ConfigError
        When it is no object of objects of numbers.
    ArtifactError
        When the file is absent or is no JSON.
    """
    content = read_json(Path(path))
    right = isinstance(content, dict) and all(
        isinstance(found, dict) and all(isinstance(value, int | float) for value in found.values())
        for found in content.values()
    )
    if not right:
        raise ConfigError(
            f'{path}: must hold settings by member, such as {{"lightgbm": {{"num_leaves": 4}}}}'
        )
    return {name: dict(found) for name, found in content.items()}


def write_settings(path: Path, settings: Mapping[str, Settings]) -> None:
    """Write the settings of members.

    Parameters
    ----------
    path : Path
        The file.
    settings : mapping of str to mapping of str to float
        Settings by member.
    """
    write_json(path, {name: dict(found) for name, found in settings.items()})


def with_settings(factories: Mapping[str, Factory], settings: Mapping[str, Settings]) -> dict[str, Factory]:
    """Let members be made with settings of their own.

    Parameters
    ----------
    factories : mapping of str to callable
        Members by name; see `lsdc.models.registry.resolve_members`.
    settings : mapping of str to mapping of str to float
        Settings by member; those of members that are not fitted are left out, which is said.

    Returns
    -------
    dict of str to callable
        The same members, checked to take their settings.

    Raises
    ------
    ConfigError
        When a member has no settings, or not these.
    """
    unused = [name for name in settings if name not in factories]
    if unused:
        say(f"settings of {', '.join(unused)} are not used; these members are not fitted")
    found = dict(factories)
    for name, chosen in settings.items():
        if name in factories:
            found[name] = partial(_configured, factories[name], chosen)
            found[name](0, Options())
    return found


def _configured(factory: Factory, settings: Settings, seed: int, options: Options) -> Member:
    """Make a member with settings."""
    member: Any = factory(seed, options)
    if not hasattr(member, "configured"):
        raise ConfigError(f"settings: the member {member.name!r} has none")
    configured: Member = member.configured(settings)
    return configured
