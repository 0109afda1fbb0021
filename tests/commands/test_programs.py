"""The programs: groups, flags in groups, and errors that say how a flag is spelled."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lsdc.__main__ import GROUPS, main
from lsdc.commands import ensemble, features, phantom


def test_lsdc_lists_all_groups_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    for group in GROUPS:
        for name in import_module(f"lsdc.commands.{group}").COMMANDS:
            assert f"  {name} " in page
    assert "\n  grade " in page
    assert main([]) == 2
    assert main(["feature", "extract"]) == 2
    assert "unknown command 'feature'; did you mean 'features'?" in capsys.readouterr().err
    assert main(["grad", "folder"]) == 2
    assert "did you mean 'grade'?" in capsys.readouterr().err


def test_lsdc_runs_the_commands_of_its_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ensemble", "members", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lightgbm"]["origin"] == "lsdc.models.heads.members:LightGBM"
    assert main(["ensemble", "--version"]) == 0


def test_python_m_lsdc() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lsdc", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("lsdc ")


@pytest.mark.parametrize("group", GROUPS)
def test_every_page_has_examples_names_and_groups(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module(f"lsdc.commands.{group}")
    for name in module.COMMANDS:
        assert module.main([name, "--help"]) == 0
        page = capsys.readouterr().out
        assert f"    lsdc-{group} {name}" in page
        assert "PATH PATH" not in page.split("Examples")[0]
        assert "reporting options" in page and "--log-level" in page


def test_members_keeps_the_brackets_of_extras(capsys: pytest.CaptureFixture[str]) -> None:
    assert ensemble.main(["members"]) == 0
    assert "lsdc-toolkit[volume]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["extract", "absent", "--out", "store"], "absent: no such"),
        (["extract", ".", "--out", "store", "--crop-px", "4"], "crop_px must be at least 16, not 4"),
        (["extract", "."], "--out"),
        (["preview", "absent", "4003253"], "absent: no such store directory"),
    ],
)
def test_mistakes_of_features_end_with_2(
    args: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert features.main(args) == 2
    seen = capsys.readouterr().err
    assert words in seen and "Traceback" not in seen


def test_mistakes_of_the_phantom_end_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert phantom.main(["make", str(tmp_path / "x"), "--studies", "0"]) == 2
    assert "studies" in capsys.readouterr().err
