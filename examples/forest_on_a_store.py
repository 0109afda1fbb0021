"""A feature store in pandas, and a random forest on it with scikit-learn.

python examples/forest_on_a_store.py WORK
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

import lsdc
from lsdc.cohort import View


def main(work: Path) -> None:
    """Count grades per level, then cross-validate a forest by study."""
    lsdc.simulate(work / "cohort", studies=16, seed=5, test_fraction=0.25)
    lsdc.extract(work / "cohort", work / "store")
    store = lsdc.FeatureStore.open(work / "store")
    print(store)

    table = store.to_pandas()
    labeled = table[table["grade"].notna()]
    counts = labeled.groupby(["level", "grade"], observed=False).size().unstack()
    print(counts)
    print(table["located_by"].value_counts().to_string())

    X, y, groups = store.to_sklearn()
    forest = make_pipeline(
        SimpleImputer(keep_empty_features=True),
        RandomForestClassifier(100, min_samples_leaf=3, class_weight="balanced", random_state=0, n_jobs=1),
    )
    worse = (y > 0).astype(int)  # moderate or severe
    probability = cross_val_predict(forest, X, worse, groups=groups, cv=GroupKFold(4), method="predict_proba")
    print(f"forest: AUC of moderate or worse, by study: {roc_auc_score(worse, probability[:, 1]):.2f}")

    importance = pd.Series(forest.fit(X, worse)[-1].feature_importances_, store.feature_names)
    width = store.embedding.shape[1] // len(View)  # the embedding has one part per view
    parts = importance.groupby(
        lambda name: f"embedding, {list(View)[int(name[1:]) // width]}" if name[1:].isdigit() else name
    )
    best = parts.sum().nlargest(10)[::-1]

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    counts.plot.bar(
        stacked=True, ax=left, color=["#7fc97f", "#fdc086", "#d7301f"], rot=0, title="Grades in the store"
    )
    best.plot.barh(ax=right, color="#5c6bc0", logx=True, title="What the forest uses most (log scale)")
    (work / "images").mkdir(exist_ok=True)
    figure.savefig(work / "images" / "forest_on_a_store.png", dpi=80)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "examples-work"))
