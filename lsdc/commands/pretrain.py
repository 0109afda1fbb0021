"""`lsdc-pretrain`: make the weights that are bundled."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lsdc.pretraining.encoder.settings import EncoderSettings
from lsdc.pretraining.localizer.settings import LocalizerSettings
from lsdc.runtime.commands import Compute, Reporting, run_command

if TYPE_CHECKING:
    from lsdc.pretraining.encoder.train import PretrainedEncoder
    from lsdc.pretraining.localizer.train import PretrainedLocalizer

DESCRIPTION = "Train the encoder and the localizer on simulated patients."


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
        return pretrain_encoder(self.out, self.settings, device=device, workers=workers)


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
        return pretrain_localizer(self.out, self.settings, device=device, workers=workers)


COMMANDS: dict[str, type] = {"encoder": Encoder, "localizer": Localizer}

main = partial(run_command, COMMANDS, "lsdc-pretrain", DESCRIPTION)
"""Run `lsdc-pretrain` with arguments, by default those of the process, and return the exit code."""


if __name__ == "__main__":
    sys.exit(main())
