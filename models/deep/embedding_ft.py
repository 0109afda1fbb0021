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
from lsdc.models.heads.members import LightGBM, Mlp, XGBoost
from lsdc.models.member import SCHEMA, HeadMember, NotFittedError, Saved
from lsdc.models.options import Options
from lsdc.runtime.artefact import write_manifest

PARTS = 2
"""Crop networks; each embeds the training studies that it has not seen."""
HEADS: tuple[type[HeadMember], ...] = (LightGBM, XGBoost, Mlp)


class EmbeddingFt(Saved):
    """LightGBM, XGBoost and the MLP on embeddings of crop networks, cross-fitted inside the training studies.

    Each network has heads of its own, for no two agree on what a column means. They learn from studies that the
    network has not seen, as they will when they predict; its own training studies would tell them the grades.

    Parameters
    ----------
    seed : int
        Of everything random.
    options : Options
        Of the crop networks.
    """

    name: ClassVar[str] = "embedding_ft"
    about: ClassVar[str] = (
        "LightGBM, XGBoost and MLP on embeddings of crop_cnn, cross-fitted within the training studies"
    )
    needs: ClassVar[str] = "pictures, embeddings and metadata of the store"

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.networks: list[CropCnn] = []
        self.heads: list[list[HeadMember]] = []

    def require(self) -> None:
        """Raise a ConfigError where what the crop networks need is not there."""
        CropCnn(self.seed, self.options).require()

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit networks on parts of the studies, and heads on the embeddings of the other parts."""
        n = len(examples) // len(TARGETS)
        part = np.repeat(np.random.default_rng(self.seed).permutation(n) % PARTS, len(TARGETS))
        nothing = stop_on.where(np.zeros(len(stop_on), bool))
        networks, heads = [], []
        for k in range(PARTS):
            network = CropCnn(self.seed + k, self.options)
            # The stopping studies stay out: the heads stop on them, and they must be new to the networks too.
            network.fit(examples.where(part != k), nothing, work / f"network_{k}" if work else None)
            learned, judged = (_embedded(network, one) for one in (examples.where(part == k), stop_on))
            heads.append([kind(self.seed).fit(learned, judged) for kind in HEADS])
            networks.append(network)
        self.networks, self.heads = networks, heads
        return self

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Mean over networks and heads, (n, 3)."""
        if not self.heads:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        seen = [_embedded(network, examples) for network in self.networks]
        return np.mean([h.predict_proba(one) for one, heads in zip(seen, self.heads) for h in heads], axis=0)

    @property
    def parameters(self) -> int:
        """Number of the networks' weights."""
        return sum(network.parameters for network in self.networks)

    def save(self, folder: Path) -> None:
        """Write a folder per network and head, and a manifest."""
        if not self.heads:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        for k, network in enumerate(self.networks):
            network.save(folder / f"network_{k}")
            for head in self.heads[k]:
                head.save(folder / f"{head.name}_{k}")
        write_manifest(
            folder, "member", SCHEMA, member=self.name, seed=self.seed, options=asdict(self.options),
            networks=len(self.networks), heads=[head.name for head in self.heads[0]],
        )  # fmt: skip

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        member = cls(int(manifest["seed"]), Options.of(manifest["options"]))
        kinds = {kind.name: kind for kind in HEADS}
        member.networks = [CropCnn.load(folder / f"network_{k}") for k in range(int(manifest["networks"]))]
        member.heads = [
            [kinds[name].load(folder / f"{name}_{k}") for name in manifest["heads"]]
            for k in range(len(member.networks))
        ]
        return member


def _embedded(network: CropCnn, examples: Examples) -> Examples:
    return replace(examples, embedding=network.embed(examples))
