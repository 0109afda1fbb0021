"""What deep members share: fitting, mirrored prediction, saving. Each adds its network and what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lsdc.cohort.vocabulary import GRADES, TARGETS, Family
from lsdc.models.deep.batch import Inputs, swap_targets
from lsdc.models.deep.design import NetworkDesign
from lsdc.models.deep.feed import B, grades_by_study, require_arrays
from lsdc.models.deep.fitting import fit_network, make_recipe, split_studies
from lsdc.models.deep.graded import Graded, start_logits
from lsdc.models.deep.losses import probabilities
from lsdc.models.examples import Examples
from lsdc.models.heads.head import weighted_fractions
from lsdc.models.member import PRIOR_FRACTION, NotFittedError
from lsdc.models.options import Options
from lsdc.models.saved_member import MEMBER_SCHEMA, SavedMember, checked_file
from lsdc.models.targets import of_family
from lsdc.runtime.artifact import file_hash, write_manifest
from lsdc.runtime.schema import flag, list_of, number, record
from lsdc.runtime.tensor_files import read_tensors, write_tensors

_WEIGHTS_FILE = "network.safetensors"


class DeepMember(NetworkDesign[B], SavedMember):
    """Base class of members that train one network on whole studies.

    A subclass names the batch type that it reads, such as `DeepMember[CropBatch]`, sets `name`, `about` and `sizes`,
    and defines `build`, `read` and `prepare` (see `NetworkDesign`). Training, mirroring, saving and loading are here.

    Parameters
    ----------
    seed : int
        Seed of initial weights, shuffling, augmentation and dropout.
    options : Options, optional
        What the user chose; by default everything is left to the presets.
    """

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        super().__init__(seed, options)
        self.network: Graded | None = None
        self.priors: NDArray[np.float64] | None = None
        self.learned: list[bool] = []
        self.looks_once = False

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Train, and keep the epoch with the best official score on `stop_on`.

        Where `stop_on` has no labels, an eighth of the training studies judges the epochs instead, unless `stops` says
        that so many studies need none.

        Parameters
        ----------
        examples : Examples
            Training studies, with arrays.
        stop_on : Examples
            Studies that judge the epochs; may be empty.
        work : Path, optional
            Folder for the log and for the checkpoint from which an interrupted fit resumes.

        Returns
        -------
        DeepMember
            The member itself.

        Raises
        ------
        LsdcError
            When the examples have no arrays.
        ConfigError
            When the device, a library or the backbone is not there.
        ArtifactError
            When the checkpoint in `work` is damaged or of another recipe.
        """
        feed, sizes = self._feed(), self._preset_sizes()
        require_arrays(examples, self.name)
        grades = grades_by_study(examples)
        self.priors, self.learned = _family_priors(grades)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.network = Graded(self.build(sizes), start_logits(self.priors, self._loss_name()))
            if any(self.learned):
                split = split_studies(examples, stop_on, self.seed, self.stops(len(grades)))
                steps = feed.steps(split.learned)
                fit_network(
                    self.network, feed, split, self._loss_name(),
                    make_recipe(self.options, sizes, self.schedule, steps, self.seed, self._precision()),
                    work=work, tensorboard=self.options.tensorboard, description=self.name,
                )  # fmt: skip
        return self

    def predict_proba(self, examples: Examples) -> NDArray[np.float64]:
        """Predict the grade of every row, as the mean over a study and its mirror image.

        Families without two grades to learn from get their weighted frequencies, the others a small part of them.

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
        if self.network is None or self.priors is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        found = self.mirror_averaged(examples, self.graded, len(GRADES))
        result = (1 - PRIOR_FRACTION) * found + PRIOR_FRACTION * self.priors
        for targets, learned in zip(map(of_family, Family), self.learned):
            if not learned:
                result[:, targets] = self.priors[targets]
        return (result / result.sum(axis=-1, keepdims=True)).reshape(-1, len(GRADES))

    def graded(self, inputs: Inputs) -> Tensor:
        """Ask the network about studies as they are.

        Parameters
        ----------
        inputs : dict of str to Tensor
            What `prepare` gives, on the network's device.

        Returns
        -------
        (b, 25, 3) Tensor
            Probabilities of the grades.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.network is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before graded")
        return probabilities(self.network(inputs)[0], self._loss_name())

    def looks(self, inputs: Inputs) -> Iterator[Inputs]:
        """Yield the ways in which some studies are looked at when they are predicted; here only as they are.

        Parameters
        ----------
        inputs : dict of str to Tensor
            What the network takes.

        Yields
        ------
        dict of str to Tensor
            Inputs of the same shapes; the answers are averaged.
        """
        yield inputs

    @torch.inference_mode()
    def mirror_averaged(
        self, examples: Examples, answer: Callable[[Inputs], Tensor], width: int
    ) -> NDArray[np.float64]:
        """Average what a network finds in studies and in their mirror images, with the sides exchanged back.

        Parameters
        ----------
        examples : Examples
            n studies, with arrays.
        answer : callable
            The network's inputs to a tensor (b, 25, width).
        width : int
            Number of values per target.

        Returns
        -------
        (n, 25, width) float64
            The means.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the examples have no arrays.
        """
        require_arrays(examples, self.name)
        if self.network is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before mirror_averaged")
        feed, studies = self._feed(), np.arange(len(examples) // len(TARGETS))
        self.network.to(feed.device).eval()
        means = []
        for mirrored in (False, True):
            parts = [np.zeros((0, len(TARGETS), width))]
            for inputs, _ in feed.in_order(examples, studies, mirrored):
                seen = [inputs] if self.looks_once else self.looks(inputs)
                looks = [answer(look).cpu().double() for look in seen]
                found = torch.stack(looks).mean(0)
                parts.append((swap_targets(found) if mirrored else found).numpy())
            means.append(np.concatenate(parts))
        return (means[0] + means[1]) / 2

    @property
    def parameters(self) -> int:
        """Number of the network's weights; 0 before `fit`."""
        return 0 if self.network is None else sum(value.numel() for value in self.network.parameters())

    def save(self, folder: Path) -> None:
        """Write the weights as `network.safetensors`, and a manifest.

        Parameters
        ----------
        folder : Path
            Made where it is not there.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.network is None or self.priors is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.detach().cpu().numpy() for name, value in self.network.state_dict().items()}
        write_tensors(folder / _WEIGHTS_FILE, state)
        hashes = {_WEIGHTS_FILE: file_hash(folder / _WEIGHTS_FILE)}
        write_manifest(
            folder, "member", MEMBER_SCHEMA, member=self.name, seed=self.seed,
            options=asdict(self.options.resolved()), priors=self.priors.tolist(), learned=self.learned,
            looks_once=self.looks_once, files=hashes,
        )  # fmt: skip

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        path = checked_file(folder, manifest, _WEIGHTS_FILE)
        member = cls(int(manifest["seed"]), Options.of(manifest["options"]))
        _FIELDS(manifest, "")
        member.learned = list(manifest["learned"])
        # Models of versions that looked once were stacked on what they said then.
        member.looks_once = bool(manifest.get("looks_once", True))
        member.priors = np.array(manifest["priors"], float).reshape(len(TARGETS), len(GRADES))
        # Whatever weights training started from are overwritten, and need not be here.
        blank = cls(member.seed, replace(member.options, weights="random"))
        with torch.random.fork_rng(devices=[]):
            network = Graded(blank.build(blank._preset_sizes()), torch.zeros(len(TARGETS), len(GRADES)))
        network.load_state_dict(
            read_tensors(path, {name: tuple(value.shape) for name, value in network.state_dict().items()})
        )
        member.network = network.eval()
        return member


_FIELDS = record(
    {
        "learned": list_of(flag(), len(Family), len(Family)),
        "priors": list_of(list_of(number(0, 1), len(GRADES), len(GRADES)), len(TARGETS), len(TARGETS)),
    },
    {"looks_once": flag()},
)


def _family_priors(grades: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
    """Return weighted frequencies of the grades (25, 3), and whether each family has two grades to learn from."""
    priors, learned = np.empty((len(TARGETS), len(GRADES))), []
    for targets in map(of_family, Family):
        known = grades[:, targets][grades[:, targets] >= 0]
        priors[targets] = weighted_fractions(known)
        learned.append(len(np.unique(known)) > 1)
    return priors, learned
