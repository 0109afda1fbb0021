"""What deep members share: reading, training, mirrored prediction, saving. Each adds its network and what it reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from lsdc.cohort.vocabulary import TARGETS, Family
from lsdc.models.deep.backbones import Backbone
from lsdc.models.deep.losses import LOSSES, chances, official
from lsdc.models.examples import Examples
from lsdc.models.heads.boosted import weighted_shares
from lsdc.models.member import PRIOR_SHARE, SCHEMA, NotFittedError, Saved, checked_file
from lsdc.models.options import Options
from lsdc.models.store_arrays import Batch, Pictures, mirror
from lsdc.models.targets import of_family
from lsdc.runtime import LsdcError
from lsdc.runtime.artefact import file_hash, write_manifest, write_tensors
from lsdc.runtime.device import pick_device
from lsdc.runtime.logs import tensorboard_writer
from lsdc.runtime.training import Recipe, train

N = len(TARGETS)
_STOP_SHARE = 0.125
_WEIGHTS = "network.safetensors"


@dataclass(frozen=True)
class Sizes:
    """How large a member is, and how long it trains.

    Parameters
    ----------
    px : int
        Side of the pictures that the network sees.
    batch : int
        Studies per step.
    epochs : int
        Passes over the training studies.
    rate : float
        Peak learning rate.
    width : int
        Of the layers after the backbone.
    all_views : bool
        Look at every view of a target, not only at the one it is graded in.
    """

    px: int
    batch: int
    epochs: int
    rate: float
    width: int = 64
    all_views: bool = False


class Graded(nn.Module):
    """A network whose logits start from the grades' weighted shares.

    Parameters
    ----------
    network : Module
        Batch to logits (b, 25, 3) and an auxiliary loss.
    start : (25, 3) Tensor
        Added to the logits.
    """

    def __init__(self, network: nn.Module, start: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("start", start)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits, and an auxiliary loss."""
        logits, other = self.network(batch)
        return logits.float() + self.start, other


class DeepMember(Saved):
    """A network trained on whole studies.

    Parameters
    ----------
    seed : int
        Of everything random.
    options : Options
        What the user chose.
    """

    about: ClassVar[str]
    needs: ClassVar[str] = "pictures of the store"
    sizes: ClassVar[Mapping[str, Sizes]]
    loss: ClassVar[str] = "cross_entropy"
    schedule: ClassVar[str] = "cosine"

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.network: Graded | None = None
        self.priors: NDArray[np.float64] | None = None
        self.learned: list[bool] = []

    def require(self) -> None:
        """Raise an LsdcError where the device, a library or the weights that were asked for are not there."""
        pick_device(self.options.device)
        self.check(Backbone(self.options, self.seed))
        if self.options.tensorboard:
            tensorboard_writer()

    def check(self, backbone: Backbone) -> None:
        """Raise a ConfigError where the backbone cannot serve; most can."""

    @abstractmethod
    def build(self, sizes: Sizes) -> nn.Module:
        """A new network: batch to logits (b, 25, 3) and an auxiliary loss, a scalar that is added to the loss."""

    @abstractmethod
    def read(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes) -> Batch:
        """What the network sees of some studies; whatever has a mirror image is known to `pictures.mirror`."""

    def prepared(self, batch: Batch, sizes: Sizes, generator: torch.Generator | None) -> Batch:
        """The batch as the network takes it, on its device; with a generator it is augmented."""
        return batch

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Train; the epoch with the best official score on `stop_on`, or on an eighth of `examples`, is kept.

        Parameters
        ----------
        examples, stop_on : Examples
            With pictures.
        work : Path, optional
            Folder for the log and for the checkpoint from which an interrupted fit goes on.
        """
        device = pick_device(self.options.device)
        sizes = self._sizes()
        _pictures(examples, self.name)
        grades = examples.grades.reshape(-1, N)
        self.learned, self.priors = [], np.empty((N, 3))
        for of in map(of_family, Family):
            known = grades[:, of][grades[:, of] >= 0]
            self.priors[of] = weighted_shares(known)
            self.learned.append(len(np.unique(known)) > 1)
        labeled = np.flatnonzero((grades >= 0).any(axis=1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = Graded(self.build(sizes), self._start())
            if len(labeled) and any(self.learned):
                self._train(examples, labeled, stop_on, sizes, device, work)
        return self

    def _sizes(self) -> Sizes:
        return self.sizes[self.options.resolved().preset]

    def _loss(self) -> str:
        return self.loss if self.options.loss == "default" else self.options.loss

    def _start(self) -> Tensor:
        shares = torch.from_numpy(self.priors).float().clamp_min(1e-3)
        return (shares / (1 - shares).clamp_min(1e-3)).log() if self._loss() == "binary" else shares.log()

    def _train(
        self,
        examples: Examples,
        labeled: NDArray[np.int64],
        stop_on: Examples,
        sizes: Sizes,
        device: torch.device,
        work: Path | None,
    ) -> None:
        learned, judging, judges = labeled, stop_on, np.arange(len(stop_on) // N)
        judges = judges[(stop_on.grades.reshape(-1, N) >= 0).any(axis=1)]
        if not len(judges) and len(labeled) >= 8:
            order = np.random.default_rng(self.seed).permutation(labeled)
            cut = max(1, round(_STOP_SHARE * len(order)))
            learned, judging, judges = np.sort(order[cut:]), examples, np.sort(order[:cut])
        steps = -(-len(learned) // sizes.batch)

        def batches(epoch: int) -> Iterator[Batch]:
            rng = np.random.default_rng([self.seed, epoch])
            parts = np.array_split(rng.permutation(learned), steps)
            seeds = rng.integers(2**31, size=steps)
            turns = rng.random(steps) < 0.5
            read = (
                lambda k=k: self._batch(examples, np.sort(parts[k]), sizes, bool(turns[k]))
                for k in range(steps)
            )
            for seed, batch in zip(seeds, ahead(read)):
                yield self._ready(batch, sizes, device, torch.Generator(device).manual_seed(int(seed)))

        criterion = LOSSES[self._loss()]

        def loss(network: nn.Module, batch: Batch) -> Tensor:
            logits, other = network(batch)
            return criterion(logits, batch["grades"]) + other

        def evaluate(network: nn.Module) -> float:
            found, truth = [], []
            for batch in self._read_all(judging, judges, sizes):
                logits, _ = network(self._ready(batch, sizes, device, None))
                found.append(chances(logits, self._loss()).log())
                truth.append(batch["grades"])
            return float(official(torch.cat(found), torch.cat(truth), sharpness=None))

        schedule = self.schedule if self.options.schedule == "default" else self.options.schedule
        recipe = Recipe(
            self.options.epochs or sizes.epochs, sizes.rate, weight_decay=0.05, patience=max(4, sizes.epochs // 3),
            schedule=schedule, ema=min(0.99, 1 - 1 / (2 * steps)), precision=self.options.precision, seed=self.seed,
            compile=self.options.compile,
        )  # fmt: skip
        train(
            self.network, batches, loss, recipe, steps_per_epoch=steps, evaluate=evaluate if len(judges) else None,
            checkpoint=work / "checkpoint.pt" if work else None, log=work, tensorboard=self.options.tensorboard,
            description=self.name, device=device,
        )  # fmt: skip

    def _batch(self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes, turned: bool) -> Batch:
        batch = self.read(examples, chosen, sizes)
        batch["grades"] = torch.from_numpy(examples.grades.reshape(-1, N)[chosen])
        return mirror(batch) if turned else batch

    def _ready(
        self, batch: Batch, sizes: Sizes, device: torch.device, generator: torch.Generator | None
    ) -> Batch:
        there = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
        return self.prepared(there, sizes, generator)

    def _read_all(
        self, examples: Examples, chosen: NDArray[np.int64], sizes: Sizes, turned: bool = False
    ) -> Iterator[Batch]:
        parts = np.array_split(chosen, -(-len(chosen) // sizes.batch)) if len(chosen) else []
        yield from ahead(
            (lambda part=part: self._batch(examples, part, sizes, turned) for part in parts),
        )

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Probabilities of the grades, (n, 3): the mean of a study and of its mirror image, sides swapped back.

        Families without two grades to learn from get their weighted shares, the others a small part of them.
        """
        if self.network is None or self.priors is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        network = self.network

        def of(batch: Batch) -> Tensor:
            return chances(network(batch)[0], self._loss())

        result = (1 - PRIOR_SHARE) * self.both_sides(examples, of, 3) + PRIOR_SHARE * self.priors
        for part, learned in zip(map(of_family, Family), self.learned):
            if not learned:
                result[:, part] = self.priors[part]
        return (result / result.sum(axis=-1, keepdims=True)).reshape(-1, 3)

    @torch.inference_mode()
    def both_sides(
        self, examples: Examples, of: Callable[[Batch], Tensor], width: int
    ) -> NDArray[np.float64]:
        """Mean of what the network finds in studies and in their mirror images, sides swapped back: (b, 25, width)."""
        _pictures(examples, self.name)
        assert self.network is not None
        device, sizes = pick_device(self.options.device), self._sizes()
        studies = np.arange(len(examples) // N)
        self.network.to(device).eval()
        sides = []
        for turned in (False, True):
            parts = [np.zeros((0, N, width))]
            for batch in self._read_all(examples, studies, sizes, turned):
                found = of(self._ready(batch, sizes, device, None)).cpu().double()
                parts.append((mirror({"grades": found})["grades"] if turned else found).numpy())
            sides.append(np.concatenate(parts))
        return (sides[0] + sides[1]) / 2

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return 0 if self.network is None else sum(value.numel() for value in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors, and a manifest."""
        if self.network is None or self.priors is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}
        write_tensors(folder / _WEIGHTS, state)
        hashes = {_WEIGHTS: file_hash(folder / _WEIGHTS)}
        write_manifest(
            folder, "member", SCHEMA, member=self.name, seed=self.seed, options=asdict(self.options.resolved()),
            priors=self.priors.tolist(), learned=self.learned, files=hashes,
        )  # fmt: skip

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        path = checked_file(folder, manifest, _WEIGHTS)
        member = cls(int(manifest["seed"]), Options.of(manifest["options"]))
        member.learned = [bool(item) for item in manifest["learned"]]
        member.priors = np.array(manifest["priors"], float).reshape(N, 3)
        # Whatever weights training started from are overwritten, and need not be here.
        blank = cls(member.seed, replace(member.options, weights="random"))
        with torch.random.fork_rng(devices=[]):
            network = Graded(blank.build(blank._sizes()), torch.zeros(N, 3))
        network.load_state_dict(load_file(path))
        member.network = network.eval()
        return member


def ahead(jobs: Iterator[Any]) -> Iterator[Any]:
    """Run jobs in order in a thread, one ahead of what is asked for, so that reading does not hold training up."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for job in jobs:
            following = pool.submit(job)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _pictures(examples: Examples, name: str) -> Pictures:
    if examples.pictures is None:
        raise LsdcError(
            f"{name}: learns from pictures, and these examples have none; take them from a feature store"
        )
    return examples.pictures
