"""Print the lowest versions that pyproject.toml allows, one requirement a line, to test that the bounds are true."""

from __future__ import annotations

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in project["dependencies"]:
    print(requirement.replace(">=", "=="))
for tool in ("pytest", "pytest-xdist", "hypothesis", "filelock", "numpydoc"):
    print(tool)
