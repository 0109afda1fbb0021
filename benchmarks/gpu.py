"""How busy a GPU is kept: embedding beside the bare forward pass, training beside bare forward and backward passes.

    python benchmarks/gpu.py                      # on the first GPU; a minute or two
    python benchmarks/gpu.py --device cpu --studies 16 --preset cpu

Pictures are noise: nothing is to be learned, everything is to be read, sent and computed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import open_memmap

from lsdc.features.crop_embedding import embed_crops
from lsdc.features.encoder import Encoder
from lsdc.features.torch_encoder import CROPS_PER_BATCH, autocast_on
from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.deep.feed import grades_by_study
from lsdc.models.deep.losses import LOSSES
from lsdc.models.options import Options
from lsdc.models.store_arrays import StoreArrays
from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table
from lsdc.testing import make_examples


@dataclass(frozen=True)
class Gpu:
    """Measure how busy a GPU is kept.

    Examples
    --------
        python benchmarks/gpu.py --device cuda
    """

    device: str = "cuda"
    """where to compute"""
    studies: int = 256
    """studies of noise; 2 MB each"""
    epochs: int = 4
    """epochs of training, of which the first is not counted"""
    preset: Literal["tiny", "cpu", "gpu24", "gpu140"] = "gpu24"
    """sizes of the network that is trained"""
    px: int = 96
    """side of a crop"""
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Measure both."""
        with TemporaryDirectory() as folder:
            return measure(self, Path(folder))


def measure(options: Gpu, folder: Path) -> dict[str, Any]:
    """Take all figures."""
    shape = (options.studies * 25, 3, 3, options.px, options.px)
    crops = open_memmap(folder / "crops.npy", "w+", np.uint8, shape)
    rng = np.random.default_rng(0)
    for start in range(0, len(crops), 400):
        crops[start : start + 400] = rng.integers(
            1, 255, (min(400, len(crops) - start), *shape[1:]), np.uint8
        )
    crops.flush()
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    result = {"device": name, "torch": torch.__version__}
    result |= time_embedding(options, folder, device)
    result |= time_training(options, folder, device)
    table(f"{name}: images a second", ["what", "figure"], list(result.items()))
    return result


def per_second(work: Callable[[], object], images: int, device: torch.device, repeats: int = 3) -> float:
    """Do something once to warm up, then several times; give the best rate."""
    best = 0.0
    for repeat in range(repeats + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat:
            best = max(best, images / (time.perf_counter() - begun))
    return best


def time_embedding(options: Gpu, folder: Path, device: torch.device) -> dict[str, Any]:
    """Embed the crops from the disk, and pass images that lie on the device through timm's network."""
    encoder = Encoder.build("regnetx_002", "bundled", options.device)
    network, batches = encoder.network, 40 if device.type == "cuda" else 1
    images = torch.rand(CROPS_PER_BATCH, 3, options.px, options.px, device=device)
    images = images.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def bare() -> None:
        with autocast_on(device):
            for _ in range(batches):
                network(images)

    def ours() -> None:
        for path in folder.glob("embedding_*.npy"):
            path.unlink()
        embed_crops(encoder, folder / "crops.npy", options.studies, folder)

    forward = per_second(bare, batches * CROPS_PER_BATCH, device)
    found = per_second(ours, options.studies * 25 * 3, device)
    return {
        "timm_forward": round(forward),
        "embedding": round(found),
        "embedding_share": round(found / forward, 3),
    }


def time_training(options: Gpu, folder: Path, device: torch.device) -> dict[str, Any]:
    """Train a member from the disk, and pass inputs that lie on the device both ways through its network."""
    made = make_examples(options.studies)
    examples = replace(made, arrays=StoreArrays(folder, np.arange(options.studies)))
    chosen = Options(preset=options.preset, epochs=options.epochs, device=options.device)
    member = CropCnn(0, chosen)
    work = folder / "training"
    member.fit(examples, examples.where(np.zeros(len(examples), bool)), work=work)
    seconds = pd.read_csv(work / "log.csv")["seconds"].to_numpy()[1:]
    network, sizes, feed = member.network, member._preset_sizes(), member._feed()
    assert network is not None
    network.to(device).train()
    batch = member.read(examples, np.arange(sizes.batch), sizes).to(device)
    inputs = member.prepare(batch, sizes, None)
    grades = torch.from_numpy(grades_by_study(examples)[: sizes.batch]).to(device)
    steps = feed.steps(np.arange(options.studies))

    def bare() -> None:
        for _ in range(steps):
            with autocast_on(device):
                logits, auxiliary = network(inputs)
                loss = LOSSES[member._loss_name()](logits, grades) + auxiliary
            loss.backward()
            network.zero_grad(set_to_none=True)

    both = per_second(bare, steps * sizes.batch, device)
    found = options.studies / float(np.min(seconds))
    return {
        "studies_forward_backward": round(both, 1),
        "studies_training": round(found, 1),
        "training_share": round(found / both, 3),
    }


main = partial(run_program, Gpu, "gpu")

if __name__ == "__main__":
    sys.exit(main())
