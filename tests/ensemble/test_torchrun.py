"""Several processes share the folds of a fit, and find what one finds alone."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
from support.store import fake_store

from lsdc.commands.ensemble import main


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    store = fake_store(tmp_path / "store", 24, folds=2)
    options = ["--members", "lightgbm,xgboost", "--trials", "2"]
    assert main(["fit", str(store.path), "--out", str(tmp_path / "alone"), *options]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [
        "-m",
        "lsdc.commands.ensemble",
        "fit",
        str(store.path),
        "--out",
        str(tmp_path / "together"),
        *options,
    ]
    done = subprocess.run([*torchrun, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    one, two = (pd.read_parquet(tmp_path / name / "oof.parquet") for name in ("alone", "together"))
    pd.testing.assert_frame_equal(one, two)
    assert (tmp_path / "together" / "report.json").is_file()
