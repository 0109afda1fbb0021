"""Fit an ensemble, compare its members with the stack, and explain which member decides where.

python examples/fit_compare_explain.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import lsdc


def main(work: Path) -> None:
    """Fit two members, measure them out of fold, and score the test studies."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    lsdc.extract(work / "cohort", work / "store")

    fitted = lsdc.fit(work / "store", work / "model", members=["lightgbm", "mlp"], trials=10)
    print(fitted)
    lsdc.predict(work / "model", work / "store", work / "submission.csv")
    print("test studies:", lsdc.score(work / "cohort" / "test_labels.csv", work / "submission.csv"))

    evaluation = lsdc.evaluate(work / "cohort" / "train.csv", [work / "model"], resamples=50)
    print(evaluation)
    print(evaluation.measures.head())

    weights = pd.DataFrame(fitted.weights).fillna(0)
    print(weights.round(2))

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    scores = fitted.report.table()["total"][::-1]
    scores.plot.barh(
        ax=left, color="#5c6bc0", title="Compare: nested official score (lower is better)", ylabel=""
    )
    weights.T.plot.barh(
        stacked=True, ax=right, colormap="Set2", title="Explain: weights in the stack, per family"
    )
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "fit_compare_explain.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
