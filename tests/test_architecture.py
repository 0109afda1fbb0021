"""Imports go one way, and nothing saved is a pickle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ["runtime", "cohort", "slice_selector", "features", "models", "ensemble"]
FILES = [path for package in ORDER for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("lsdc.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    own = ORDER.index(path.relative_to(ROOT).parts[0])
    assert {name for name in imported(path) if ORDER.index(name) > own} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle(path):
    text = path.read_text(encoding="utf-8")
    for word in ("import pickle", "import joblib", "allow_pickle=True", "weights_only=False"):
        assert word not in text
