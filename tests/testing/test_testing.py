"""The contracts are importable where pytest is, and say what to install where it is not."""

from __future__ import annotations

import subprocess
import sys

import lsdc.testing


def test_every_public_name_is_there() -> None:
    assert {"MemberContract", "StackerContract", "make_examples"} <= set(lsdc.testing.__all__)
    assert all(hasattr(lsdc.testing, name) for name in lsdc.testing.__all__)


def test_without_pytest_it_says_what_to_install() -> None:
    program = "import sys; sys.modules['pytest'] = None; import lsdc.testing"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "lsdc.testing needs pytest; install it with `pip install lsdc-toolkit[test]`" in run.stderr
