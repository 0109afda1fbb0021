"""What every member of the ensemble must do; a test class per member inherits it in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.examples import make_examples, mirrored

from lsdc.models.deep.base import Sizes
from lsdc.models.heads.boosted import WEIGHTS
from lsdc.models.member import NotFittedError
from lsdc.models.options import Options
from lsdc.models.store_arrays import PLACES
from lsdc.runtime import ArtefactError, LsdcError
from lsdc.runtime.training import train


def weighted_loss(grades, probabilities):
    weights = WEIGHTS[grades]
    return -(weights * np.log(probabilities[np.arange(len(grades)), grades])).sum() / weights.sum()


def share_of_prior(member, learned, new):
    """Loss on new studies over that of the weighted shares of the grades learned from."""
    prior = np.bincount(learned.grades, minlength=3) * WEIGHTS
    prior = np.tile(prior / prior.sum(), (len(new), 1))
    return weighted_loss(new.grades, member.predict_proba(new)) / weighted_loss(new.grades, prior)


class MemberContract:
    """Subclasses name the `member`, and may say how it is made and what it reads."""

    member: type
    studies, best_share, least_difference = 45, 0.9, 1e-3
    damaged_manifests = ({"files": None}, {"files": {}})

    @classmethod
    def make(cls, seed=0):
        return cls.member(seed)

    @classmethod
    def examples(cls, n_studies, folder, first=0):
        return make_examples(n_studies, first=first)

    @classmethod
    def blind(cls, examples, folder):
        """The same studies without a picture."""
        return replace(examples, embedding=np.full_like(examples.embedding, np.nan))

    @classmethod
    def seen_in_a_mirror(cls, examples, folder):
        return mirrored(examples)

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls, tmp_path_factory):
        folder = tmp_path_factory.mktemp("examples")
        examples = cls.examples(cls.studies, folder / "fitted")
        stop = examples.rows["fold"] == 0
        new = cls.examples(30, folder / "new", first=1000)
        return examples.where(~stop), examples.where(stop), new

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, parts):
        return cls.make().fit(parts[0], parts[1])

    def test_rows_are_probabilities(self, fitted, parts):
        probabilities = fitted.predict_proba(parts[2])
        assert probabilities.shape == (len(parts[2]), 3)
        assert (probabilities > 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)

    def test_it_learns_the_planted_signal(self, fitted, parts):
        assert share_of_prior(fitted, parts[0], parts[2]) < self.best_share

    def test_it_refuses_to_predict_before_fit(self, parts, tmp_path):
        with pytest.raises(NotFittedError, match="not fitted; call fit before predict_proba"):
            self.make().predict_proba(parts[2])
        with pytest.raises(NotFittedError, match="not fitted; call fit before save"):
            self.make().save(tmp_path)

    def test_the_same_seed_gives_the_same_predictions(self, fitted, parts):
        again = self.make().fit(parts[0], parts[1])
        assert_array_equal(again.predict_proba(parts[2]), fitted.predict_proba(parts[2]))

    def test_saved_and_loaded_it_predicts_the_same(self, fitted, parts, tmp_path):
        fitted.save(tmp_path / "member")
        loaded = type(fitted).load(tmp_path / "member")
        assert_array_equal(loaded.predict_proba(parts[2]), fitted.predict_proba(parts[2]))
        for path in (tmp_path / "member").rglob("*"):
            assert path.is_dir() or path.suffix in {".json", ".safetensors", ".txt", ".ubj"}

    def test_damaged_files_are_refused(self, fitted, tmp_path):
        fitted.save(tmp_path / "member")
        for path in sorted(path for path in (tmp_path / "member").rglob("*") if path.is_file()):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 3])
            with pytest.raises(ArtefactError):
                type(fitted).load(tmp_path / "member")
            path.write_bytes(whole)

    def test_foreign_and_newer_models_are_refused(self, fitted, tmp_path):
        folder = tmp_path / "member"
        fitted.save(folder)
        whole = json.loads((folder / "manifest.json").read_text())
        for change, words in [
            ({"kind": "store"}, "holds a 'store', not a 'member'"),
            ({"schema": 999}, "newer than what this version reads"),
            ({"member": "other"}, "holds the member 'other', not"),
            *((change, "damaged") for change in self.damaged_manifests),
        ]:
            (folder / "manifest.json").write_text(json.dumps(whole | change))
            with pytest.raises(ArtefactError, match=words):
                type(fitted).load(folder)
        with pytest.raises(ArtefactError, match="no such member directory"):
            type(fitted).load(tmp_path / "absent")

    def test_fitting_leaves_the_random_state_of_others_alone(self, parts):
        torch.manual_seed(5)
        wanted = torch.rand(1)
        torch.manual_seed(5)
        self.make().fit(parts[0], parts[1])
        assert torch.rand(1) == wanted

    def test_labels_of_others_than_the_training_part_do_not_matter(self, fitted, parts):
        blank = replace(parts[2], rows=parts[2].rows.assign(grade=-1))
        assert_array_equal(fitted.predict_proba(blank), fitted.predict_proba(parts[2]))

    def test_absent_views_and_a_single_study(self, fitted, parts, tmp_path):
        one = parts[2].where(parts[2].rows["study_id"] == parts[2].rows["study_id"].iloc[0])
        for examples in (one, self.blind(one, tmp_path)):
            probabilities = fitted.predict_proba(examples)
            assert np.isfinite(probabilities).all()
            assert probabilities.shape == (25, 3)

    def test_a_family_without_labels_gets_smooth_shares(self, parts):
        rows = parts[0].rows.copy()
        rows.loc[rows["condition"] == "spinal_canal_stenosis", "grade"] = -1
        rows.loc[rows["condition"].str.contains("foraminal"), "grade"] = 0
        bare = replace(parts[0], rows=rows)
        probabilities = self.make().fit(bare, parts[1]).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()
        spinal = (parts[2].rows["condition"] == "spinal_canal_stenosis").to_numpy()
        assert_allclose(probabilities[spinal], 1 / 3)

    def test_fitted_again_it_forgets(self, fitted, parts, tmp_path):
        fitted.save(tmp_path / "member")
        again = type(fitted).load(tmp_path / "member")
        again.fit(parts[1], parts[0])
        fresh = self.make().fit(parts[1], parts[0])
        assert_array_equal(again.predict_proba(parts[2]), fresh.predict_proba(parts[2]))

    def test_a_mirrored_study_swaps_its_sides(self, fitted, parts, tmp_path):
        other, order = self.seen_in_a_mirror(parts[2], tmp_path / "mirrored")
        found = fitted.predict_proba(parts[2])
        assert np.abs(found[order] - found).max() >= self.least_difference
        assert_allclose(fitted.predict_proba(other), found[order], atol=1e-6)

    def test_a_study_is_predicted_the_same_in_any_company(self, fitted, parts):
        some = parts[2].rows["study_id"].isin(parts[2].rows["study_id"].unique()[3:5]).to_numpy()
        alone, among = fitted.predict_proba(parts[2].where(some)), fitted.predict_proba(parts[2])[some]
        assert_allclose(alone, among, atol=1e-4)

    def test_without_a_stopping_fold_it_still_learns(self, parts):
        nothing = parts[1].where(np.zeros(len(parts[1]), bool))
        probabilities = self.make().fit(parts[0], nothing).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()


class HeadContract(MemberContract):
    """A member that reads embeddings and numbers."""

    damaged_manifests = ({"heads": {}}, *MemberContract.damaged_manifests)

    def test_other_features_are_refused(self, fitted, parts):
        narrow = replace(parts[2], embedding=parts[2].embedding[:, :-1])
        with pytest.raises(LsdcError, match="embeddings have 35 columns, the model was fitted on 36"):
            fitted.predict_proba(narrow)


class DeepContract(MemberContract):
    """A member that looks at pictures; made small, with a random backbone.

    `lesson` says from how many studies and in how many epochs it learns to be better than `best_share` of the prior.
    """

    studies = 25
    sizes: Sizes
    lesson: tuple[int, int]
    options = Options(preset="tiny", backbone="test_resnet", weights="random", device="cpu")

    @classmethod
    def make(cls, seed=0):
        return cls.member(seed, cls.options)

    @classmethod
    def network(cls):
        """Whose sizes count."""
        return cls.member

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def small(cls):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cls.network(), "sizes", {"tiny": cls.sizes})
            yield

    @classmethod
    def examples(cls, n_studies, folder, first=0):
        return make_examples(n_studies, first=first, folder=folder)

    @classmethod
    def blind(cls, examples, folder):
        made = make_examples(len(examples) // 25, folder=folder / "blind")
        for path in (folder / "blind").rglob("*.npy"):
            np.save(path, np.zeros_like(np.load(path)))
        nowhere = {name: -1.0 if name in ("volume_slice", "preview") else np.nan for name in PLACES}
        return replace(examples, pictures=made.pictures, rows=examples.rows.assign(**nowhere))

    @classmethod
    def seen_in_a_mirror(cls, examples, folder):
        return mirrored(examples, folder)

    def test_it_learns_the_planted_signal(self, parts, tmp_path, monkeypatch):
        studies, epochs = self.lesson
        longer = {"tiny": replace(self.sizes, batch=4, epochs=epochs)}
        monkeypatch.setattr(self.network(), "sizes", longer)
        learned = self.examples(studies, tmp_path / "lesson", first=2000)
        stop = learned.rows["fold"] == 0
        member = self.make().fit(learned.where(~stop), learned.where(stop))
        assert share_of_prior(member, learned, parts[2]) < self.best_share

    def test_studies_without_a_picture_can_be_learned_from(self, parts, tmp_path):
        few = parts[0].where(parts[0].rows["study_id"].isin(parts[0].rows["study_id"].unique()[:3]))
        nothing = parts[1].where(np.zeros(len(parts[1]), bool))
        member = self.make().fit(self.blind(few, tmp_path), nothing)
        assert np.isfinite(member.predict_proba(few)).all()

    def test_examples_without_pictures_are_refused(self, parts):
        with pytest.raises(LsdcError, match="learns from pictures, and these examples have none"):
            self.make().fit(replace(parts[0], pictures=None), parts[1])

    def test_a_killed_fit_goes_on_at_the_epoch(self, fitted, parts, tmp_path, monkeypatch):
        from lsdc.models.deep import base as deep

        class KilledError(Exception):
            pass

        def dies(*args, evaluate, **more):
            calls = []

            def once(network):
                calls.append(1)
                if len(calls) > 2:
                    raise KilledError
                return evaluate(network)

            return train(*args, evaluate=once, **more)

        monkeypatch.setattr(deep, "train", dies)
        with pytest.raises(KilledError):
            self.make().fit(parts[0], parts[1], tmp_path)
        monkeypatch.setattr(deep, "train", train)
        went_on = self.make().fit(parts[0], parts[1], tmp_path)
        assert_array_equal(went_on.predict_proba(parts[2]), fitted.predict_proba(parts[2]))
        epochs = [line.split(",")[0] for line in next(tmp_path.rglob("log.csv")).read_text().splitlines()[1:]]
        assert epochs == [str(k) for k in range(len(epochs))]
