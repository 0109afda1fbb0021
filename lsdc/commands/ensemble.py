"""`lsdc-ensemble`: fit, predict, score, and look at what was tried."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from lsdc.models.options import Options
from lsdc.runtime.console import run_command, table

if TYPE_CHECKING:
    from lsdc.ensemble.prediction import Predicted
    from lsdc.metrics.official import Scores


@dataclass(frozen=True)
class Fit:
    """Fit members on a feature store, stack them, and score the stack by nested cross-validation.

    The same command run again goes on where it stopped.

    Examples:
        lsdc-ensemble fit store/ --out model/
        lsdc-ensemble fit store/ --out small/ --members lightgbm,xgboost --trials 20
        lsdc-ensemble fit store/ --out deep/ --members lightgbm,crop_cnn,sequence --preset gpu
        torchrun --nproc-per-node 4 -m lsdc.commands.ensemble fit store/ --out deep/ --members crop_cnn
    """

    store: Positional[Path]
    """a finished feature store with labeled training studies"""
    out: Path
    """directory of the new model"""
    members: str = "lightgbm,xgboost,mlp"
    """names, separated by commas; `lsdc-ensemble members` lists them"""
    trials: int = 60
    """Optuna trials"""
    seed: int = 0
    """for the search and the bootstrap"""
    options: Annotated[Options, arg(name="")] = Options()  # noqa: RUF009
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, Any]:
        """Fit."""
        from lsdc.ensemble.fitting import fit

        names = [name.strip() for name in self.members.split(",") if name.strip()]
        return fit(self.store, self.out, names, self.trials, self.seed, self.options)


@dataclass(frozen=True)
class Predict:
    """Predict the test or new studies of a store, 25 rows each; all its studies where it has none.

    Examples:
        lsdc-ensemble predict model/ store/ --out submission.csv
        lsdc-ensemble predict model/ store/ --out submission.csv --sample sample_submission.csv
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit`"""
    store: Positional[Path]
    """a store extracted like the one the model was fitted on"""
    out: Path
    """CSV to write"""
    sample: Path | None = None
    """sample_submission.csv, for the rows and their order"""
    baselines: Path | None = None
    """folder for the submissions of weighted prior, plain mean, best single and each member"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Predicted:
        """Predict."""
        from lsdc.ensemble.prediction import predict

        return predict(self.model, self.store, self.out, self.sample, self.baselines)


@dataclass(frozen=True)
class Score:
    """Score a submission with the official metric.

    Examples:
        lsdc-ensemble score train.csv submission.csv
    """

    labels: Positional[Path]
    """train.csv, or a solution table with one-hot grades"""
    submission: Positional[Path]
    """row_id, normal_mild, moderate, severe; CSV or Parquet"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> Scores:
        """Score."""
        from lsdc.metrics.scoring import score

        scores = score(self.labels, self.submission)
        names = [field.name for field in fields(scores)]
        table("official score (lower is better)", names, [[getattr(scores, name) for name in names]])
        return scores


@dataclass(frozen=True)
class Evaluate:
    """Measure predictions: official metric, AUC, kappa, sensitivity, calibration and more, per condition and level.

    A model's members are measured by their out-of-fold predictions, its stack by its nested ones.

    Examples:
        lsdc-ensemble evaluate train.csv model/ --out measures.csv
        lsdc-ensemble evaluate test_labels.csv submission.csv other.csv --out measures.csv
    """

    labels: Positional[Path]
    """train.csv, or a solution table with one-hot grades"""
    predictions: Positional[tuple[Path, ...]]
    """prediction tables, or model directories"""
    out: Path | None = None
    """CSV to write; confusion matrices go beside it"""
    resamples: int = 200
    """of the bootstrap over studies; 0 leaves the intervals out"""
    seed: int = 0
    """of the bootstrap"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> list[dict[str, Any]]:
        """Evaluate."""
        from lsdc.ensemble.evaluation import evaluate
        from lsdc.runtime import ConfigError

        if not self.predictions:
            raise ConfigError(
                "nothing to evaluate; give a prediction table or a model directory after the labels"
            )
        if self.resamples < 0:
            raise ConfigError(f"--resamples must not be negative, as {self.resamples} is")
        found = evaluate(self.labels, self.predictions, self.out, self.resamples, self.seed)
        return [{str(name): value for name, value in row.items()} for row in found.to_dict("records")]


@dataclass(frozen=True)
class Blend:
    """Stack prediction tables from anywhere, and apply the stack to other studies.

    A member is a CSV or Parquet table with row_id, normal_mild, moderate, severe: its out-of-fold predictions.
    It may cover only some conditions, studies or rows.

    Examples:
        lsdc-ensemble blend --labels train.csv --folds folds.csv --members oof/ --out blend/
        lsdc-ensemble blend --out blend/ --apply test/ --submission submission.csv
    """

    out: Path
    """directory of the new model, or with --apply alone of a finished one"""
    labels: Path | None = None
    """train.csv"""
    members: Path | None = None
    """folder of out-of-fold tables, one for each member"""
    folds: Path | None = None
    """study_id, fold; default: five folds by study"""
    apply: Path | None = None
    """folder of the same members' tables for other studies"""
    submission: Path | None = None
    """CSV to write, with --apply"""
    trials: int = 60
    """Optuna trials"""
    seed: int = 0
    """for the search and the bootstrap"""
    storage: str | None = None
    """URL of a database in which workers share the trials; default: a journal file in the model"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, Any]:
        """Stack, apply, or both."""
        from lsdc.ensemble.external import apply, blend, read_problem
        from lsdc.runtime import ConfigError

        if (self.apply is None) != (self.submission is None):
            raise ConfigError("--apply and --submission belong together; give both")
        if (self.labels is None) != (self.members is None):
            raise ConfigError("--labels and --members belong together; give both")
        if self.labels is None and self.apply is None:
            raise ConfigError("nothing to do; give --labels and --members to stack, --apply to use a stack")
        result: dict[str, Any] = {}
        if self.labels is not None and self.members is not None:
            problem = read_problem(self.labels, self.members, self.folds, self.seed)
            result = blend(problem, self.out, self.trials, self.seed, self.storage)
        if self.apply is not None and self.submission is not None:
            result = {**result, **apply(self.out, self.apply, self.submission)}
        return result


@dataclass(frozen=True)
class Tune:
    """Work on the trials of a blend that several machines share; start it as often as you like.

    Examples:
        lsdc-ensemble tune --labels train.csv --members oof/ --storage postgresql://user@host/optuna
        lsdc-ensemble blend --labels train.csv --members oof/ --storage postgresql://user@host/optuna --out blend/
    """

    labels: Path
    """train.csv"""
    members: Path
    """folder of out-of-fold tables, one for each member"""
    storage: str
    """URL of the database"""
    trials: int = 60
    """Optuna trials altogether"""
    seed: int = 0
    """for the search"""
    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, Any]:
        """Search."""
        from lsdc.ensemble.external import read_problem, tune

        return tune(read_problem(self.labels, self.members), self.storage, self.trials, self.seed)


@dataclass(frozen=True)
class Members:
    """List the members that an ensemble can have.

    Examples:
        lsdc-ensemble members
    """

    json: bool = False
    """print the result as one JSON object on stdout"""

    def run(self) -> dict[str, dict[str, str]]:
        """List."""
        from lsdc.models.registry import MEMBERS

        words = {name: {"about": member.about, "needs": member.needs} for name, member in MEMBERS.items()}
        table(
            "members", ["name", "what it is", "what it needs"], [(k, *v.values()) for k, v in words.items()]
        )
        return words


@dataclass(frozen=True)
class Dashboard:
    """Show the trials of a model in the browser with optuna-dashboard.

    Examples:
        lsdc-ensemble dashboard model/ --port 8081
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit` or `blend`; one that is being fitted can be watched"""
    host: str = "127.0.0.1"
    """address to listen on"""
    port: int = 8080
    """port to listen on"""
    storage: str | None = None
    """URL of the database, where the model was made with --storage"""

    def run(self) -> None:
        """Serve until interrupted."""
        from lsdc.report.dashboard import serve

        serve(self.model, self.host, self.port, self.storage)


COMMANDS: dict[str, type] = {
    "fit": Fit,
    "predict": Predict,
    "score": Score,
    "evaluate": Evaluate,
    "blend": Blend,
    "tune": Tune,
    "members": Members,
    "dashboard": Dashboard,
}


def main(args: Sequence[str] | None = None) -> int:
    """Run `lsdc-ensemble`."""
    return run_command(COMMANDS, "lsdc-ensemble", "Ensembles of lumbar spine grading models.", args)


if __name__ == "__main__":
    sys.exit(main())
