import subprocess
import sys

import pytest

import lsdc.ensemble


@pytest.mark.parametrize("name", lsdc.ensemble.__all__)
def test_public_names_are_there(name):
    assert getattr(lsdc.ensemble, name) is not None


def test_unknown_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'magic'"):
        _ = lsdc.ensemble.magic


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom lsdc.commands.ensemble import main\n"
        "try:\n main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'pandas', 'optuna', 'sklearn') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("[]")
    assert "dashboard" in done.stdout
