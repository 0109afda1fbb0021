"""Train the localizers that are shipped, on simulated studies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsdc.cohort import discover
from lsdc.features.annotated import simulated
from lsdc.features.per_study import ExampleTask, write_example
from lsdc.runtime.console import say
from lsdc.runtime.engine import fan_out
from lsdc.slice_selector import SelectorExample
from lsdc.slice_selector.pretrain import pretrain_localizer


@dataclass(frozen=True)
class LocalizerTraining:
    """One run of `lsdc-features pretrain-localizer`; see the fields of the command.

    Parameters
    ----------
    out : Path
        Folder for the weights and their card; work is kept in a folder beside it until the end.
    studies, epochs, seed : int
        The recipe.
    device : str
        For the training.
    workers : int or None
        Processes that simulate and read.
    cohort : Path or None
        A simulated cohort to use instead of making one.
    """

    out: Path
    studies: int = 400
    epochs: int = 30
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    cohort: Path | None = None

    def run(self) -> dict[str, Any]:
        """Simulate, read, train, score, write; goes on where an earlier run stopped."""
        work = self.out.with_name(f"{self.out.name}.unfinished")
        recipe = {"studies": self.studies, "epochs": self.epochs, "seed": self.seed, "cohort": self.cohort}
        cohort = simulated(work, recipe, self.cohort, self.studies, self.seed, self.workers)
        examples = self._examples(cohort, work)
        card = pretrain_localizer(examples, self.out, self.seed, self.epochs, self.device)
        shutil.rmtree(work)
        say(f"{self.out}: {card['scores']}")
        return card

    def _examples(self, cohort: Path, work: Path) -> list[SelectorExample]:
        found = discover(cohort)
        assert found.coordinates is not None
        coordinates = dict(iter(found.coordinates.groupby("study_id")))
        tasks = [
            ExampleTask(source, coordinates[source.study_id], work / "examples" / f"{source.study_id}.npz")
            for source in found.studies
            if source.study_id in coordinates
        ]
        for _ in fan_out(write_example, [t for t in tasks if not t.out.is_file()], "reading", self.workers):
            pass
        return [SelectorExample.load(path) for path in sorted((work / "examples").glob("*.npz"))]
