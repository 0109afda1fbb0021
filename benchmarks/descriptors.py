"""What each part of the slice descriptor costs on one core.

python benchmarks/descriptors.py
"""

from __future__ import annotations

import time

import numpy as np
from threadpoolctl import threadpool_limits

from lsdc.cohort.geometry import SlicePlane
from lsdc.runtime.console import table
from lsdc.slice_selector.descriptors import DESCRIPTORS, describe, to_square


def main(repeats: int = 30) -> None:
    """Print milliseconds per slice of each part, and of the whole."""
    rng = np.random.default_rng(0)
    pixels = rng.gamma(2.0, 100.0, (448, 448)).astype(np.float32)
    plane = SlicePlane((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.65, 0.65))
    image = to_square(pixels, plane)

    def cost(work: object, *args: object) -> float:
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            work(*args)  # type: ignore[operator]
            times.append(time.perf_counter() - begun)
        return 1000 * float(np.median(times))

    with threadpool_limits(1):
        rows = [
            ("to_square", cost(to_square, pixels, plane)),
            *((n, cost(part, image)) for n, part in DESCRIPTORS.items()),
        ]
        rows.append(("describe (all)", cost(describe, pixels, plane)))
    table("slice descriptor", ["part", "ms"], rows)


if __name__ == "__main__":
    main()
