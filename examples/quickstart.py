"""
From a fitted model to a table, a picture and an index
======================================================

Which training rows explain a prediction? From a fitted model to a table, a picture, an index.

.. code-block:: bash

    python examples/quickstart.py
    python examples/quickstart.py --output bars.png

Needs pandas; the picture needs matplotlib. The data ship with scikit-learn.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

parser = argparse.ArgumentParser(description="Explain predictions by their training rows.")
parser.add_argument("--output", help="save a picture of one explanation to this file")
arguments = parser.parse_args()

# 1. Data and model. A data frame keeps its index: explanations name rows as you do.
data = load_breast_cancer(as_frame=True)
X, y = data.data, data.target.map(dict(enumerate(data.target_names)))
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
model = make_pipeline(StandardScaler(), LogisticRegression())

# 2. Fit. The explainer takes the place of the model: it fits it, and predicts as it does.
#    (A model that is fitted already: RelatIFExplainer.from_fitted(model, X_train, y_train).)
explainer = RelatIFExplainer(model).fit(X_train, y_train)
accuracy = np.mean(explainer.predict(X_test) == y_test)
distance = explainer.distance_to_optimum_
print(f"test accuracy {accuracy:.3f}, {distance:.1e} standard errors from the optimum")

# 3. Explain the prediction that the model is least certain of: the rows that support the
#    predicted label, and the rows that oppose it.
least_certain = explainer.predict_proba(X_test).max(axis=1).argmin()
query = X_test.iloc[[least_certain]]
print("\nRows that support the prediction, and rows that oppose it:\n")
print(explainer.explain(query))
print()
print(explainer.explain(query, sign="negative"))

# 4. The same as a data frame, and from there to the rows themselves.
frame = explainer.explain(query).frame()
columns = ["mean radius", "mean texture", "mean concavity", "worst area"]
supporting = X_train.loc[frame["row"], columns]
print("\nThe query, and under it the rows that support its prediction:\n")
print(pd.concat([query[columns], supporting]).to_string())

# 5. Influence (IF) against relative influence (RelatIF), over the whole test set and from one
#    pass over the data. IF explains everything by the same few rows, which the model hardly
#    fits; RelatIF finds rows that are specific to the prediction.
both = explainer.explain(X_test, criterion=["influence", "loss_relative"])
print(f"\nThe row that comes first, over {len(X_test)} test rows:\n")
for criterion, explanation in both.items():
    first = explanation.frame().query("rank == 1")
    rows = first.drop_duplicates("row")
    print(
        f"{criterion:>13}: {len(rows):3d} distinct rows, "
        f"mean probability of their own labels {rows['probability'].mean():.3f}; "
        f"one of them {first['row'].value_counts().max()} times"
    )

# 6. A picture: the strongest rows of both signs as bars.
if arguments.output:
    display = explainer.explain(query, n_examples=8, sign="absolute").plot()
    display.figure_.savefig(arguments.output, dpi=120)
    print(f"\nPicture: {arguments.output}")


# 7. The same answers from a vector index. `transform` embeds rows so that the cosine orders
#    training rows as the loss-relative criterion does: index the training rows once, in any
#    store of vectors, and explain by searching it. Rows that the model fits perfectly have very
#    short vectors, which scikit-learn's cosine takes for zero: so bring all to length 1 first.
def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


index = NearestNeighbors(n_neighbors=5, metric="cosine")
index.fit(unit(explainer.transform(X_train, y_train)))
_, neighbors = index.kneighbors(unit(explainer.transform(X_test)))
same = np.mean(neighbors == both["loss_relative"].indices)
print(f"\nExplaining rows that a cosine index finds in the same place: {same:.1%}")
