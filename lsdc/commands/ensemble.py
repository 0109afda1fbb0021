"""`lsdc-ensemble`: fit, predict, score, stack tables, and look at what was tried."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from lsdc.commands.ensemble_pack import Pack
from lsdc.commands.ensemble_report import Report
from lsdc.commands.ensemble_tables import Blend, Evaluate, Score, Search
from lsdc.models.options import Options
from lsdc.runtime.commands import Cluster, Reporting, run_command
from lsdc.runtime.console import table
from lsdc.runtime.errors import ConfigError

if TYPE_CHECKING:
    from lsdc.ensemble.external import TunedWeights
    from lsdc.ensemble.fitting import Fitted
    from lsdc.ensemble.prediction import Predicted
    from lsdc.ensemble.suspects.finding import Suspects
    from lsdc.ensemble.tuning.member_search import TunedMember

DESCRIPTION = "Fit, stack and score lumbar spine grading models."


@dataclass(frozen=True)
class Fit:
    """Fit members on a feature store, stack them, and score the stack by nested cross-validation.

    The same command run again resumes where it stopped.

    Examples
    --------
        lsdc-ensemble fit store/ --out model/
        lsdc-ensemble fit store/ --out small/ --members lightgbm,xgboost --trials 20
        lsdc-ensemble fit store/ --out mine/ --members lightgbm,my_module:MyMember
        lsdc-ensemble fit store/ --out deep/ --members lightgbm,crop_cnn,sequence --preset gpu
        lsdc-ensemble fit store/ --out clean/ --noise drop --decisions suspects/suspects.csv
        lsdc-ensemble fit store/ --out model/ --engine dask --scheduler tcp://host:8786
        torchrun --nproc-per-node 4 -m lsdc.commands.ensemble fit store/ --out deep/ --members crop_cnn
    """

    store: Positional[Path]
    """a finished feature store with labeled training studies"""
    out: Path
    """directory of the new model"""
    members: str = "auto"
    """names, separated by commas, or auto: what suits the number of studies; `lsdc-ensemble members` lists them"""
    settings: Path | None = None
    """settings.json of `lsdc-ensemble tune`: settings by member"""
    noise: Literal["none", "drop", "soften"] = "none"
    """labels that are probably wrong: members learn them, leave them out, or learn probabilities; scores keep them"""
    decisions: Path | None = None
    """suspects.csv of `lsdc-ensemble suspects` with the column `decision` filled in; for what members learn alone"""
    oof: Path | None = None
    """folder for the members' out-of-fold predictions as CSV; in the model, studies are named by pseudonyms"""
    search: Search = Search()
    deep: Options = Options()
    cluster: Cluster = Cluster()
    reporting: Reporting = Reporting()

    def run(self) -> Fitted:
        """Fit the ensemble.

        Returns
        -------
        Fitted
            Where the model is, its weights and its scores.
        """
        from lsdc.ensemble.fitting import fit
        from lsdc.ensemble.tuning.settings_file import read_settings

        names = [name.strip() for name in self.members.split(",") if name.strip()]
        search = self.search
        return fit(
            self.store,
            self.out,
            names,
            trials=search.trials,
            seed=search.seed,
            options=self.deep,
            settings=None if self.settings is None else read_settings(self.settings),
            noise=self.noise,
            decisions=self.decisions,
            oof=self.oof,
            engine=self.cluster.engine,
            scheduler=self.cluster.scheduler,
        )


@dataclass(frozen=True)
class Predict:
    """Predict the test or new studies of a store, 25 rows each; all its studies where it has none.

    Examples
    --------
        lsdc-ensemble predict model/ store/ --out submission.csv
        lsdc-ensemble predict model/ store/ --out submission.csv --sample sample_submission.csv
        lsdc-ensemble predict bundled store/ --out grades.csv --weighting none
        lsdc-ensemble predict model/ store/ --out grades.csv --refuse unsure --leave-out
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit` or `pack`; or `bundled`, the model that is shipped (its card is printed)"""
    store: Positional[Path]
    """a store extracted for the model, with `lsdc-features extract DATA --out STORE --for MODEL`"""
    out: Path
    """CSV to write"""
    sample: Path | None = None
    """sample_submission.csv, for the rows and their order"""
    baselines: Path | None = None
    """folder for the submissions of weighted prior, plain mean, best single and each member"""
    weighting: Literal["competition", "none"] = "competition"
    """competition: probabilities for the official score; none: without its weights, how probable the grades are"""
    refuse: Literal["none", "not-seen", "unsure"] = "none"
    """rows that get the weighted prior: none, those that were not seen, or also those whose place is unsure"""
    leave_out: bool = False
    """leave refused rows out of the table instead"""
    device: str = "auto"
    """where deep members run: auto, cpu, cuda, cuda:1 or mps"""
    reporting: Reporting = Reporting()

    def run(self) -> Predicted:
        """Predict the studies.

        Returns
        -------
        Predicted
            The submission, and how many studies and rows it has.
        """
        from lsdc.ensemble.prediction import predict

        return predict(
            self.model,
            self.store,
            self.out,
            sample=self.sample,
            baselines=self.baselines,
            weighting=self.weighting,
            refuse=self.refuse,
            leave_out=self.leave_out,
            device=self.device,
        )


@dataclass(frozen=True)
class Tune:
    """Search settings of a member on a store, or work on the trials of a blend that several machines share.

    The same command run again resumes; with a storage it may run on many machines at once.

    Examples
    --------
        lsdc-ensemble tune store/ --member lightgbm --out tuned/ --trials 40
        lsdc-ensemble tune store/ --member lightgbm --out tuned/ --engine dask --scheduler tcp://host:8786
        lsdc-ensemble fit store/ --out model/ --members lightgbm,forest --settings tuned/settings.json
        lsdc-ensemble tune --labels train.csv --members oof/ --storage postgresql://user@host/optuna
        lsdc-ensemble blend --labels train.csv --members oof/ --storage postgresql://user@host/optuna --out blend/
    """

    store: Positional[Path | None] = None
    """a finished feature store, with --member and --out"""
    member: str | None = None
    """name of the member whose settings are searched, or module:Class"""
    out: Path | None = None
    """folder for settings.json, and for the journal of the trials where there is no --storage"""
    labels: Path | None = None
    """train.csv, for a blend"""
    members: tuple[Path, ...] = ()
    """folders of out-of-fold tables, tables and fitted models, as for the blend"""
    grades: str | None = None
    """what codes of grades in --labels mean, such as 1=normal_mild,2=moderate,3=severe"""
    decimal_comma: bool = False
    """commas in numbers of --members are decimal marks, also where a row does not add up to 1"""
    storage: str | None = None
    """URL of a database that workers share; a blend needs one"""
    timeout: float | None = None
    """seconds after which no further trial is begun, for a member"""
    search: Search = Search()
    deep: Options = Options()
    cluster: Cluster = Cluster()
    reporting: Reporting = Reporting()

    def run(self) -> TunedWeights | TunedMember:
        """Search until all workers together have finished the trials.

        Returns
        -------
        TunedMember or TunedWeights
            The settings or the weights that the best trial so far gives.
        """
        search = self.search
        if self.store is not None:
            from lsdc.ensemble.member_tuning import tune_member

            of_a_blend = self.labels, self.members, self.grades, self.decimal_comma
            if self.member is None or self.out is None or of_a_blend != (None, (), None, False):
                raise ConfigError(
                    "STORE needs --member and --out, and none of --labels, --members, --grades and --decimal-comma"
                )
            return tune_member(
                self.store,
                self.member,
                self.out,
                trials=search.trials,
                seed=search.seed,
                options=self.deep,
                timeout=self.timeout,
                storage=self.storage,
                engine=self.cluster.engine,
                scheduler=self.cluster.scheduler,
            )
        from lsdc.ensemble.external import tune

        if self.labels is None or not self.members or self.storage is None:
            raise ConfigError("give STORE with --member and --out, or --labels, --members and --storage")
        if self.member is not None or self.out is not None or self.timeout is not None:
            raise ConfigError("--member, --out and --timeout belong to a store; give STORE as well")
        if self.cluster != Cluster():
            raise ConfigError(
                "--engine and --scheduler belong to a store; a blend shares trials by --storage"
            )
        if self.deep != Options():
            raise ConfigError("flags of deep members belong to a store; a blend takes tables as they are")
        return tune(
            self.labels,
            self.members,
            self.storage,
            trials=search.trials,
            seed=search.seed,
            grades=self.grades,
            decimal_comma=self.decimal_comma,
        )


@dataclass(frozen=True)
class Suspect:
    """Rank labels by the probability that they are wrong, and draw the most doubtful ones.

    Fill in the column `decision` of suspects.csv (keep, change, drop or soften) and give it to `lsdc-ensemble fit`.

    Examples
    --------
        lsdc-ensemble suspects model/ --store store/ --out suspects/
        lsdc-ensemble fit store/ --out again/ --decisions suspects/suspects.csv
    """

    model: Positional[Path]
    """made by `lsdc-ensemble fit` or `blend`"""
    store: Path
    """the store that it was fitted on"""
    out: Path
    """folder for suspects.csv, readers.json and the contact sheets"""
    first: int = 60
    """how many rows are drawn, 30 on a sheet"""
    reporting: Reporting = Reporting()

    def run(self) -> Suspects:
        """Find the suspects.

        Returns
        -------
        Suspects
            The files, and how many labels are doubtful.
        """
        from lsdc.ensemble.suspects.finding import find_suspects

        return find_suspects(self.model, self.store, self.out, first=self.first)


@dataclass(frozen=True)
class Members:
    """List the members that an ensemble can have, those of installed packages too.

    Examples
    --------
        lsdc-ensemble members
    """

    reporting: Reporting = Reporting()

    def run(self) -> dict[str, dict[str, str]]:
        """List the members.

        Returns
        -------
        dict
            By name: what it is, what it needs, and where its class is defined.
        """
        from lsdc.models.registry import available_members, origin_of

        found = {
            name: {"about": member.about, "needs": member.needs, "origin": origin_of(member)}
            for name, member in available_members().items()
        }
        rows = [(name, words["about"], words["needs"]) for name, words in found.items()]
        table("members", ["name", "what it is", "what it needs"], rows)
        return found


@dataclass(frozen=True)
class Dashboard:
    """Show the trials of a model in the browser with optuna-dashboard.

    Examples
    --------
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
    reporting: Reporting = Reporting()

    def run(self) -> None:
        """Serve until interrupted."""
        from lsdc.report.dashboard import serve

        serve(self.model, self.host, self.port, self.storage)


COMMANDS: dict[str, type] = {
    "fit": Fit,
    "predict": Predict,
    "pack": Pack,
    "score": Score,
    "evaluate": Evaluate,
    "blend": Blend,
    "tune": Tune,
    "suspects": Suspect,
    "members": Members,
    "report": Report,
    "dashboard": Dashboard,
}

main = partial(run_command, COMMANDS, "lsdc-ensemble", DESCRIPTION)
"""Run `lsdc-ensemble` with arguments, by default those of the process, and return the exit code."""


if __name__ == "__main__":
    sys.exit(main())
