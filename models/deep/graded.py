"""Networks whose predictions start from the frequencies of the grades."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lsdc.models.deep.batch import Inputs

_LEAST = 1e-3


def start_logits(priors: NDArray[np.float64], loss: str) -> Tensor:
    """Return the logits that stand for given probabilities.

    Parameters
    ----------
    priors : (25, 3) float64
        Probabilities of the grades of each target; those below 0.001 are raised to it.
    loss : str
        Name of the loss: `binary` reads each logit alone, all others read the three together by a softmax.

    Returns
    -------
    (25, 3) float32 Tensor
        Log-odds for `binary`, log-probabilities otherwise.

    Examples
    --------
    >>> start_logits(np.full((1, 2), 0.5), "binary")
    tensor([[0., 0.]])
    """
    start = torch.from_numpy(priors).float().clamp_min(_LEAST)
    return (start / (1 - start).clamp_min(_LEAST)).log() if loss == "binary" else start.log()


class Graded(nn.Module):
    """A network to whose logits those of the grades' weighted frequencies are added.

    What it has to learn is then only how studies differ, and where a target has no labels it says the frequencies.

    Parameters
    ----------
    network : Module
        Inputs to logits (b, 25, 3) and an auxiliary loss.
    start : (25, 3) Tensor
        Added to the logits.
    """

    def __init__(self, network: nn.Module, start: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("start", start)

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Grade the targets of some studies.

        Parameters
        ----------
        inputs : dict of str to Tensor
            What the network takes.

        Returns
        -------
        (b, 25, 3) float32 Tensor, () Tensor
            Logits, and an auxiliary loss that is added to the loss of the grades.
        """
        logits, auxiliary = self.network(inputs)
        return logits.float() + self.start, auxiliary
