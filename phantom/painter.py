"""The settings by which images of labeled tissues are painted under random sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Painter:
    """Gives tissues the signals of random sequences.

    Parameters
    ----------
    vary : float, default 0.15
        Spread of the logarithm of relaxation times and proton densities from patient to patient.
    usual : bool, default False
        Draw spin echoes of the usual timing only; otherwise also inversion, fat suppression, proton density and very
        long echo times.
    """

    vary: float = 0.15
    usual: bool = False

    def __call__(
        self,
        labels: NDArray[np.uint8],
        tissues: NDArray[np.float32],
        t2: NDArray[np.bool_],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Paint a batch of label maps.

        Parameters
        ----------
        labels : (n, slices, rows, columns) uint8
            `Tissue`.
        tissues : (n, N_LABELS, 3) float32
            T1, T2 (ms at 1.5 T) and proton density of each label; see `relaxation`.
        t2 : (n,) bool
            Which images are T2-weighted; the others are T1-weighted.
        rng : numpy Generator
            Source of randomness.

        Returns
        -------
        (n, slices, rows, columns) float32
            Signal relative to the brightest of fat, CSF and marrow, about 0 to 1, with texture.
        """
        # Not above: the command's help shows a painter's settings, and NumPy takes a tenth of a second to import.
        from lsdc.phantom.painting import paint

        return paint(labels, tissues, t2, rng, self.vary, self.usual)
