"""
Which patients made a forest say so?
====================================

A forest and a boosted model predict how far diabetes will have progressed a year later. Which of
the earlier patients is a prediction made of, which explain it, and what would the models say
without them? And are the numbers right that they were trained on?

.. code-block:: bash

    python examples/trees.py
    python examples/trees.py --output diabetes.html

Needs pandas. The data ship with scikit-learn.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import train_test_split

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer

parser = argparse.ArgumentParser(description="Explain models of trees by their training rows.")
parser.add_argument("--output", help="write the report on the training rows to this file")
arguments = parser.parse_args()

# 1. Data, with a mistake in them: of one patient, the decimal point was lost.
X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
mistaken = y_train.index[y_train == 84].min()
y_train = y_train.where(y_train.index != mistaken, 840.0)

# 2. Two models. Both get a random_state: without one, a model that is grown again would differ by
#    its draws too. Five rows to a leaf, since a row that is alone in its leaf is all of its value,
#    and moves no other.
models = {
    "forest": RandomForestRegressor(200, min_samples_leaf=5, random_state=0),
    "boosting": HistGradientBoostingRegressor(
        max_iter=60, learning_rate=0.05, max_leaf_nodes=8, random_state=0
    ),
}
explainers = {name: RelatIFExplainer(model).fit(X_train, y_train) for name, model in models.items()}
for name, explainer in explainers.items():
    error = np.sqrt(np.mean((explainer.predict(X_test) - y_test) ** 2))
    print(f"{name:>8}: typical error {error:.1f} (always the mean: {np.std(y_test):.1f})")

# 3. The patient of whom the forest says most. What is that number made of? Exactly: it is a
#    weighted sum of the targets of training rows.
query = X_test.iloc[[explainers["forest"].predict(X_test).argmax()]]
print(f"\nThe prediction for patient {query.index[0]}, as a sum of weights times targets:\n")
for name, explainer in explainers.items():
    weights = explainer.target_weights(query).iloc[0]
    terms = (weights * y_train).sort_values(ascending=False).index[:3]
    told = " + ".join(f"{weights[row]:.3f} * {y_train[row]:.0f}" for row in terms)
    print(f"{name:>8}: {explainer.predict(query)[0]:.1f} = {weights @ y_train:.1f} = {told} + ...")

# 4. Which rows explain it? Influence tells what a row does to the prediction, with the structure of
#    the trees held as it is; relative influence, which rows do that and little else. The baseline
#    is how many leaves rows share with the query: it knows no targets, so it finds who is alike,
#    and not who makes the prediction what it is.
rows = {}
for name, explainer in explainers.items():
    for criterion in ("influence", "loss_relative"):
        found = explainer.explain(query, criterion=criterion)
        rows[f"{name}, {criterion}"] = found.frame()["row"].to_numpy()
near = NearestNeighborsExplainer(metric="leaves", estimator=models["forest"]).fit(X_train, y_train)
found = near.explain(query)
rows["forest, shared leaves"] = found.frame()["row"].to_numpy()
print("\nThe five training rows that come first:\n")
print(pd.DataFrame(rows, index=pd.RangeIndex(1, 6, name="place")).T.to_string())
shares = ", ".join(f"{1 + score:.0%}" for score in found.scores[0])
print(f"\nThe last five share {shares} of the leaves of the forest.")

# 5. What would the models say without the row that raises the prediction most, and without the five
#    that do? Influence estimates it ("first"), "structure" fills the leaves again without them, and
#    "retrain" grows the trees again: only that tells what happens to their structure.
first = explainers["forest"].explain(query, criterion="influence").indices[0]
print("\nThe prediction changes without the first row, and without the first five, by:\n")
changes = {}
for name, explainer in explainers.items():
    for n_rows in (1, 5):
        groups = np.where(np.isin(np.arange(len(y_train)), first[:n_rows]), "out", None)
        changes[name, n_rows] = {
            order: explainer.removal_effect_on(
                "mean_prediction", query, groups=groups, order=order
            ).squeeze()
            for order in ("first", "structure", "retrain")
        }
print(pd.DataFrame(changes).T.to_string(float_format="{:+.1f}".format))

# 6. Are the training data right? Each row is judged by the trees of the forest that have not seen
#    it (out of bag).
report = explainers["forest"].audit(X_test, y_test, X_train=X_train)
print(f"\nThe decimal point was lost in row {mistaken}. Where the audit says to look first:\n")
for row in report.first_rows(3):
    print(f"  row {row}: {report.why(row)}")
if arguments.output:
    report.to_html(arguments.output)
    print(f"\nReport: {arguments.output}")
