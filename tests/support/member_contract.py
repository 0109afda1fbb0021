"""What members of the two kinds that lsdc has must do beside the contract of every member."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from lsdc.models.deep.sizes import Sizes
from lsdc.models.examples import Examples
from lsdc.models.member import Member
from lsdc.models.options import Options
from lsdc.models.store_arrays import LOCATION_COLUMNS
from lsdc.runtime import LsdcError
from lsdc.runtime.training import train
from lsdc.testing.losses import fraction_of_prior
from lsdc.testing.member_contract import MemberContract, Parts
from lsdc.testing.planted_examples import make_examples, mirrored_examples


class HeadContract(MemberContract):
    """A member that reads embeddings and numbers."""

    damaged_manifests = ({"heads": {}}, *MemberContract.damaged_manifests)

    def test_other_features_are_refused(self, fitted: Member, parts: Parts) -> None:
        narrow = replace(parts[2], embedding=parts[2].embedding[:, :-1])
        with pytest.raises(LsdcError, match="embeddings have 35 columns, the model was fitted on 36"):
            fitted.predict_proba(narrow)


class DeepContract(MemberContract):
    """A member that reads images; made small, with a random backbone.

    `lesson` says from how many studies and in how many epochs it learns to be better than `best_fraction` of the
    prior.
    """

    studies = 10
    sizes: ClassVar[Sizes]
    lesson: ClassVar[tuple[int, int]]
    options = Options(preset="tiny", backbone="test_resnet", weights="random", device="cpu")

    @classmethod
    def make(cls, seed: int = 0) -> Member:
        return cls.member(seed, cls.options)

    @classmethod
    def network(cls) -> type[Any]:
        """Whose sizes count."""
        return cls.member

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def small(cls) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cls.network(), "sizes", {"tiny": cls.sizes})
            yield

    @classmethod
    def examples(cls, n_studies: int, folder: Path, first: int = 0) -> Examples:
        return make_examples(n_studies, first=first, folder=folder)

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls, tmp_path_factory: pytest.TempPathFactory) -> Parts:
        """As the contract has it, with fewer new studies: networks are slow."""
        folder = tmp_path_factory.mktemp("examples")
        examples = cls.examples(cls.studies, folder / "fitted")
        stop = examples.rows["fold"] == 0
        return examples.where(~stop), examples.where(stop), cls.examples(6, folder / "new", first=1000)

    @classmethod
    def blind(cls, examples: Examples, folder: Path) -> Examples:
        made = make_examples(len(examples) // 25, folder=folder / "blind")
        for path in (folder / "blind").rglob("*.npy"):
            np.save(path, np.zeros_like(np.load(path)))
        nowhere = {name: -1.0 if name in ("volume_slice", "preview") else np.nan for name in LOCATION_COLUMNS}
        return replace(examples, arrays=made.arrays, rows=examples.rows.assign(**nowhere))

    @classmethod
    def seen_in_a_mirror(cls, examples: Examples, folder: Path) -> tuple[Examples, NDArray[np.intp]]:
        return mirrored_examples(examples, folder)

    def test_it_learns_the_planted_signal(  # type: ignore[override]
        self, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        studies, epochs = self.lesson
        longer = {"tiny": replace(self.sizes, batch=4, epochs=epochs)}
        monkeypatch.setattr(self.network(), "sizes", longer)
        learned = self.examples(studies, tmp_path / "lesson", first=2000)
        stop = learned.rows["fold"] == 0
        member = self.make().fit(learned.where(~stop), learned.where(stop))
        new = self.examples(30, tmp_path / "new", first=1000)
        assert fraction_of_prior(member, learned, new) < self.best_fraction

    def test_studies_without_an_image_can_be_learned_from(self, parts: Parts, tmp_path: Path) -> None:
        few = parts[0].where(parts[0].rows["study_id"].isin(parts[0].rows["study_id"].unique()[:3]))
        nothing = parts[1].where(np.zeros(len(parts[1]), bool))
        member = self.make().fit(self.blind(few, tmp_path), nothing)
        assert np.isfinite(member.predict_proba(few)).all()

    def test_examples_without_arrays_are_refused(self, parts: Parts) -> None:
        with pytest.raises(LsdcError, match="learns from images, and these examples have none"):
            self.make().fit(replace(parts[0], arrays=None), parts[1])

    def test_a_killed_fit_resumes_at_the_epoch(
        self, fitted: Member, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from lsdc.models.deep import fitting

        class KilledError(Exception):
            pass

        def dies(*args: Any, evaluate: Any, **more: Any) -> Any:
            calls: list[int] = []

            def once(network: Any) -> Any:
                calls.append(1)
                if len(calls) > 2:
                    raise KilledError
                return evaluate(network)

            return train(*args, evaluate=once, **more)

        monkeypatch.setattr(fitting, "train", dies)
        with pytest.raises(KilledError):
            self.make().fit(parts[0], parts[1], tmp_path)
        monkeypatch.setattr(fitting, "train", train)
        resumed = self.make().fit(parts[0], parts[1], tmp_path)
        assert_array_equal(resumed.predict_proba(parts[2]), fitted.predict_proba(parts[2]))
        epochs = [line.split(",")[0] for line in next(tmp_path.rglob("log.csv")).read_text().splitlines()[1:]]
        assert epochs == [str(k) for k in range(len(epochs))]
