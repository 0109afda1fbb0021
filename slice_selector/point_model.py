"""The weights of a network that finds points, and what computes with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.runtime.errors import ArtifactError
from lsdc.runtime.onnx_networks import OnnxNetwork, ShippedGraph
from lsdc.runtime.tensor_files import read_weights, write_weights
from lsdc.slice_selector.vertebra_classes import N_CLASSES

if TYPE_CHECKING:
    from lsdc.slice_selector.network import PointNetwork

GRAPHS = Path(__file__).with_name("graphs")
"""Where the graphs of the networks lie, which `python -m lsdc.pretraining.graphs` makes."""


class Architecture(NamedTuple):
    """What a network of points consists of.

    Parameters
    ----------
    channels : int
        Number of points.
    backbone : str
        The timm model.
    classes : int
        Number of classes that it tells cells apart by; 0 for none.
    words : str
        What a person calls it.
    """

    channels: int
    backbone: str
    classes: int
    words: str


ARCHITECTURES = {
    "sagittal": Architecture(10, "mobilenetv3_small_100", N_CLASSES, "the sagittal localizer"),
    "axial": Architecture(2, "mobilenetv3_small_050", 0, "the axial localizer"),
    "second_look": Architecture(1, "mobilenetv3_small_100", 0, "the second look"),
}
"""The networks that there are, by name."""


class PointModel:
    """A network of points: ONNX Runtime computes it, without torch, until its weights are to be changed.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.
    weights : mapping of str to array, optional
        As `read_weights` gives them; by default random ones that are the same every time.
    """

    def __init__(self, name: str, weights: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.name = name
        self._frozen = None if weights is None else OnnxNetwork(graph_of(name), weights)
        self._network: PointNetwork | None = None

    @property
    def network(self) -> PointNetwork:
        """The network as torch has it, which may be trained; from now on it is what computes."""
        if self._network is None:
            from lsdc.slice_selector.network import make_network

            made = ARCHITECTURES[self.name]
            weights = None if self._frozen is None else self._frozen.weights
            self._network = make_network(made.channels, made.backbone, made.classes, weights)
            self._frozen = None
        return self._network

    def logits(self, images: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Score every cell and absence, by point, and every class, by cell.

        Parameters
        ----------
        images : (n, size, size) of any number type
            Gray values of any scale; size is a multiple of 32, n at least 1.

        Returns
        -------
        points : (n, channels, cells * cells + 1) float32
            Row by row; the last is for "absent".
        classes : (n, classes, cells, cells) float32 or None
            None where the network has none.
        """
        if self._frozen is None:
            from lsdc.slice_selector.network import predict_logits

            points, classes = predict_logits(self.network, images)
        else:
            points, *more = self._frozen.run(np.asarray(images, np.float32))
            classes = more[0] if more else None
        return points, classes

    def save(self, path: Path) -> None:
        """Write the weights as half-precision safetensors.

        Parameters
        ----------
        path : Path
            The file; what is there is replaced.
        """
        write_weights(path, self.network.state_dict() if self._frozen is None else self._frozen.weights)

    @classmethod
    def load(cls, path: Path, name: str) -> Self:
        """Read weights.

        Parameters
        ----------
        path : Path
            What `save` wrote.
        name : str
            One of `ARCHITECTURES`.

        Returns
        -------
        PointModel
            In single precision.

        Raises
        ------
        ArtifactError
            When the file is absent, damaged, or of another network.
        """
        try:
            return cls(name, read_weights(path, graph_of(name).shapes))
        except FileNotFoundError:
            raise ArtifactError(f"{path}: no such file") from None
        except (OSError, ValueError) as error:
            raise ArtifactError(
                f"{path}: not weights of {ARCHITECTURES[name].words}, or of another version of lsdc; "
                f"make them, or extract the store, again ({error})"
            ) from error


def graph_of(name: str) -> ShippedGraph:
    """Name the graph of a network.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`.

    Returns
    -------
    ShippedGraph
        Takes images (n, size, size) float32 of any scale; gives what `PointModel.logits` does.
    """
    return ShippedGraph(GRAPHS / f"{name}.onnx")
