"""What every member of the ensemble must do; a test class per member inherits it in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from support.examples import make_examples, mirrored

from lsdc.models.examples import Examples
from lsdc.models.heads import WEIGHTS
from lsdc.models.member import NotFittedError
from lsdc.runtime import ArtefactError, LsdcError


def weighted_loss(grades, probabilities):
    weights = WEIGHTS[grades]
    return -(weights * np.log(probabilities[np.arange(len(grades)), grades])).sum() / weights.sum()


class MemberContract:
    member: type

    @pytest.fixture(scope="class")
    @classmethod
    def parts(cls):
        examples = make_examples(45)
        stop = examples.rows["fold"] == 0
        return examples.where(~stop), examples.where(stop), make_examples(30, first=1000)

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, parts):
        return cls.member(0).fit(parts[0], parts[1])

    def test_rows_are_probabilities(self, fitted, parts):
        probabilities = fitted.predict_proba(parts[2])
        assert probabilities.shape == (len(parts[2]), 3)
        assert (probabilities > 0).all()
        assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-9)

    def test_it_learns_the_planted_signal(self, fitted, parts):
        grades = parts[2].grades
        prior = np.bincount(parts[0].grades, minlength=3) * WEIGHTS
        prior = np.tile(prior / prior.sum(), (len(grades), 1))
        assert weighted_loss(grades, fitted.predict_proba(parts[2])) < 0.9 * weighted_loss(grades, prior)

    def test_it_refuses_to_predict_before_fit(self, parts, tmp_path):
        with pytest.raises(NotFittedError, match="not fitted; call fit before predict_proba"):
            self.member(0).predict_proba(parts[2])
        with pytest.raises(NotFittedError, match="not fitted; call fit before save"):
            self.member(0).save(tmp_path)

    def test_the_same_seed_gives_the_same_predictions(self, fitted, parts):
        again = self.member(0).fit(parts[0], parts[1])
        assert_array_equal(again.predict_proba(parts[2]), fitted.predict_proba(parts[2]))

    def test_saved_and_loaded_it_predicts_the_same(self, fitted, parts, tmp_path):
        fitted.save(tmp_path / "member")
        loaded = type(fitted).load(tmp_path / "member")
        assert_array_equal(loaded.predict_proba(parts[2]), fitted.predict_proba(parts[2]))
        for path in (tmp_path / "member").iterdir():
            assert path.suffix in {".json", ".safetensors", ".txt", ".ubj"}

    def test_damaged_files_are_refused(self, fitted, tmp_path):
        fitted.save(tmp_path / "member")
        for path in sorted((tmp_path / "member").iterdir()):
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
            ({"heads": {}}, "damaged"),
            ({"files": None}, "damaged"),
            ({"files": {}}, "damaged"),
        ]:
            (folder / "manifest.json").write_text(json.dumps(whole | change))
            with pytest.raises(ArtefactError, match=words):
                type(fitted).load(folder)
        with pytest.raises(ArtefactError, match="no such member directory"):
            type(fitted).load(tmp_path / "absent")

    def test_other_features_are_refused(self, fitted, parts):
        narrow = replace(parts[2], embedding=parts[2].embedding[:, :-1])
        with pytest.raises(LsdcError, match="embeddings have 35 columns, the model was fitted on 36"):
            fitted.predict_proba(narrow)

    def test_fitting_leaves_the_random_state_of_others_alone(self, parts):
        torch.manual_seed(5)
        wanted = torch.rand(1)
        torch.manual_seed(5)
        self.member(0).fit(parts[0], parts[1])
        assert torch.rand(1) == wanted

    def test_labels_of_others_than_the_training_part_do_not_matter(self, fitted, parts):
        blank = replace(parts[2], rows=parts[2].rows.assign(grade=-1))
        assert_array_equal(fitted.predict_proba(blank), fitted.predict_proba(parts[2]))

    def test_absent_views_and_a_single_study(self, fitted, parts):
        one = parts[2].where(parts[2].rows["study_id"] == parts[2].rows["study_id"].iloc[0])
        blind = Examples(one.rows, np.full_like(one.embedding, np.nan), one.numeric, one.numeric_names)
        for examples in (one, blind):
            probabilities = fitted.predict_proba(examples)
            assert np.isfinite(probabilities).all()
            assert probabilities.shape == (25, 3)

    def test_a_family_without_labels_gets_smooth_shares(self, parts):
        rows = parts[0].rows.copy()
        rows.loc[rows["condition"] == "spinal_canal_stenosis", "grade"] = -1
        rows.loc[rows["condition"].str.contains("foraminal"), "grade"] = 0
        bare = Examples(rows, parts[0].embedding, parts[0].numeric, parts[0].numeric_names)
        probabilities = self.member(0).fit(bare, parts[1]).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()
        spinal = (parts[2].rows["condition"] == "spinal_canal_stenosis").to_numpy()
        assert_allclose(probabilities[spinal], 1 / 3)

    def test_fitted_again_it_forgets(self, fitted, parts, tmp_path):
        fitted.save(tmp_path / "member")
        again = type(fitted).load(tmp_path / "member")
        again.fit(parts[1], parts[0])
        fresh = self.member(0).fit(parts[1], parts[0])
        assert_array_equal(again.predict_proba(parts[2]), fresh.predict_proba(parts[2]))

    def test_a_mirrored_study_swaps_its_sides(self, fitted, parts):
        other, order = mirrored(parts[2])
        assert_allclose(fitted.predict_proba(other), fitted.predict_proba(parts[2])[order], atol=1e-6)

    def test_without_a_stopping_fold_it_still_learns(self, parts):
        nothing = parts[1].where(np.zeros(len(parts[1]), bool))
        probabilities = self.member(0).fit(parts[0], nothing).predict_proba(parts[2])
        assert np.isfinite(probabilities).all()
