"""One axis of severity in the embedding of each view, for patients unlike those that it is fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lsdc.cohort.vocabulary import TARGETS, Family, Grade, Level, View
from lsdc.metrics.official import GRADE_WEIGHTS
from lsdc.models.examples import Examples
from lsdc.models.heads.prepare import families
from lsdc.models.heads.view_axis import Floats, ViewAxis
from lsdc.models.member import PRIOR_FRACTION, NotFittedError
from lsdc.models.options import Options
from lsdc.models.saved_member import SavedMember, checked_file
from lsdc.models.shrinkage import target_fractions
from lsdc.models.targets import GRADED_VIEW, of_family
from lsdc.runtime import LsdcError
from lsdc.runtime.tensor_files import read_arrays, write_tensors

_WEIGHTS = "weights.safetensors"
_FEWEST_ROWS = 20
_TINY = 1e-6
_SMOOTHING = 0.5


class SeverityAxis(SavedMember):
    """One axis of severity per view, which moves the prior of the level; views are joined by how much each knows.

    It reads embeddings and levels alone: headers, the sure or unsure place of a target, and which views are absent
    differ between cohorts for other reasons than disease, and tell a model of simulated patients nothing about real
    ones. Nor do the many directions that a classifier may use; what is left is one number per view, how much more
    severe than usual for its level a target looks, by ridge regression. The logarithms of the views' probabilities are
    averaged over the views that a study has, weighted by what each gains over the prior on the studies of `stop_on`;
    where the view is absent in which readers grade a target, it gets the prior. Half of every embedding is the mean
    over the study's targets of the family: narrow spaces come together, and a place that was missed matters less.
    Right sides share the model of left ones.

    Parameters
    ----------
    seed : int
        Kept, and of no consequence: nothing is random.
    options : Options, optional
        Kept, and of no consequence.
    """

    name = "severity_axis"
    about: ClassVar[str] = (
        "one axis of severity in the embedding of each view, no metadata: for patients unlike those fitted on"
    )
    needs: ClassVar[str] = "embeddings of the store"

    def __init__(self, seed: int = 0, options: Options | None = None) -> None:
        self.seed, self.options = seed, options or Options()
        self.models: dict[tuple[Family, View], ViewAxis] = {}
        self.weights = np.zeros((len(Family), len(View)))
        self.prior: Floats | None = None
        self.width, self.smoothing = 0, _SMOOTHING

    def require(self) -> None:
        """Ask for nothing: all that it needs is installed with lsdc."""

    def fit(self, examples: Examples, stop_on: Examples, work: Path | None = None) -> Self:
        """Fit a linear model per family and view, and weigh the views.

        Parameters
        ----------
        examples : Examples
            The training studies.
        stop_on : Examples
            Other studies, on which the views are weighed; all weigh the same where it has no labels.
        work : Path, optional
            Not used: a fit takes seconds.

        Returns
        -------
        SeverityAxis
            Itself.
        """
        self.refit(examples)
        judges = _Rows(stop_on, self.smoothing)
        for number, family in enumerate(Family):
            gains = {}
            for k, view in enumerate(View):
                rows, model = judges.labeled(number, k), self.models.get((family, view))
                if model is not None and rows.any():
                    found = model.logarithms(judges.view(k, rows), judges.level[rows])
                    gains[k] = max(self._gain(found, judges, rows), _TINY)
            # A view that nothing judged must not outweigh those that something did.
            unjudged = min(gains.values(), default=1.0)
            for k, view in enumerate(View):
                self.weights[number, k] = gains.get(k, unjudged) if (family, view) in self.models else 0.0
        return self

    def _gain(self, logarithms: Floats, judges: _Rows, rows: NDArray[np.bool_]) -> float:
        """How much lower a view's weighted log loss is than the prior's."""
        assert self.prior is not None
        grades = judges.grades[rows]
        place = np.arange(len(grades))
        without = np.log(self.prior[judges.target[rows]])[place, grades]
        return float(np.average(logarithms[place, grades] - without, weights=GRADE_WEIGHTS[grades]))

    def refit(self, examples: Examples) -> Self:
        """Fit the linear models again, such as on more studies; the views keep their weights.

        Parameters
        ----------
        examples : Examples
            The studies.

        Returns
        -------
        SeverityAxis
            Itself.
        """
        data = _Rows(examples, self.smoothing)
        self.prior = target_fractions(data.grades.reshape(-1, len(TARGETS)))
        self.width, self.models = examples.embedding.shape[1], {}
        for number, family in enumerate(Family):
            for k, view in enumerate(View):
                rows = data.labeled(number, k)
                if rows.sum() >= _FEWEST_ROWS and len(np.unique(data.grades[rows])) > 1:
                    self.models[family, view] = ViewAxis.of(
                        data.view(k, rows),
                        data.level[rows],
                        data.grades[rows],
                        data.study[rows],
                        self.prior[of_family(family)[: len(Level)]],
                    )
        return self

    def predict_proba(self, examples: Examples) -> Floats:
        """Predict the grade of every row, with a small fraction of the prior so that no probability is 0.

        Parameters
        ----------
        examples : Examples
            Whole studies, n rows, with embeddings of the encoder that it was fitted on.

        Returns
        -------
        (n, 3) float64
            Probabilities of normal/mild, moderate and severe; rows sum to 1. The prior where the target's own view is
            absent.

        Raises
        ------
        NotFittedError
            Before `fit`.
        LsdcError
            When the embeddings are of another length.
        """
        if self.prior is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before predict_proba")
        if examples.embedding.shape[1] != self.width:
            raise LsdcError(
                f"embeddings have {examples.embedding.shape[1]} columns, the model was fitted on {self.width}; "
                "extract the studies with the same backbone"
            )
        data = _Rows(examples, self.smoothing)
        prior = self.prior[data.target]
        summed, weight = np.zeros((len(examples), len(Grade))), np.zeros((len(examples), 1))
        for (family, view), model in self.models.items():
            number, k = list(Family).index(family), list(View).index(view)
            rows = data.there(number, k) & data.own
            here = self.weights[number, k]
            summed[rows] += here * model.logarithms(data.view(k, rows), data.level[rows])
            weight[rows] += here
        joined = np.where(weight > 0, summed / np.where(weight > 0, weight, 1), np.log(prior))
        found = np.exp(joined - np.logaddexp.reduce(joined, axis=1, keepdims=True))
        return (1 - PRIOR_FRACTION) * found + PRIOR_FRACTION * prior

    def save(self, folder: Path) -> None:
        """Write one file of arrays and a manifest.

        Parameters
        ----------
        folder : Path
            Made where it does not exist.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        if self.prior is None:
            raise NotFittedError(f"{self.name}: not fitted; call fit before save")
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {"prior": self.prior, "weights": self.weights}
        for (family, view), model in self.models.items():
            tensors[f"{family.value}.{view.name}.matrix"] = model.matrix.astype(np.float32)
            tensors[f"{family.value}.{view.name}.constant"] = model.constant
        write_tensors(folder / _WEIGHTS, tensors)
        views = [[family.value, view.name] for family, view in self.models]
        self.finish(folder, width=self.width, smoothing=self.smoothing, views=views)

    @classmethod
    def _load(cls, folder: Path, manifest: Mapping[str, Any]) -> Self:
        member = cls(int(manifest["seed"]))
        tensors = read_arrays(checked_file(folder, manifest, _WEIGHTS))
        member.prior, member.weights = tensors["prior"], tensors["weights"]
        if member.prior.shape != (len(TARGETS), len(Grade)) or member.weights.shape != (
            len(Family),
            len(View),
        ):
            raise ValueError("an array has another shape")
        if not all(np.isfinite(values).all() for values in tensors.values()):
            raise ValueError("a value is not a number")
        if not (member.prior > 0).all() or not (member.weights >= 0).all():
            raise ValueError("a probability or a weight is out of range")
        member.width, member.smoothing = int(manifest["width"]), float(manifest.get("smoothing", 0.0))
        if not 0 < member.width < 2**31 or not 0 <= member.smoothing <= 1:
            raise ValueError("a width or a smoothing that cannot be")
        parts = {
            view: len(part) for view, part in zip(View, np.array_split(np.zeros(member.width), len(View)))
        }
        for family, view in manifest["views"]:
            arrays = [tensors[f"{family}.{view}.{part}"].astype(float) for part in ("matrix", "constant")]
            shapes = [(parts[View[view]] + len(Level), len(Grade)), (len(Grade),)]
            if [values.shape for values in arrays] != shapes:
                raise ValueError("an axis has another shape")
            member.models[Family(family), View[view]] = ViewAxis(*arrays)
        return member


class _Rows:
    """What the member reads of examples, by row; `own` says whether the view is there in which readers grade it."""

    def __init__(self, examples: Examples, smoothing: float) -> None:
        self.family = families(examples.rows)
        places = {level.value: k for k, level in enumerate(Level)}
        self.level: NDArray[np.intp] = np.array([places[value] for value in examples.rows["level"]], np.intp)
        self.target = np.arange(len(examples)) % len(TARGETS)
        self.study = np.arange(len(examples)) // len(TARGETS)
        self.grades = examples.grades
        views = np.array_split(examples.embedding, len(View), axis=1)
        self._seen = [np.asarray(np.isfinite(part).all(axis=1)) for part in views]
        self._views = [self._smoothed(part, seen, smoothing) for part, seen in zip(views, self._seen)]
        self.own = np.array(self._seen)[GRADED_VIEW[self.target], np.arange(len(examples))]

    def _smoothed(self, values: NDArray[np.float32], seen: NDArray[np.bool_], smoothing: float) -> Floats:
        """Mix each row that is there with the mean of those of its study and family."""
        group = (self.study * len(Family) + self.family)[seen]
        count = np.bincount(group, minlength=len(Family))
        sums = np.zeros((len(count), values.shape[1]))
        np.add.at(sums, group, values[seen])
        out = values.astype(float)
        out[seen] = (1 - smoothing) * out[seen] + smoothing * (sums[group] / count[group, None])
        return out

    def view(self, k: int, rows: NDArray[np.bool_]) -> Floats:
        """Embedding of one view, (m, d)."""
        return self._views[k][rows]

    def there(self, family: int, k: int) -> NDArray[np.bool_]:
        """Rows of a family whose embedding of a view is there."""
        return np.asarray((self.family == family) & self._seen[k])

    def labeled(self, family: int, k: int) -> NDArray[np.bool_]:
        """Those of them that have a grade."""
        return self.there(family, k) & (self.grades >= 0)
