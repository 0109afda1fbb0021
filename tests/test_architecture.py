"""Imports go one way, no files import each other in a circle, and nothing saved is a pickle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BELOW: dict[str, tuple[str, ...]] = {
    "runtime": (),
    "cohort": ("runtime",),
    "phantom": ("cohort",),
    "metrics": ("cohort",),
    "slice_selector": ("cohort",),
    "features": ("slice_selector", "metrics", "phantom"),
    "models": ("features",),
    "pretraining": ("features",),
    "ensemble": ("models", "pretraining"),
    "report": ("ensemble",),
    "lsdc": ("report",),
}
"""Each folder, and those on whose shoulders it stands: it may import these and all that they may import."""
FILES = [path for package in BELOW for path in sorted((ROOT / package).rglob("*.py"))]
INFERENCE = ("features", "models", "ensemble", "report")


def allowed(package: str) -> set[str]:
    return {package}.union(*(allowed(below) for below in BELOW[package]))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts if parts[0] == "lsdc" else ("lsdc", *parts))


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """The modules of ours that a file imports, also inside functions and for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES.keys()


def package_of(module: str) -> str:
    path = MODULES[module].relative_to(ROOT)
    return path.parts[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module: str) -> None:
    may = allowed(package_of(module))
    assert {name for name in imported(MODULES[module]) if package_of(name) not in may} == set()


@pytest.mark.parametrize("package", INFERENCE)
def test_inference_does_not_import_pretraining(package: str) -> None:
    files = [path for path in FILES if path.relative_to(ROOT).parts[0] == package]
    assert {name for path in files for name in imported(path) if package_of(name) == "pretraining"} == set()


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {module: imported(path) - {module} for module, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_no_pickle(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    for word in ("import pickle", "import joblib", "allow_pickle=True", "weights_only=False"):
        assert word not in text
