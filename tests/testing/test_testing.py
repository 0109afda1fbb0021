"""The contracts are importable where pytest is, and say what to install where it is not."""

from __future__ import annotations

import importlib
import subprocess
import sys


def test_every_public_name_is_there() -> None:
    testing = importlib.import_module("lsdc.testing")
    assert {"MemberContract", "StackerContract", "make_examples"} <= set(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_without_pytest_a_contract_says_what_to_install() -> None:
    # `lsdc-features export-onnx` makes examples, and runs where no tests do.
    program = (
        "import sys; sys.modules['pytest'] = None; import lsdc.testing; print(len(lsdc.testing.make_examples(2)));"
        "lsdc.testing.MemberContract"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (1, "50\n")
    wanted = "the contracts of lsdc.testing need pytest; install it with `pip install lsdc-toolkit[test]`"
    assert wanted in run.stderr
