"""A stacker of your own: the median of the members, compared with the plain mean fold by fold.

python examples/own_stacker.py WORK
"""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from median_stacker import Median
from stack_two_tables import write_table

import lsdc
from lsdc.cohort import read_labels
from lsdc.ensemble import STACKERS, Stacker
from lsdc.ensemble.member_tables import read_stacking_data
from lsdc.ensemble.nested_scoring import cross_fit_stacker
from lsdc.metrics import official_score


def main(work: Path) -> None:
    """Cross-fit both stackers on three members."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    train = work / "cohort" / "train.csv"
    for seed, name in enumerate("abc"):
        write_table(read_labels(train), work / "three" / f"{name}.csv", 1.0 + seed / 2, seed)
    data = read_stacking_data(train, work / "three")
    makers: dict[str, Callable[[], Stacker]] = {
        "median": Median,
        "plain mean": STACKERS["plain_mean"],
        "log pool": STACKERS["log_pool"],
    }
    stacked = {name: cross_fit_stacker(make, data) for name, make in makers.items()}
    scores = pd.Series({name: official_score(data.grades, cube).total for name, cube in stacked.items()})
    print(scores.round(3).to_string())
    (work / "images").mkdir(exist_ok=True)
    figure, axis = plt.subplots(figsize=(7, 2.5), layout="constrained")
    scores.plot.barh(ax=axis, title="Nested official score (lower is better)")
    figure.savefig(work / "images" / "own_stacker.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
