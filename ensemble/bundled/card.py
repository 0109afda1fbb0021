"""What a model that is given to others says of itself: what it learned from, what it is worth, what it never saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from lsdc.cohort.vocabulary import Family
from lsdc.runtime import ArtifactError
from lsdc.runtime.artifact import atomic, read_json, write_json

CARD = "card.json"
"""File of a model directory that holds its card."""
STATEMENT = "statement.txt"
"""File beside it with the card's sentences, one a line."""
CLEARLY_BELOW = 0.95
"""A grader's loss on real patients, with its whole interval, is below this fraction of the weighted prior's."""

Offer = Literal["grader", "demonstration"]
"""What a model is offered as: something that grades, or something that shows how grading would go."""
_NAMES = {
    Family.SPINAL: "canals",
    Family.FORAMINAL: "foramina",
    Family.SUBARTICULAR: "recesses",
}


@dataclass(frozen=True)
class RealFigures:
    """What a model is worth on real patients whom it never saw, for one family of conditions.

    Parameters
    ----------
    studies, rows : int
        Number of studies and of labeled rows.
    loss : float
        The family's part of the official score; lower is better.
    low, high : float
        Its 95 % interval, by resampling studies.
    prior : float
        The same loss of the weighted prior of these patients, counted without the study's fold.
    auc_severe, auc_moderate : float
        Area under the ROC curve of severe against the rest, and of moderate or severe against normal.
    """

    studies: int
    rows: int
    loss: float
    low: float
    high: float
    prior: float
    auc_severe: float
    auc_moderate: float

    @property
    def offer(self) -> Offer:
        """`grader` where the loss is clearly below the prior's, see `CLEARLY_BELOW`; else `demonstration`."""
        return "grader" if self.high < CLEARLY_BELOW * self.prior else "demonstration"


@dataclass(frozen=True)
class ModelCard:
    """What is said of a model on every output.

    Parameters
    ----------
    what : str
        What it is and what it was fitted on, in a sentence.
    command : str
        What makes it again.
    recipe : dict
        Everything that was chosen.
    simulated : dict of str to float
        Official scores on simulated patients whom the predicting members had not seen, and `prior`, the total of the
        weighted prior.
    real : dict of Family to RealFigures
        What was measured on real patients; families of which nothing was are absent.
    measured_on : str
        Which real patients those were, in a sentence; empty where there were none.
    never_saw : tuple of str
        What it has no experience of.

    Examples
    --------
    >>> card = ModelCard("a model", "make", {}, {"total": 0.5, "prior": 0.75})
    >>> card.offered_as
    'demonstration'
    >>> print(card.statement()[0])
    a DEMONSTRATION, not a grader: a model
    """

    what: str
    command: str
    recipe: dict[str, Any]
    simulated: dict[str, float]
    real: dict[Family, RealFigures] = field(default_factory=dict)
    measured_on: str = ""
    never_saw: tuple[str, ...] = ()

    @property
    def offered_as(self) -> Offer:
        """`grader` where it is one of some family of conditions; else `demonstration`."""
        return "grader" if any(one.offer == "grader" for one in self.real.values()) else "demonstration"

    def statement(self) -> tuple[str, ...]:
        """Say what the model is, in sentences that go onto every output.

        Returns
        -------
        tuple of str
            What it is offered as, its figures on real and on simulated patients, and what it never saw.
        """
        return (
            f"{self._offer()}: {self.what}",
            *(self._real(family) for family in Family),
            f"simulated patients: official score {_short(self.simulated['total'])}, weighted prior "
            f"{_short(self.simulated['prior'])}",
            *([f"it never saw {'; '.join(self.never_saw)}"] if self.never_saw else []),
        )

    def _offer(self) -> str:
        if self.offered_as == "demonstration":
            return "a DEMONSTRATION, not a grader"
        graded = [_NAMES[family] for family, one in self.real.items() if one.offer == "grader"]
        others = [_NAMES[family] for family in Family if _NAMES[family] not in graded]
        rest = f", a DEMONSTRATION for {' and '.join(others)}" if others else ""
        return f"a grader of {' and '.join(graded)}{rest}"

    def _real(self, family: Family) -> str:
        figures = self.real.get(family)
        if figures is None:
            return f"{_NAMES[family]}: never measured on real patients"
        verdict = "clearly below" if figures.offer == "grader" else "NOT clearly below"
        return (
            f"{_NAMES[family]}: loss {_short(figures.loss)} (95 % interval {_short(figures.low)} to "
            f"{_short(figures.high)}), {verdict} the weighted prior's {_short(figures.prior)}; AUC of severe "
            f"{_short(figures.auc_severe)}; on {figures.studies} {self.measured_on}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give what card.json holds.

        Returns
        -------
        dict
            The fields, and `offered_as` and `statement`, which follow from them.
        """
        real = {family.value: asdict(one) | {"offered_as": one.offer} for family, one in self.real.items()}
        fields = {name: getattr(self, name) for name in ("what", "command", "recipe", "simulated")}
        return {
            "offered_as": self.offered_as,
            "statement": list(self.statement()),
            **fields,
            "real": real,
            "measured_on": self.measured_on,
            "never_saw": list(self.never_saw),
        }

    def write(self, folder: Path) -> None:
        """Write card.json, and statement.txt for people, into a model directory.

        Parameters
        ----------
        folder : Path
            The directory.
        """
        write_json(folder / CARD, self.to_dict())
        with atomic(folder / STATEMENT) as temporary:
            temporary.write_text("".join(f"{sentence}\n" for sentence in self.statement()), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the card of a model directory; what it is offered as is decided anew from its figures.

        Parameters
        ----------
        folder : Path
            The directory.

        Returns
        -------
        ModelCard
            Equal to the one that was written.

        Raises
        ------
        ArtifactError
            When card.json is absent or damaged.
        """
        path = folder / CARD
        record = read_json(path)
        try:
            return cls(
                what=str(record["what"]),
                command=str(record["command"]),
                recipe=dict(record["recipe"]),
                simulated={name: float(value) for name, value in record["simulated"].items()},
                real={Family(name): _figures(one) for name, one in record["real"].items()},
                measured_on=str(record["measured_on"]),
                never_saw=tuple(map(str, record["never_saw"])),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"{path}: damaged ({error!r}); get the model again") from error


def _figures(record: Mapping[str, Any]) -> RealFigures:
    return RealFigures(**{name: value for name, value in record.items() if name != "offered_as"})


def _short(value: float) -> str:
    """Three decimals, without the zero before the point."""
    return f"{value:.3f}".removeprefix("0")
