"""`lsdc-features`: extract a store, look into it, and train the encoder that is shipped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from lsdc.runtime.console import run_command

if TYPE_CHECKING:
    from lsdc.features.extraction import Extraction
    from lsdc.pretraining.encoder.train import Pretrained
    from lsdc.report.study_preview import Picture


@dataclass(frozen=True)
class Extract:
    """Turn studies into a feature store: locate the 25 targets, cut crops, embed them.

    DATA is a folder in the competition's layout, or any tree of DICOM files. The same command run again
    goes on where it stopped.

    Examples:
        lsdc-features extract cohort/ --out store/
        lsdc-features extract new_patients/ --out new_store/ --like store/
    """

    data: Positional[Path]
    """folder of studies"""
    out: Path
    """directory of the new store"""
    like: Path | None = None
    """a finished store whose selector, encoder and sizes to use: models fitted on it accept the new one"""
    backbone: str = "regnetx_002"
    """any timm model"""
    weights: str = "bundled"
    """bundled, imagenet (timm's hub), random, or a safetensors file"""
    device: str = "auto"
    """auto, cpu, cuda or mps"""
    workers: int | None = None
    """processes that read studies; one per core by default"""
    folds: int = 5
    """folds for cross-fitting, by study"""
    seed: int = 0
    """for folds and everything fitted"""
    crop_px: int = 96
    """side of a crop in pixels"""
    volume_slices: int = 16
    """slices of the small volumes"""
    volume_px: int = 128
    """side of the small volumes in pixels"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Extraction:
        """Extract."""
        from lsdc.features.extraction import Extractor
        from lsdc.features.store import FeatureStore
        from lsdc.features.store_settings import Settings

        settings = Settings(
            backbone=self.backbone,
            weights=self.weights,
            folds=self.folds,
            seed=self.seed,
            crop_px=self.crop_px,
            volume_slices=self.volume_slices,
            volume_px=self.volume_px,
        )
        like = None if self.like is None else FeatureStore.open(self.like)
        return Extractor(self.data, self.out, settings, like, self.device, self.workers).run()


@dataclass(frozen=True)
class Preview:
    """Draw one study of a store: the chosen slices with the located points, and the 25 crops.

    Examples:
        lsdc-features preview store/ 4003253 --out 4003253.png
    """

    store: Positional[Path]
    """a finished store"""
    study: Positional[str]
    """study id"""
    out: Path = Path("preview.png")
    """picture to write"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Picture:
        """Draw."""
        from lsdc.features.store import FeatureStore
        from lsdc.report.study_preview import preview

        return preview(FeatureStore.open(self.store), self.study, self.out)


@dataclass(frozen=True)
class Pretrain:
    """Train an encoder on simulated anatomy under random acquisitions, to read what the simulator knows.

    The same command run again goes on where it stopped.

    Examples:
        lsdc-features pretrain --out encoder.safetensors
    """

    out: Path
    """safetensors file to write; its card lies beside it as JSON"""
    backbone: str = "regnetx_002"
    """any convolutional timm model"""
    patients: int = 1200
    """simulated patients, a fifth of them kept for validation and test"""
    epochs: int = 18
    """epochs of `steps` steps"""
    steps: int = 200
    """steps per epoch"""
    batch: int = 96
    """patches per step, each under two acquisitions"""
    seed: int = 0
    """for the patients and the training"""
    crop_px: int = 96
    """side of a crop in pixels"""
    device: str = "auto"
    """auto, cpu, cuda or mps"""
    workers: int | None = None
    """processes that simulate; one per core by default"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Pretrained:
        """Train."""
        from lsdc.pretraining.encoder.train import Pretraining

        return Pretraining(
            self.out,
            backbone=self.backbone,
            patients=self.patients,
            epochs=self.epochs,
            steps=self.steps,
            batch=self.batch,
            seed=self.seed,
            crop_px=self.crop_px,
            device=self.device,
            workers=self.workers,
        ).run()


@dataclass(frozen=True)
class PretrainLocalizer:
    """Train the networks that find disc levels and axial sides, on simulated anatomy.

    The same command run again goes on where it stopped.

    Examples:
        lsdc-features pretrain-localizer --out weights/
    """

    out: Path
    """folder for the weights and their card"""
    patients: int = 1000
    """simulated patients, a tenth of them kept for the test"""
    epochs: int = 30
    """epochs of `steps` steps"""
    steps: int = 150
    """steps per epoch of the sagittal network; the axial one takes a third"""
    batch: int = 32
    """pictures per step"""
    seed: int = 0
    """for the patients and the training"""
    device: str = "auto"
    """auto, cpu, cuda or mps"""
    workers: int | None = None
    """processes that simulate; one per core by default"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, Any]:
        """Train."""
        from lsdc.pretraining.localizer.train import LocalizerPretraining

        return LocalizerPretraining(
            self.out, self.patients, self.epochs, self.steps, self.batch, self.seed, self.device, self.workers
        ).run()


COMMANDS: dict[str, type] = {
    "extract": Extract,
    "preview": Preview,
    "pretrain": Pretrain,
    "pretrain-localizer": PretrainLocalizer,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run `lsdc-features`."""
    return run_command(COMMANDS, "lsdc-features", "Features of lumbar spine studies.", args)


if __name__ == "__main__":
    sys.exit(main())
