"""README and pages: links lead to files, Python compiles and its names exist, command lines parse."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from _pytest.mark import ParameterSet

from lsdc.__main__ import COMMANDS, GROUPS, command_of, main
from lsdc.runtime.commands import run_command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
INLINE = re.compile(r"`(?P<code>lsdc(?:-\w+)? [^`]+)`")
COMMAND = re.compile(r"^(?:lsdc(?:-\w+)? \w|torchrun .*-m lsdc\.commands\.)")


def pages() -> list[Path]:
    """All Markdown pages that people read."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md"), *DOCS.rglob("*.md")])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_blocks() -> Iterator[tuple[str, str]]:
    for page in pages():
        for match in FENCE.finditer(page.read_text(encoding="utf-8")):
            if match["language"] == "python":
                code = "\n".join(line.removeprefix(match["indent"]) for line in match["code"].splitlines())
                yield name_of(page), code


def command_lines() -> Iterator[tuple[str, str]]:
    """Lines of code blocks that start one of the commands."""
    for page in pages():
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("    ") and COMMAND.match(line.strip()):
                yield name_of(page), line.strip()


def numbered(items: Iterable[tuple[str, str]]) -> list[ParameterSet]:
    """Test parameters whose ids are the page and a number."""
    return [pytest.param(text, id=f"{page}-{k}") for k, (page, text) in enumerate(items)]


def module_of(group: str) -> ModuleType:
    return importlib.import_module(f"lsdc.commands.{group}")


def split(line: str) -> tuple[str, list[str]]:
    """The group of commands that a line calls, and its arguments."""
    words = shlex.split(line, comments=True)
    if words[0] == "torchrun":
        start = words.index("-m")
        return words[start + 1].removeprefix("lsdc.commands."), words[start + 2 :]
    return (words[1], words[2:]) if words[0] == "lsdc" else (words[0].removeprefix("lsdc-"), words[1:])


def flags_of(kind: type) -> set[str]:
    """The flags of a command; those of nested dataclasses have no prefix."""
    found: set[str] = set()
    for field in fields(kind):
        nested = field.default
        found |= flags_of(type(nested)) if is_dataclass(nested) else {"--" + name_of_flag(kind, field.name)}
    return found | {"--help", "--version"}


def name_of_flag(kind: type, field: str) -> str:
    """How a field is spelled: as its annotation says, where the name is a word of Python's own."""
    annotation = get_type_hints(kind, include_extras=True)[field] if field == "model" else None
    names = [item.name for item in getattr(annotation, "__metadata__", ()) if getattr(item, "name", None)]
    return names[0] if names else field.replace("_", "-")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_relative_links_and_images_exist(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [match["target"].partition("#")[0] for match in LINK.finditer(text)]
    missing = [item for item in targets if item and "://" not in item and not (page.parent / item).exists()]
    assert missing == []


def test_there_are_examples_to_check() -> None:
    assert len(list(python_blocks())) >= 8
    assert len(list(command_lines())) >= 40


@pytest.mark.parametrize("code", numbered(python_blocks()))
def test_python_compiles_and_its_names_exist(code: str) -> None:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts = ast.unparse(node).split(".")
            if parts[0] == "lsdc" and all(part.isidentifier() for part in parts):
                resolve(parts)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lsdc":
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, alias.name) for alias in node.names)


def resolve(parts: list[str]) -> Any:
    """The object that a dotted name means; packages below lsdc are imported."""
    found: Any = importlib.import_module(parts[0])
    for part in parts[1:]:
        if not hasattr(found, part):
            found = importlib.import_module(f"{found.__name__}.{part}")
        else:
            found = getattr(found, part)
    return found


@pytest.mark.parametrize("line", numbered(command_lines()))
def test_command_lines_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group, words = split(line)
    ran = []
    if group in COMMANDS:
        monkeypatch.setattr(command_of(group), "run", lambda self: ran.append(self))
        assert main([group, *words]) == 0
        assert ran
        return
    assert group in GROUPS
    module = module_of(group)
    for kind in module.COMMANDS.values():
        monkeypatch.setattr(kind, "run", lambda self: ran.append(self))
    assert run_command(module.COMMANDS, f"lsdc-{group}", module.DESCRIPTION, words) == 0
    assert ran or {"--help", "-h", "--version"} & set(words)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_in_sentences_exist(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        pytest.skip("it names commands of the past")
    for match in INLINE.finditer(page.read_text(encoding="utf-8").replace("\n", " ")):
        group, words = split(match["code"])
        if group.startswith("-") or group.isupper():
            continue
        flags = {word for word in words if word.startswith("--")}
        if group in COMMANDS:
            assert flags <= flags_of(command_of(group)), match["code"]
            continue
        assert group in GROUPS, match["code"]
        commands = module_of(group).COMMANDS
        assert words[0] in commands, match["code"]
        assert flags <= flags_of(commands[words[0]]), match["code"]


@pytest.mark.parametrize("page", sorted((DOCS / "api").glob("*.md")), ids=lambda page: page.stem)
def test_reference_has_every_public_name(page: Path) -> None:
    spec = importlib.util.spec_from_file_location("faces", DOCS / "hooks" / "faces.py")
    assert spec is not None and spec.loader is not None
    faces = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(faces)
    for package in faces.FACE.findall(page.read_text(encoding="utf-8")):
        names = faces.names(package)
        assert names
        for name in names:
            assert resolve(name.split(".")) is not None


def test_images_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (DOCS / "images").iterdir()}
    assert sizes
    assert max(sizes.values()) < 300_000, sizes


def test_inclusion_marks_are_whole() -> None:
    marks = [
        line for page in pages() for line in page.read_text(encoding="utf-8").splitlines() if "--8" in line
    ]
    assert marks and all(line.strip().startswith('--8<-- "') for line in marks)
