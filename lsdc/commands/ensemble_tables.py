"""Commands of `lsdc-ensemble` for tables, whoever made them: score, evaluate, blend."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from lsdc.runtime.commands import Reporting
from lsdc.runtime.console import say, table
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    from lsdc.metrics.evaluation import Evaluation
    from lsdc.metrics.official import Scores


@dataclass(frozen=True)
class Search:
    """How weights are searched."""

    trials: int = 60
    """Optuna trials"""
    seed: int = 0
    """for the search, default folds and the bootstrap"""


@dataclass(frozen=True)
class Score:
    """Score a submission with the official metric.

    Examples
    --------
        lsdc-ensemble score train.csv submission.csv
        lsdc-ensemble score reader.xlsx submission.csv --grades 1=normal_mild,2=moderate,3=severe
    """

    labels: Positional[Path]
    """train.csv, a reader's grades in wide or long form, or one-hot grades; CSV or .xlsx"""
    submission: Positional[Path]
    """row_id (or study, condition, level), normal_mild, moderate, severe; CSV, .xlsx or Parquet"""
    grades: str | None = None
    """what codes of grades mean, such as 1=normal_mild,2=moderate,3=severe; needed for all codes but 0, 1 and 2"""
    decimal_comma: bool = False
    """commas in numbers are decimal marks, also where a row of probabilities does not add up to 1"""
    reporting: Reporting = Reporting()

    def run(self) -> Scores:
        """Score the submission.

        Returns
        -------
        Scores
            The four losses and the total; lower is better.
        """
        from lsdc.metrics.scoring import score

        scores = score(self.labels, self.submission, grades=self.grades, decimal_comma=self.decimal_comma)
        names = [field.name for field in fields(scores)]
        table("official score (lower is better)", names, [[getattr(scores, name) for name in names]])
        return scores


@dataclass(frozen=True)
class Evaluate:
    """Measure predictions: official metric, AUC, kappa, sensitivity, calibration and more, per condition and level.

    A model's members are measured by their out-of-fold predictions, its stack by its nested ones. Each two predictions
    or readers are compared, paired by study.

    Examples
    --------
        lsdc-ensemble evaluate train.csv model/ --out measures.csv
        lsdc-ensemble evaluate test_labels.csv submission.csv other.csv --plots plots/
        lsdc-ensemble evaluate consensus.xlsx model/ second_reader.xlsx
    """

    labels: Positional[Path]
    """train.csv, a reader's grades in wide or long form, or one-hot grades; CSV or .xlsx"""
    predictions: Positional[tuple[Path, ...]]
    """tables of probabilities, tables of another reader's grades, models or blends"""
    out: Path | None = None
    """CSV to write; confusion matrices and comparisons go beside it"""
    plots: Path | None = None
    """folder for the plots, as SVG and PNG files"""
    grades: str | None = None
    """what codes of grades mean, such as 1=normal_mild,2=moderate,3=severe; needed for all codes but 0, 1 and 2"""
    decimal_comma: bool = False
    """commas in numbers are decimal marks, also where a row of probabilities does not add up to 1"""
    resamples: int = 200
    """of the bootstrap over studies; 0 leaves the intervals out"""
    seed: int = 0
    """of the bootstrap"""
    reporting: Reporting = Reporting()

    def run(self) -> Evaluation:
        """Measure the predictions.

        Returns
        -------
        Evaluation
            Measures with intervals, and confusion matrices.
        """
        from lsdc.ensemble.evaluation import evaluate, read_graded
        from lsdc.runtime.whole_files import check_output_folder

        reading: dict[str, Any] = {"grades": self.grades, "decimal_comma": self.decimal_comma}
        sampling: dict[str, Any] = {"resamples": self.resamples, "seed": self.seed}
        if self.plots is not None:
            check_output_folder(self.plots)
        evaluation = evaluate(self.labels, self.predictions, out=self.out, **sampling, **reading)
        if self.plots is not None:
            from lsdc.report.plots import evaluation_figures, save_plots

            graded = read_graded(self.labels, self.predictions, **reading)
            files = save_plots(evaluation_figures([one for one in graded if not one.reader]), self.plots)
            say(f"{self.plots}: {len(files)} plots")
        return evaluation


@dataclass(frozen=True)
class Blend:
    """Stack prediction tables, whoever made them, and apply the stack to other studies.

    A member is a table with row_id, normal_mild, moderate, severe: its out-of-fold predictions. It may cover only some
    conditions, studies or rows. The members of a fitted model can be stacked with others' tables. The same command run
    again resumes where it stopped.

    Examples
    --------
        lsdc-ensemble blend --labels train.csv --folds folds.csv --members oof/ --out blend/
        lsdc-ensemble blend --labels train.csv --members model/ oof/ --out blend/
        lsdc-ensemble predict model/ store/ --out model.csv --baselines tables/
        lsdc-ensemble blend --out blend/ --apply tables/ test/ --submission submission.csv
    """

    out: Path
    """directory of the new model, or with --apply alone of a finished one"""
    labels: Path | None = None
    """train.csv, or a reader's grades in wide or long form; CSV or .xlsx"""
    members: tuple[Path, ...] = ()
    """folders of out-of-fold tables, tables and fitted models; NAME=PATH puts NAME before the members of PATH"""
    folds: Path | None = None
    """study_id, fold; default: those of the models among the members, else five folds by study"""
    apply: tuple[Path, ...] = ()
    """folders of the same members' tables, or tables, for other studies"""
    submission: Path | None = None
    """CSV to write, with --apply"""
    storage: str | None = None
    """URL of a database in which workers share the trials; default: a journal file in the model"""
    grades: str | None = None
    """what codes of grades mean, such as 1=normal_mild,2=moderate,3=severe; needed for all codes but 0, 1 and 2"""
    decimal_comma: bool = False
    """commas in numbers are decimal marks, also where a row of probabilities does not add up to 1"""
    search: Search = Search()
    reporting: Reporting = Reporting()

    def run(self) -> dict[str, Any]:
        """Stack, apply, or both.

        Returns
        -------
        dict
            What `blend` and `apply_blend` give, side by side.
        """
        from lsdc.ensemble.applying import apply_blend, check_application
        from lsdc.ensemble.external import blend

        if bool(self.apply) != (self.submission is not None):
            raise ConfigError("--apply and --submission belong together; give both")
        if bool(self.members) != (self.labels is not None):
            raise ConfigError("--labels and --members belong together; give both")
        if self.labels is None and not self.apply:
            raise ConfigError("nothing to do; give --labels and --members to stack, --apply to use a stack")
        of_a_stack = self.folds, self.storage, self.grades, self.search
        if self.labels is None and of_a_stack != (None, None, None, Search()):
            raise ConfigError(
                "--folds, --storage, --grades, --trials and --seed belong to --labels; give them too"
            )
        if self.submission is not None:
            check_application(self.apply, self.submission)  # before the search
        result: dict[str, Any] = {}
        if self.labels is not None:
            result = blend(
                self.labels,
                self.members,
                self.out,
                folds=self.folds,
                trials=self.search.trials,
                seed=self.search.seed,
                storage=self.storage,
                grades=self.grades,
                decimal_comma=self.decimal_comma,
            ).to_dict()
        if self.submission is not None:
            applied = apply_blend(self.out, self.apply, self.submission, decimal_comma=self.decimal_comma)
            result |= asdict(applied)
        return result
