"""embedding_ft: the heads on embeddings of a fine-tuned crop network instead of the store's frozen ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS
from lsdc.models.deep.crop_cnn import CropCnn
from lsdc.models.examples import Examples
from lsdc.models.heads.head_member import HeadMember
from lsdc.models.heads.members import LightGBM, Mlp, XGBoost
from lsdc.models.member import NotFittedError
from lsdc.models.options import Options
from lsdc.models.saved_member import MEMBER_SCHEMA, SavedMember
from lsdc.runtime.artifact import write_manifest

N_CROP_NETWORKS = 2
"""Crop networks of a member; each embeds the training studies that it has not seen."""
EMBEDDING_HEADS: tuple[type[HeadMember], ...] = (LightGBM, XGBoost, Mlp)
"""Heads on the embeddings of each crop network."""


class EmbeddingFt(SavedMember):
    """LightGBM, XGBoost and the MLP on embeddings of crop networks, cross-fitted inside the training studies.

    Each network has heads that no other shares, for no two networks agree on what a column means. The heads learn from
    studies that their network has not seen, as they will when they predict; embeddings of the network's training
    studies would give the grades away.

    Parameters
    ----------
    seed : int
        Decides the parts, and all that is random in networks and heads.
    options : Options, optional
        Options of the crop networks.
    """

    name: ClassVar[str] = "embedding_ft"
    about: ClassVar[str] = (
        "LightGBM, XGBoost and MLP on embeddings of crop_cnn, cross-fitted within the training studies"
    )
    needs: ClassVar[str] = "images, embeddings and metadata of the store"

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.networks: list[CropCnn] = []
        self.heads: list[list[HeadMember]] = []

    def require(self) -> None:
        """Check that what the crop networks need is there.

        Raises
        ------
        LsdcError
            When the device, a library or the weights are not; a `ConfigError` for devices, libraries and names.
        """
        CropCnn(self.seed, self.options).require()

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit crop networks on parts of the studies, and heads on the embeddings of the other parts.

        Parameters
        ----------
        examples : Examples
            Training studies, with arrays.
        stop_on : Examples
            Studies on which the heads stop; the networks stop on a part of their training studies.
        work : Path, optional
            Folder for logs and checkpoints, from which an interrupted fit resumes.

        Returns
        -------
        EmbeddingFt
            The member itself.

        Raises
        ------
        LsdcError
            When the examples have no arrays, or what the networks need is not there.
        """
        n = len(examples) // len(TARGETS)
        order = np.random.default_rng(self.seed).permutation(n)
        part = np.repeat(order % N_CROP_NETWORKS, len(TARGETS))
        nothing = stop_on.where(np.zeros(len(stop_on), bool))
        networks, heads = [], []
        for k in range(N_CROP_NETWORKS):
            network = CropCnn(self.seed + k, self.options)
            # The stopping studies stay out: the heads stop on them, and they must be new to the networks too.
            network.fit(examples.where(part != k), nothing, work / f"network_{k}" if work else None)
            learned, judged = (_embedded(network, one) for one in (examples.where(part == k), stop_on))
            heads.append([kind(self.seed).fit(learned, judged) for kind in EMBEDDING_HEADS])
            networks.append(network)
        self.networks, self.heads = networks, heads
        return self

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Predict the grade of every row, as the mean over networks and heads.

        Parameters
        ----------
        examples : Examples
            n rows of whole studies, with arrays.

        Returns
        -------
        (n, 3) float64
            Probabilities of the grades; rows sum to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the examples have no arrays.
        """
        if not self.heads:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        seen = [_embedded(network, examples) for network in self.networks]
        return np.mean([h.predict_proba(one) for one, heads in zip(seen, self.heads) for h in heads], axis=0)

    @property
    def parameters(self) -> int:
        """Number of the networks' weights; 0 before `fit`."""
        return sum(network.parameters for network in self.networks)

    def save(self, folder: Path) -> None:
        """Write a folder per network and head, and a manifest.

        Parameters
        ----------
        folder : Path
            Made where it is not there.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if not self.heads:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        for k, network in enumerate(self.networks):
            network.save(folder / f"network_{k}")
            for head in self.heads[k]:
                head.save(folder / f"{head.name}_{k}")
        write_manifest(
            folder, "member", MEMBER_SCHEMA, member=self.name, seed=self.seed, options=asdict(self.options),
            networks=len(self.networks), heads=[head.name for head in self.heads[0]],
        )  # fmt: skip

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        member = cls(int(manifest["seed"]), Options.of(manifest["options"]))
        kinds = {kind.name: kind for kind in EMBEDDING_HEADS}
        member.networks = [CropCnn.load(folder / f"network_{k}") for k in range(int(manifest["networks"]))]
        member.heads = [
            [kinds[name].load(folder / f"{name}_{k}") for name in manifest["heads"]]
            for k in range(len(member.networks))
        ]
        return member


def _embedded(network: CropCnn, examples: Examples) -> Examples:
    """Return the examples with a network's embeddings instead of the store's."""
    return replace(examples, embedding=network.embed(examples))
