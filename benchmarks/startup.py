"""How long the toolkit takes to begin: importing it, and every kind of help page, beside a bare interpreter.

    python benchmarks/startup.py                    # twenty fresh processes of each, in turn
    python benchmarks/startup.py --study DIR/1234   # and one study, from an empty process to its page

Files are in the cache of the system and modules are compiled, as they are from the second call on. The least CPU time
is what other work on the machine changes least; the median of the seconds on the clock is what a user waits.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import say, table

BARE = "python -c pass"
GRADE = "lsdc grade STUDY"
WANTED = {"import lsdc": 0.05, GRADE: 3.0}
"""Seconds beyond a bare interpreter; a help page has `WANTED_HELP` in all."""
WANTED_HELP = 0.3
IMPORTS = {BARE: "pass", "import lsdc": "import lsdc"}
PROGRAMS = {
    "lsdc --help": ("lsdc.__main__", ["--help"]),
    "lsdc-features --help": ("lsdc.commands.features", ["--help"]),
    "lsdc-ensemble --help": ("lsdc.commands.ensemble", ["--help"]),
    "lsdc grade --help": ("lsdc.__main__", ["grade", "--help"]),
    "lsdc-features extract --help": ("lsdc.commands.features", ["extract", "--help"]),
    "lsdc-ensemble fit --help": ("lsdc.commands.ensemble", ["fit", "--help"]),
    "lsdc-ensemble predict --help": ("lsdc.commands.ensemble", ["predict", "--help"]),
}


@dataclass(frozen=True)
class Startup:
    """Start fresh processes, and say how long they take."""

    runs: int = 20
    """processes of each kind"""
    study: Path | None = None
    """the folder of one study, to be graded by the bundled model"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Start all kinds in turn, so that what slows the machine down slows all of them."""
        with TemporaryDirectory() as folder:
            taken = self._time(Path(folder))
        found = {
            name: {
                "median_seconds": statistics.median(clock for clock, _ in pairs[1:]),
                "least_cpu_seconds": min(cpu for _, cpu in pairs[1:]),
            }
            for name, pairs in taken.items()
        }
        for one in found.values():
            one["cpu_beyond_bare"] = one["least_cpu_seconds"] - found[BARE]["least_cpu_seconds"]
        cells = [(name, *(f"{1000 * value:.0f}" for value in one.values())) for name, one in found.items()]
        table(f"{self.runs} processes of each", ["", "median ms", "least CPU ms", "beyond the first"], cells)
        for name, one in found.items():
            beyond = one["median_seconds"] - (found[BARE]["median_seconds"] if name in WANTED else 0)
            if beyond > WANTED.get(name, WANTED_HELP):
                say(f"{name}: {1000 * beyond:.0f} ms, {1000 * WANTED.get(name, WANTED_HELP):.0f} are wanted")
        return found

    def _time(self, folder: Path) -> dict[str, list[tuple[float, float]]]:
        """Seconds on the clock and of CPU of all processes of each kind; the first of each fills the caches."""
        programs = dict(PROGRAMS)
        if self.study is not None:
            words = ["grade", str(self.study), "--out", str(folder / "report"), "--log-level", "warning"]
            programs[GRADE] = ("lsdc.__main__", words)
        code = dict(IMPORTS)
        for name, (module, words) in programs.items():
            # What the installed program does.
            code[name] = f"import sys; from {module} import main; sys.argv[1:] = {words}; sys.exit(main())"
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in code}
        for _ in range(self.runs + 1):
            for name, text in code.items():
                shutil.rmtree(folder / "report", ignore_errors=True)
                taken[name].append(seconds_of(text))
        return taken


def seconds_of(code: str) -> tuple[float, float]:
    """Run code in a fresh interpreter; return seconds on the clock and of CPU."""
    begun = time.perf_counter()
    # Some containers forbid it to keep compiled modules; then every start compiles hundreds of them.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, env=kept)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}: {code}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(run_program(Startup, "startup.py"))
