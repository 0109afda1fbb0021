"""Members of your own beside a built-in one: an estimator of scikit-learn, and a class in a module.

python examples/own_member.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.ensemble import ExtraTreesClassifier

import lsdc
from lsdc.models import SklearnMember


def main(work: Path) -> None:
    """Fit `lightgbm`, `extra_trees` and `centroid`, and compare them out of fold."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    lsdc.extract(work / "cohort", work / "store")

    trees = ExtraTreesClassifier(60, min_samples_leaf=4, n_jobs=1)
    fitted = lsdc.fit(
        work / "store",
        work / "own_member",
        members=["lightgbm", SklearnMember(trees, name="extra_trees"), "centroid_member:CentroidMember"],
        trials=5,
    )

    # The model knows where its members come from; they are loaded without pickle.
    lsdc.predict(work / "own_member", work / "store", work / "own_member.csv")
    print("test studies:", lsdc.score(work / "cohort" / "test_labels.csv", work / "own_member.csv"))

    scores = fitted.report.table()
    print(scores.round(3))

    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    scores["total"].iloc[::-1].plot.barh(ax=axis, color="#5c6bc0")
    axis.set(title="Official score on studies that were not seen (lower is better)", ylabel="")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "own_member.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
