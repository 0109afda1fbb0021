"""`lsdc-pretrain`: make the weights that are bundled."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.ensemble.bundled.settings import GraderSettings
from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.runtime.commands import Compute, Reporting, run_command

if TYPE_CHECKING:
    from lsdc.ensemble.bundled.making import MadeGrader
    from lsdc.pretraining.encoder.train import PretrainedEncoder
    from lsdc.pretraining.localizer.train import PretrainedLocalizer

DESCRIPTION = "Train the encoder and the localizer on simulated patients, and on real pictures."


@dataclass(frozen=True)
class Encoder:
    """Train an encoder on simulated anatomy under random acquisitions, to read what the simulator knows.

    The same command run again resumes where it stopped.

    Examples
    --------
        lsdc-pretrain encoder --out encoder.safetensors
    """

    out: Path
    """safetensors file to write; its card lies beside it as JSON"""
    pictures: Path | None = None
    """folder of real pictures with gradings to train on too, derived from SPIDER; default: simulated patients only"""
    settings: EncoderSettings = EncoderSettings()
    compute: Compute = Compute()
    reporting: Reporting = Reporting()

    def run(self) -> PretrainedEncoder:
        """Train the encoder.

        Returns
        -------
        PretrainedEncoder
            Where the weights are, and what they score.
        """
        from lsdc.pretraining.encoder.train import pretrain_encoder

        device, workers = self.compute.device, self.compute.workers
        return pretrain_encoder(
            self.out, self.settings, pictures=self.pictures, device=device, workers=workers
        )


@dataclass(frozen=True)
class Localizer:
    """Train the networks that find disc levels and axial sides, on simulated anatomy.

    The same command run again resumes where it stopped.

    Examples
    --------
        lsdc-pretrain localizer --out weights/
    """

    out: Path
    """folder for the weights and their card"""
    pictures: Path | None = None
    """folder of real pictures with masks to train on too, derived from SPIDER; default: simulated patients only"""
    settings: LocalizerSettings = LocalizerSettings()
    compute: Compute = Compute()
    reporting: Reporting = Reporting()

    def run(self) -> PretrainedLocalizer:
        """Train the localizer's networks.

        Returns
        -------
        PretrainedLocalizer
            Where the weights are, and how well they locate.
        """
        from lsdc.pretraining.localizer.train import pretrain_localizer

        device, workers = self.compute.device, self.compute.workers
        return pretrain_localizer(
            self.out, self.settings, pictures=self.pictures, device=device, workers=workers
        )


@dataclass(frozen=True)
class Grader:
    """Fit a whole model on simulated patients, seen through the bundled selector and encoder.

    The model is what `lsdc-ensemble predict bundled` uses; make it again after encoder or localizer have changed. The
    same command run again resumes where it stopped.

    Examples
    --------
        lsdc-pretrain grader --out grader/ --judge cohort/
    """

    out: Path
    """directory of the new model; a model that is there is replaced"""
    judge: Path | None = None
    """labeled cohort of real patients, whose first studies choose trust and shift, and whose others measure"""
    work: Path | None = None
    """folder for cohort and stores, which is kept; by default one beside the model, removed at the end"""
    settings: GraderSettings = GraderSettings()
    compute: Compute = Compute()
    reporting: Reporting = Reporting()

    def run(self) -> MadeGrader:
        """Make the model.

        Returns
        -------
        MadeGrader
            Where it is, and what its card says.
        """
        from lsdc.ensemble.bundled.making import make_grader

        return make_grader(
            self.out,
            self.settings,
            judge=self.judge,
            work=self.work,
            device=self.compute.device,
            workers=self.compute.workers,
        )


COMMANDS: dict[str, type] = {"encoder": Encoder, "localizer": Localizer, "grader": Grader}

main = partial(run_command, COMMANDS, "lsdc-pretrain", DESCRIPTION)
"""Run `lsdc-pretrain` with arguments, by default those of the process, and return the exit code."""


if __name__ == "__main__":
    sys.exit(main())
