"""`lsdc-phantom`: the simulated cohort on the command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting, Workers, run_command

if TYPE_CHECKING:
    from lsdc.phantom.writer import Simulation

DESCRIPTION = "Simulate lumbar spine MRI with known anatomy."


@dataclass(frozen=True)
class Make:
    """Simulate a cohort in the competition's layout: DICOM, labels, coordinates, measurements.

    The same command resumes where an earlier run stopped. measurements.csv holds what the simulator knows.

    Examples
    --------
        lsdc-phantom make cohort --studies 60 --seed 1 --test-fraction 0.2
    """

    out: Positional[Path]
    """folder to write"""
    studies: int = 60
    """number of studies, test part included"""
    seed: int = 0
    """the same seed gives the same cohort, whatever the number of workers"""
    test_fraction: float = 0.0
    """fraction of the studies that go to test_images, their labels to test_labels.csv"""
    compute: Workers = Workers()
    reporting: Reporting = Reporting()

    def run(self) -> Simulation:
        """Simulate the cohort.

        Returns
        -------
        Simulation
            Where it is, and how many studies it has.
        """
        from lsdc.phantom.writer import simulate

        return simulate(
            self.out,
            self.studies,
            seed=self.seed,
            test_fraction=self.test_fraction,
            workers=self.compute.workers,
        )


COMMANDS: dict[str, type] = {"make": Make}

main = partial(run_command, COMMANDS, "lsdc-phantom", DESCRIPTION)
"""Run `lsdc-phantom` with arguments, by default those of the process, and return the exit code."""


if __name__ == "__main__":
    sys.exit(main())
