"""What every member of the ensemble must do; a test class per member inherits it in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Grade
from lsdc.models.examples import Examples
from lsdc.models.member import Member, NotFittedError
from lsdc.runtime import ArtifactError
from lsdc.testing.losses import fraction_of_prior
from lsdc.testing.planted_examples import make_examples, mirrored_examples

try:
    import pytest
except ImportError as error:
    raise ImportError(
        "the contracts of lsdc.testing need pytest; install it with `pip install lsdc-toolkit[test]`"
    ) from error

Parts = tuple[Examples, Examples, Examples]
"""Studies to fit on, studies that decide when to stop, and new studies to predict."""


class MemberContract:
    """Tests of a member; a subclass names the `member`, and may say how it is made and what it reads.

    The member learns a planted signal, predicts probabilities that depend on the study alone, treats left and right
    alike, is reproducible, is saved without pickle and loaded safely, and copes with absent views, few labels and no
    stopping fold. By default the examples have embeddings and numbers; override `examples`, `blind` and
    `seen_in_a_mirror` for a member that reads images.

    Tests take two fixtures: `parts`, the studies to fit on, to stop on and to predict, and `fitted`, a member that
    was fitted on them; both are made once per class.

    Examples
    --------
    >>> from lsdc.models import MEMBERS
    >>> class TestLightGBM(MemberContract):
    ...     member = MEMBERS["lightgbm"]
    """

    member: ClassVar[type[Member]]
    """The class under test."""
    studies: ClassVar[int] = 45
    """Number of studies, of which four fifths are fitted on."""
    best_fraction: ClassVar[float] = 0.9
    """The loss on new studies must be below this fraction of the best constant prediction's."""
    least_difference: ClassVar[float] = 1e-3
    """Swapping the sides of a study must change some probability by at least this much."""
    suffixes: ClassVar[frozenset[str]] = frozenset({".json", ".safetensors", ".txt", ".ubj", ".skops"})
    """Endings of the files that a saved member may consist of."""
    foreign_manifests: ClassVar[tuple[tuple[dict[str, Any], str], ...]] = (
        ({"kind": "store"}, "holds a 'store', not a 'member'"),
        ({"schema": 999}, "newer than what this version reads"),
        ({"member": "other"}, "holds the member 'other', not"),
    )
    """Changes of the manifest that must be refused, and a part of the message."""
    damaged_manifests: ClassVar[tuple[dict[str, Any], ...]] = ({"files": None}, {"files": {}})
    """Changes of the manifest that must be refused as damage."""

    @classmethod
    def make(cls, seed: int = 0) -> Member:
        """Make an unfitted member.

        Parameters
        ----------
        seed : int
            The member's seed.

        Returns
        -------
        Member
            By default `member(seed)`.
        """
        return cls.member(seed)

    @classmethod
    def examples(cls, n_studies: int, folder: Path, first: int = 0) -> Examples:
        """Make studies that the member can learn from.

        Parameters
        ----------
        n_studies : int
            Number of studies.
        folder : Path
            Where arrays may be written; does not exist yet.
        first : int
            Id of the first study.

        Returns
        -------
        Examples object
            By default with embeddings and numbers, without arrays.
        """
        return make_examples(n_studies, first=first)

    @classmethod
    def blind(cls, examples: Examples, folder: Path) -> Examples:
        """Make the same studies without anything to see.

        Parameters
        ----------
        examples : Examples
            What `examples` made.
        folder : Path
            Where arrays may be written.

        Returns
        -------
        Examples object
            By default the embeddings are NaN.
        """
        return replace(examples, embedding=np.full_like(examples.embedding, np.nan))

    @classmethod
    def seen_in_a_mirror(cls, examples: Examples, folder: Path) -> tuple[Examples, NDArray[np.intp]]:
        """Make the same studies with left and right swapped.

        Parameters
        ----------
        examples : Examples
            What `examples` made.
        folder : Path
            Where arrays may be written; does not exist yet.

        Returns
        -------
        mirrored : Examples object
            The studies as a mirror shows them.
        order : (n,) int
            The row of `examples` that stands in each row of `mirrored`.
        """
        return mirrored_examples(examples)

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls, tmp_path_factory: pytest.TempPathFactory) -> Parts:
        """Make studies to fit on, studies to stop on, and new ones; a fixture.

        Parameters
        ----------
        tmp_path_factory : pytest.TempPathFactory
            Where arrays may be written.

        Returns
        -------
        tuple of three Examples
            The folds from 1 on, fold 0, and 30 new studies.
        """
        folder = tmp_path_factory.mktemp("examples")
        examples = cls.examples(cls.studies, folder / "fitted")
        stop = examples.rows["fold"] == 0
        new = cls.examples(30, folder / "new", first=1000)
        return examples.where(~stop), examples.where(stop), new

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, parts: Parts) -> Member:
        """Fit a member on the first two parts; a fixture.

        Parameters
        ----------
        parts : tuple of three Examples
            What the fixture of that name made.

        Returns
        -------
        Member
            Fitted.
        """
        return cls.make().fit(parts[0], parts[1])

    def test_rows_are_probabilities(self, fitted: Member, parts: Parts) -> None:
        """Predictions are above 0 and sum to 1."""
        probabilities = fitted.predict_proba(parts[2])
        assert probabilities.shape == (len(parts[2]), len(Grade))
        assert (probabilities > 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)

    def test_it_learns_the_planted_signal(self, fitted: Member, parts: Parts) -> None:
        """New studies are predicted better than by the best constant."""
        assert fraction_of_prior(fitted, parts[0], parts[2]) < self.best_fraction

    def test_it_refuses_to_predict_before_fit(self, parts: Parts, tmp_path: Path) -> None:
        """Before `fit`, `predict_proba` and `save` raise a NotFittedError that says so."""
        with pytest.raises(NotFittedError, match="not fitted; call fit before predict_proba"):
            self.make().predict_proba(parts[2])
        with pytest.raises(NotFittedError, match="not fitted; call fit before save"):
            self.make().save(tmp_path)

    def test_the_same_seed_gives_the_same_predictions(self, fitted: Member, parts: Parts) -> None:
        """Two fits with one seed are the same bit by bit."""
        again = self.make().fit(parts[0], parts[1])
        assert_array_equal(again.predict_proba(parts[2]), fitted.predict_proba(parts[2]))

    def test_saved_and_loaded_it_predicts_the_same(
        self, fitted: Member, parts: Parts, tmp_path: Path
    ) -> None:
        """A loaded member predicts the same bit by bit, and its files are of safe formats."""
        fitted.save(tmp_path / "member")
        loaded = type(fitted).load(tmp_path / "member")
        assert_array_equal(loaded.predict_proba(parts[2]), fitted.predict_proba(parts[2]))
        for path in (tmp_path / "member").rglob("*"):
            assert path.is_dir() or path.suffix in self.suffixes

    def test_damaged_files_are_refused(self, fitted: Member, tmp_path: Path) -> None:
        """Whichever file is cut short, loading raises an ArtifactError."""
        fitted.save(tmp_path / "member")
        for path in sorted(path for path in (tmp_path / "member").rglob("*") if path.is_file()):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 3])
            with pytest.raises(ArtifactError):
                type(fitted).load(tmp_path / "member")
            path.write_bytes(whole)

    def test_foreign_and_newer_models_are_refused(self, fitted: Member, tmp_path: Path) -> None:
        """Folders of something else, of a newer version, or without what the manifest must hold are refused."""
        folder = tmp_path / "member"
        fitted.save(folder)
        whole = json.loads((folder / "manifest.json").read_text())
        damaged = ((change, "damaged") for change in self.damaged_manifests)
        for change, words in [*self.foreign_manifests, *damaged]:
            (folder / "manifest.json").write_text(json.dumps(whole | change))
            with pytest.raises(ArtifactError, match=words):
                type(fitted).load(folder)
        with pytest.raises(ArtifactError, match="no such member directory"):
            type(fitted).load(tmp_path / "absent")

    def test_fitting_leaves_the_random_state_of_others_alone(self, parts: Parts) -> None:
        """The global random state of torch is the same after a fit."""
        import torch

        torch.manual_seed(5)
        wanted = torch.rand(1)
        torch.manual_seed(5)
        self.make().fit(parts[0], parts[1])
        assert torch.rand(1) == wanted

    def test_grades_of_predicted_studies_do_not_matter(self, fitted: Member, parts: Parts) -> None:
        """Predictions are the same for labeled and unlabeled studies."""
        blank = replace(parts[2], rows=parts[2].rows.assign(grade=-1))
        assert_array_equal(fitted.predict_proba(blank), fitted.predict_proba(parts[2]))

    def test_absent_views_and_a_single_study(self, fitted: Member, parts: Parts, tmp_path: Path) -> None:
        """A single study is predicted, also where there is nothing to see."""
        one = parts[2].where(parts[2].rows["study_id"] == parts[2].rows["study_id"].iloc[0])
        for examples in (one, self.blind(one, tmp_path)):
            probabilities = fitted.predict_proba(examples)
            assert np.isfinite(probabilities).all()
            assert probabilities.shape == (len(TARGETS), len(Grade))

    def test_a_family_without_labels_gets_smooth_fractions(self, parts: Parts) -> None:
        """A family without labels is predicted a third each, and one with a single grade finitely."""
        rows = parts[0].rows.copy()
        rows.loc[rows["condition"] == "spinal_canal_stenosis", "grade"] = -1
        rows.loc[rows["condition"].str.contains("foraminal"), "grade"] = 0
        bare = replace(parts[0], rows=rows)
        probabilities = self.make().fit(bare, parts[1]).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()
        spinal = (parts[2].rows["condition"] == "spinal_canal_stenosis").to_numpy()
        assert_allclose(probabilities[spinal], 1 / 3)

    def test_fitted_again_it_forgets(self, fitted: Member, parts: Parts, tmp_path: Path) -> None:
        """A loaded member that is fitted anew is the same as a new one."""
        fitted.save(tmp_path / "member")
        again = type(fitted).load(tmp_path / "member")
        again.fit(parts[1], parts[0])
        fresh = self.make().fit(parts[1], parts[0])
        assert_array_equal(again.predict_proba(parts[2]), fresh.predict_proba(parts[2]))

    def test_a_mirrored_study_swaps_its_sides(self, fitted: Member, parts: Parts, tmp_path: Path) -> None:
        """What is predicted for a side of a study is predicted for the other side of its mirror image."""
        other, order = self.seen_in_a_mirror(parts[2], tmp_path / "mirrored")
        found = fitted.predict_proba(parts[2])
        assert np.abs(found[order] - found).max() >= self.least_difference
        assert_allclose(fitted.predict_proba(other), found[order], atol=1e-6)

    def test_a_study_is_predicted_the_same_in_any_company(self, fitted: Member, parts: Parts) -> None:
        """Other studies of the same call change nothing."""
        some = parts[2].rows["study_id"].isin(parts[2].rows["study_id"].unique()[3:5]).to_numpy()
        alone, among = fitted.predict_proba(parts[2].where(some)), fitted.predict_proba(parts[2])[some]
        assert_allclose(alone, among, atol=1e-4)

    def test_without_a_stopping_fold_it_still_learns(self, parts: Parts) -> None:
        """A fit without studies that decide when to stop ends, and its predictions are finite."""
        nothing = parts[1].where(np.zeros(len(parts[1]), bool))
        probabilities = self.make().fit(parts[0], nothing).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()
