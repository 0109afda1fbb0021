"""A hook of MkDocs that fills the API pages.

`<!-- face: lsdc.cohort -->` becomes one entry for each public name of that package, and `<!-- commands: features -->`
one entry for each command of `lsdc-features`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LINKS = ROOT / "build" / "docs"
FLAGS_ONLY = """    options:
      show_root_heading: false
      heading_level: 3
      filters: ["!^_", "!^run$"]
"""
COMMANDS = re.compile(r"<!-- commands: (?P<group>\w+) -->")
FACE = re.compile(r"<!-- face: (?P<package>[\w.]+) -->")


def on_startup(**_: Any) -> None:
    """Link every package below build/docs under its import name, where the reader of docstrings expects it."""
    face = LINKS / "lsdc"
    face.mkdir(parents=True, exist_ok=True)
    targets = {path.name: path for path in (ROOT / "lsdc").iterdir() if path.name != "__pycache__"}
    rooms = {name.removeprefix("lsdc."): ROOT / folder for name, folder in _folders().items()}
    targets |= {name: folder for name, folder in rooms.items() if name != "lsdc" and "." not in name}
    for name, target in targets.items():
        if not (face / name).is_symlink():
            (face / name).symlink_to(target, target_is_directory=target.is_dir())


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Expand the comments that stand for a package's face and for a group of commands.

    Parameters
    ----------
    markdown : str
        A page.

    Returns
    -------
    str
        The page with one `::: package.Name` for each public name or command.
    """
    markdown = FACE.sub(
        lambda match: "\n\n".join(f"::: {name}" for name in names(match["package"])), markdown
    )
    return COMMANDS.sub(lambda match: commands(match["group"]), markdown)


def commands(group: str) -> str:
    """Make an entry for each command of a group.

    Parameters
    ----------
    group : str
        A module of `lsdc.commands`.

    Returns
    -------
    str
        Headings, and the documentation of the dataclass whose fields are the flags.
    """
    tree = ast.parse((ROOT / "lsdc" / "commands" / f"{group}.py").read_text(encoding="utf-8"))
    entries = []
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values):
                if (
                    isinstance(key, ast.Constant)
                    and isinstance(key.value, str)
                    and isinstance(value, ast.Name)
                ):
                    name = f"lsdc.commands.{group}.{value.id}"
                    entries.append(f"### {group} {key.value}\n\n::: {name}\n{FLAGS_ONLY}")
    return "\n\n".join(entries)


def names(package: str) -> list[str]:
    """List the public names of a package, as its stub (or else its `__init__.py`) imports them.

    Parameters
    ----------
    package : str
        Import name, such as `lsdc.cohort`.

    Returns
    -------
    list of str
        Full names in alphabetical order, without regard to case.
    """
    folder = ROOT / _folders()[package]
    stub = folder / "__init__.pyi"
    source = stub if stub.is_file() else folder / "__init__.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    if source is not stub:
        imports = [node for node in imports if node.level or (node.module or "").startswith("lsdc.")]
    found = {alias.asname or alias.name for node in imports for alias in node.names}
    return [f"{package}.{name}" for name in sorted(found, key=str.lower) if not name.startswith("_")]


def _folders() -> dict[str, str]:
    """Folder of each package, from pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["tool"]["setuptools"]["package-dir"])
