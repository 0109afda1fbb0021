"""What a stranger meets in the code: documentation, circles, sizes, old names, and the time that an import takes.

    python benchmarks/house.py . ../older_checkout

reads checkouts as text (nothing of them is run but `import lsdc`, with the Python that has it installed).
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table

OUTSIDE = {"tests", "benchmarks", "docs", "examples", "build", ".venv", ".git", ".ci"}
OLD_NAMES = {
    "Spot", "spots", "patches", "randomize", "graders", "lessons", "Teacher", "per_study", "sheets",
    "Sheets", "placing", "tolerance", "codestreams", "layout", "trees", "mixing", "wear", "Wear",
    "oddities", "Oddities", "narrowing", "Look", "look", "share", "shares", "chance", "chances",
    "centre", "centred", "Pictures", "pictures", "said", "told",
}  # fmt: skip
"""Identifiers that readers stumbled over."""
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class House:
    """Compare checkouts by what a reader meets in their code."""

    checkouts: Positional[tuple[Path, ...]] = (Path(),)
    """folders of checkouts"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, dict[str, Any]]:
        """Measure and print a row per measure."""
        found = {str(path): measure(path.resolve()) for path in self.checkouts}
        names = list(next(iter(found.values())))
        rows = [(name, *(str(one[name]) for one in found.values())) for name in names]
        table("the code that is installed", ["measure", *found], rows)
        return found


def measure(root: Path) -> dict[str, Any]:
    """All measures of one checkout."""
    files = [path for path in sorted(root.rglob("*.py")) if path.relative_to(root).parts[0] not in OUTSIDE]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in files}
    functions = [node for tree in trees.values() for node in public(tree)]
    callables = [node for node in functions if isinstance(node, _FUNCTION)]
    taking = [node for node in callables if arguments(node)]
    documented = sum(not (arguments(node) - parameters_of(ast.get_docstring(node) or "")) for node in taking)
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in files]
    identifiers = [name for tree in trees.values() for name in names_in(tree)]
    return {
        "modules": len(files),
        "lines, median": round(statistics.median(lines)),
        "lines, largest": max(lines),
        "public things": len(functions),
        "with a docstring": f"{sum(bool(ast.get_docstring(node)) for node in functions) / len(functions):.0%}",
        "functions with arguments": len(taking),
        "that document all of them": f"{documented / len(taking):.0%}",
        "circles of imports": len(circles(root, trees)),
        "uses of old names": sum(name in OLD_NAMES for name in identifiers),
        "uses of Any": sum(name == "Any" for name in identifiers),
        "import lsdc, ms": import_time(root),
    }


def public(tree: ast.Module) -> Iterator[Any]:
    """Public functions, classes and their public methods."""
    for node in tree.body:
        if isinstance(node, (*_FUNCTION, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (n for n in node.body if isinstance(n, _FUNCTION) and not n.name.startswith("_"))


def arguments(node: Any) -> set[str]:
    """Names of a function's arguments, without self and cls."""
    every = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return {item.arg for item in every} - {"self", "cls"}


def parameters_of(docstring: str) -> set[str]:
    """Names under the heading Parameters of a docstring."""
    part = re.search(r"Parameters\n-+\n(.*?)(?:\n\S[^\n]*\n-+\n|\Z)", docstring, re.DOTALL)
    heads = re.findall(r"^(\S.*?) ?(?::|$)", part[1], re.MULTILINE) if part else []
    return {name.strip().lstrip("*") for head in heads for name in head.split(",")}


def names_in(tree: ast.Module) -> Iterator[str]:
    """Identifiers that the code defines or uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, (*_FUNCTION, ast.ClassDef)):
            yield node.name


def circles(root: Path, trees: dict[Path, ast.Module]) -> list[list[str]]:
    """Circles of modules that import each other, also for types alone and inside functions."""

    def name(path: Path) -> str:
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        return ".".join(parts if parts[:1] == ("lsdc",) else ("lsdc", *parts))

    modules = {name(path): tree for path, tree in trees.items()}
    graph: dict[str, set[str]] = {}
    for module, tree in modules.items():
        imported: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        graph[module] = (imported & modules.keys()) - {module}
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1]
            found.append(circle)
            graph[circle[1]].discard(circle[0])
        else:
            return found


def import_time(root: Path) -> str:
    """Median of the milliseconds that `import lsdc` takes beyond an empty program; a dash where it does not exist."""
    if not (root / "lsdc" / "__init__.py").is_file():
        return "-"
    seconds: dict[str, list[float]] = {"pass": [], "import lsdc": []}
    for _ in range(9):
        for code, taken in seconds.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            taken.append(time.perf_counter() - begun)
    return f"{1000 * (statistics.median(seconds['import lsdc']) - statistics.median(seconds['pass'])):.0f}"


if __name__ == "__main__":
    sys.exit(run_program(House, "house.py"))
