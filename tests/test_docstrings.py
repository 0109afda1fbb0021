"""Every public function, class and method says what its arguments are and what it returns.

`python tests/test_docstrings.py lsdc.cohort` lists what is missing below a package.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from numpydoc.validate import validate

ROOT = Path(__file__).parents[1]
ROOMS = (
    "lsdc", "runtime", "cohort", "phantom", "metrics", "slice_selector", "features", "models", "pretraining",
    "ensemble", "report",
)  # fmt: skip
CHECKED = frozenset({"GL08", "SS01", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "RT03", "YD01"})
"""No docstring, no summary; parameters absent, unknown, out of order, without type or description; nothing said of
what is returned or yielded."""


def modules() -> Iterator[str]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if parts[-1] != "__main__":
                yield ".".join(parts if room == "lsdc" else ("lsdc", *parts))


def public_objects(module: str) -> Iterator[tuple[str, Any]]:
    """The public functions, classes and methods that a module defines."""
    for name, item in vars(importlib.import_module(module)).items():
        if name.startswith("_") or getattr(item, "__module__", None) != module:
            continue
        if inspect.isfunction(item):
            yield f"{module}.{name}", item
        elif inspect.isclass(item):
            yield f"{module}.{name}", item
            for own, value in vars(item).items():
                if not own.startswith(("_", "test_")) and (
                    inspect.isroutine(value) or isinstance(value, property)
                ):
                    yield f"{module}.{name}.{own}", value


def flags_documented(item: Any) -> bool:
    """Whether every field of a dataclass is followed by a string: the way of flags, which `--help` shows.

    A field that holds a group of flags is documented by the group's class.
    """
    if not dataclasses.is_dataclass(item):
        return False
    source: Any = item
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(source))).body
    assert isinstance(body, ast.ClassDef)
    fields = [
        k
        for k, node in enumerate(body.body)
        if isinstance(node, ast.AnnAssign) and not isinstance(node.value, ast.Call)
    ]
    following = [body.body[k + 1] if k + 1 < len(body.body) else None for k in fields]
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in following)


def violations(module: str) -> list[str]:
    found = []
    for name, item in public_objects(module):
        codes = CHECKED
        if inspect.isclass(item) and (issubclass(item, Enum) or getattr(item, "_is_protocol", False)):
            codes = codes - {"PR01"}
        if inspect.isclass(item) and flags_documented(item):
            codes = codes - {"PR01"}
        try:
            errors = validate(name)["errors"]
        except AttributeError:  # numpydoc cannot look into some descriptors
            continue
        found += [f"{name}: {code} {words}" for code, words in errors if code in codes]
    return found


@pytest.mark.parametrize("module", list(modules()))
def test_public_names_are_documented(module: str) -> None:
    assert violations(module) == []


if __name__ == "__main__":
    for module in modules():
        if module.startswith(tuple(sys.argv[1:] or ["lsdc"])):
            print("\n".join(violations(module)))
