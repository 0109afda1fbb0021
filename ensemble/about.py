"""What is said beside a table of predictions: what its numbers are, and what the model is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lsdc.cohort.vocabulary import GRADES, parse_row_id
from lsdc.ensemble.bundled.place import BUNDLED, NAME
from lsdc.ensemble.model import Model
from lsdc.ensemble.weighting import MEANING, Weighting
from lsdc.runtime.artifact import check_output_file, write_json


@dataclass(frozen=True)
class About:
    """What is to be known of predictions, for the file beside them.

    Parameters
    ----------
    model : str
        Name of the model's directory; `bundled` for the one that is shipped.
    weighting : `competition` or `none`
        What the probabilities are; see `lsdc.ensemble.weighting`.
    prevalence : dict of str to dict of str to float
        By condition: how frequent each grade is among the labeled rows that the model was fitted on.
    nested : float
        The official score of its stack on studies held out; of such patients as it was fitted on.
    card : dict
        What the model's card says; empty for a model without one.
    statement : tuple of str
        The same for people, in sentences.
    """

    model: str
    weighting: Weighting
    prevalence: dict[str, dict[str, float]]
    nested: float
    card: dict[str, Any]
    statement: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, weighting: Weighting) -> Self:
        """Collect what is to be known of a model's predictions.

        Parameters
        ----------
        model : Model
            An opened model.
        weighting : `competition` or `none`
            How its probabilities are given out.

        Returns
        -------
        About
            With the model's card, where it has one.

        Raises
        ------
        ArtifactError
            When the card or the report is damaged.
        """
        card, nested = model.card, model.outcome.report.nested.total
        said: tuple[str, ...] = (f"{weighting}: {MEANING[weighting]}",)
        if card is None:
            own = model.fit_card
            said = (*(() if own is None else own.statement()), *said)
            said += (f"official score {nested:.3f} on held-out studies of those the model was fitted on",)
        else:
            said = (*card.statement(), *said)
        words = {} if card is None else card.to_dict()
        name = NAME if model.path == BUNDLED else model.path.name
        return cls(name, weighting, prevalence(model), nested, words, said)

    def write(self, beside: Path, **found: Any) -> Path:
        """Write the file beside a table.

        Parameters
        ----------
        beside : Path
            The table, such as `submission.csv`.
        **found : object
            What else is to be said of the table, as JSON holds it.

        Returns
        -------
        Path
            The JSON file, `submission.about.json` for `submission.csv`.
        """
        path = about_path(beside)
        content = {
            "statement": list(self.statement),
            "table": beside.name,
            **found,
            "model": self.model,
            "offered_as": self.card.get("offered_as"),
            "weighting": self.weighting,
            "meaning": MEANING[self.weighting],
            "prevalence_where_fitted": self.prevalence,
            "official_score_nested": self.nested,
            "card": self.card or None,
        }
        write_json(path, content)
        return path


def about_path(table: Path) -> Path:
    """Name the file that says what a table of predictions is.

    Parameters
    ----------
    table : Path
        The table.

    Returns
    -------
    Path
        Beside it, with the ending `.about.json` instead of the table's.

    Raises
    ------
    LsdcError
        When there is a folder or a device of that name.

    Examples
    --------
    >>> about_path(Path("submission.csv")).name
    'submission.about.json'
    """
    return check_output_file(table.with_name(f"{table.stem}.about.json"))


def prevalence(model: Model) -> dict[str, dict[str, float]]:
    """Count how frequent the grades are among the studies that a model was fitted on.

    Parameters
    ----------
    model : Model
        An opened model.

    Returns
    -------
    dict of str to dict of str to float
        By condition: the fraction of each grade among its labeled rows; a condition without labels is absent.
    """
    rows = model.nested[model.nested["grade"] >= 0]
    condition = [parse_row_id(row_id)[1].condition.value for row_id in rows["row_id"]]
    counts = rows.groupby(condition)["grade"].value_counts(normalize=True)
    return {
        str(name): {grade: float(counts.get((name, k), 0.0)) for k, grade in enumerate(GRADES)}
        for name in dict.fromkeys(condition)
    }
