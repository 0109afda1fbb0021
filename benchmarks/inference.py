"""Networks on one core: torch beside ONNX Runtime, and the encoder in 8-bit integers.

    python benchmarks/inference.py                            # about a minute; the pictures are random
    python benchmarks/inference.py --store STORE              # the crops of a store
    python benchmarks/inference.py --pictures DIR --json      # real crops: the PNG files of a folder

Rates are of the least CPU time of the repeats, which other work on the machine changes least; compare those of one
run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.commands import Reporting, run_program
from lsdc.runtime.console import table
from lsdc.runtime.worker_process import on_one_thread

COLUMNS = ("network", "by", "images/s", "largest relative difference", "mean cosine", "least cosine")
SIDES = {"sagittal": 256, "axial": 256, "second_look": 64}


@dataclass(frozen=True)
class Inference:
    """Embed crops with the bundled encoder, and locate points with the bundled localizers."""

    images: int = 75
    """images of a pass"""
    px: int = 96
    """side of the crops of the encoder"""
    repeats: int = 5
    """the fastest of so many passes counts"""
    store: Path | None = None
    """take the crops of this store"""
    pictures: Path | None = None
    """take the PNG files of this folder, stretched to squares, as crops"""
    reporting: Reporting = Reporting()

    def run(self) -> list[dict[str, Any]]:
        """Time all of them, each against torch in single precision."""
        with on_one_thread():
            import torch

            torch.set_num_threads(1)
            found = [*self._encoders(), *self._localizers()]
        rows = [tuple("" if value is None else str(value) for value in row.values()) for row in found]
        table(f"{self.images} images, one core", list(COLUMNS), rows)
        return found

    def _encoders(self) -> list[dict[str, Any]]:
        """The bundled encoder."""
        import torch

        from lsdc.features import torch_encoder
        from lsdc.features.encoder import Encoder
        from lsdc.runtime.device import fast_bfloat16

        crops = self._crops()
        by_torch = Encoder.build("regnetx_002", "bundled")
        assert by_torch.network is not None  # from now on torch computes
        usual = torch_encoder.autocast_on
        torch_encoder.autocast_on = lambda device: nullcontext()
        try:
            expected, rate = self._timed(by_torch.features, crops)
        finally:
            torch_encoder.autocast_on = usual
        found = [row("encoder", "torch, float32", rate, expected, expected)]
        if fast_bfloat16(torch.device("cpu")):
            result, rate = self._timed(by_torch.features, crops)
            found.append(row("encoder", "torch, bfloat16", rate, result, expected))
        for precision in ("float32", "int8"):
            encoder = Encoder.build("regnetx_002", "bundled", precision=precision)
            result, rate = self._timed(encoder.features, crops)
            found.append(row("encoder", f"ONNX Runtime, {precision}", rate, result, expected))
        return found

    def _localizers(self) -> list[dict[str, Any]]:
        """The bundled localizers, and a second look with random weights."""
        from lsdc.slice_selector.network import make_network, predict_logits
        from lsdc.slice_selector.point_model import ARCHITECTURES, PointModel
        from lsdc.slice_selector.selector import SliceSelector

        bundled, found = SliceSelector.bundled().localizers, []
        for name, (channels, backbone, classes, _) in ARCHITECTURES.items():
            network = bundled[name].network if name in bundled else make_network(channels, backbone, classes)
            frozen = PointModel(name, {key: value.numpy() for key, value in network.state_dict().items()})
            images = smooth_images(self.images, SIDES[name])
            expected, rate = self._timed(lambda some, net=network: predict_logits(net, some)[0], images)  # type: ignore[misc]
            found.append(row(name, "torch, float32", rate, expected, expected))
            result, rate = self._timed(lambda some, made=frozen: made.logits(some)[0], images)  # type: ignore[misc]
            found.append(row(name, "ONNX Runtime, float32", rate, result, expected))
        return found

    def _crops(self) -> NDArray[np.uint8]:
        """Crops (n, 3, px, px)."""
        rng = np.random.default_rng(0)
        if self.store is not None:
            from lsdc.features.store import FeatureStore

            crops = np.concatenate(np.array(FeatureStore.open(self.store).crops))
            crops = crops[crops.any(axis=(1, 2, 3))]
        elif self.pictures is not None:
            from PIL import Image

            size = (self.px, self.px)
            files = sorted(self.pictures.rglob("*.png"))
            crops = np.array([np.asarray(Image.open(file).convert("L").resize(size)) for file in files])
            crops = np.repeat(crops[:, None], 3, axis=1)
        else:
            crops = np.stack([smooth_images(self.images, self.px)] * 3, axis=1)
        return crops[rng.permutation(len(crops))[: self.images]]

    def _timed(
        self, compute: Callable[[NDArray[Any]], NDArray[Any]], images: NDArray[Any]
    ) -> tuple[NDArray[Any], float]:
        """The result, and images per second of CPU time."""
        compute(images[:5])
        seconds = []
        for _ in range(self.repeats):
            begun = time.process_time()
            result = compute(images)
            seconds.append(time.process_time() - begun)
        return result, len(images) / min(seconds)


def smooth_images(n: int, side: int) -> NDArray[np.uint8]:
    """Random images with large and small things on them."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(0, 200, (n, side // 16, side // 16)), np.ones((16, 16)))
    return (coarse + rng.integers(0, 55, (n, side, side))).astype(np.uint8)


def row(name: str, by: str, rate: float, found: NDArray[Any], expected: NDArray[Any]) -> dict[str, Any]:
    """A row of the table."""
    one, two = (values.reshape(len(values), -1).astype(float) for values in (found, expected))
    cosine = (one * two).sum(1) / np.maximum(np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1), 1e-30)
    off = float(np.abs(one - two).max() / np.abs(two).max())
    values = (
        name,
        by,
        round(rate, 1),
        float(f"{off:.2g}"),
        round(float(cosine.mean()), 5),
        round(float(cosine.min()), 5),
    )
    return dict(zip(COLUMNS, values))


if __name__ == "__main__":
    sys.exit(run_program(Inference, "inference.py"))
