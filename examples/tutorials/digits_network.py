"""
Look into a neural network
==========================

A small network reads handwritten digits, and 40 of its 1,297 training digits have a wrong label.
Which of them does it know, and what do its answers rest on?

Needs pandas and matplotlib.
"""

# %%
# A network, and some wrong labels
# --------------------------------

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.metrics import plant_label_errors
from sklearn_relatif.plotting import GalleryDisplay

X, digits = load_digits(return_X_y=True)
X_train, X_test, truth, y_test = train_test_split(
    X / 16, digits, test_size=500, stratify=digits, random_state=0
)
y_train, is_wrong = plant_label_errors(truth, 40 / len(truth), np.random.RandomState(0))

model = MLPClassifier((16,), alpha=0.1, max_iter=500, tol=1e-3, random_state=0)
model.fit(X_train, y_train)
print(f"{model.score(X_test, y_test):.1%} of the test digits are read as they are")

# %%
# Its curvature
# -------------
# Training stopped before an optimum, as that of networks does, and the Hessian there need not be
# positive definite. The Gauss-Newton matrix is, with some damping: it is the curvature of the
# tangent, the model that is linear in the changes of the parameters.

explainer = RelatIFExplainer.from_fitted(
    model, X_train, y_train, curvature="gauss_newton", damping=0.01
)
print(explainer.solver_)
print(f"{explainer.distance_to_optimum_:.2f} standard errors from an optimum")

# %%
# Influence finds the wrong labels, relative influence what is alike
# -------------------------------------------------------------------
# By influence, the digits with wrong labels pull at one answer after the other. Relative influence
# divides by how much a digit pulls at everything, and finds digits that look like the query.

both = explainer.explain(X_test, criterion=["influence", "loss_relative"])
best = {name: found.indices[:, 0] for name, found in both.items()}
pd.DataFrame(
    {
        "different rows that come first": {k: len(np.unique(rows)) for k, rows in best.items()},
        "with a wrong label": {k: f"{is_wrong[rows].mean():.1%}" for k, rows in best.items()},
    }
)

# %%
# Here are three answers, each with the best five rows of either. A label in orange is one that the
# network contradicts: 5→6 is labelled 5, and read as 6.

GalleryDisplay.from_estimator(
    explainer,
    X_test[:3],
    X_train=X_train,
    criterion=["influence", "loss_relative"],
    labels=y_test[:3],
)

# %%
# The suspects
# ------------
# To find wrong labels, neither is needed: the loss ranks them best, and the audit ranks by it. It
# says, too, what cannot be told of a network.

report = explainer.audit(X_test, y_test, X_train=X_train)
suspects = report.first_positions(40)
print(f"{is_wrong[suspects].sum()} of the first 40 suspects have a wrong label")
print(*report.notes, sep="\n")

# %%
# The first three, and the digits on which the network reads them as something else.

reread = explainer.explain(X_train[suspects[:3]], n_examples=5)
GalleryDisplay.from_explanations(
    reread, X_train, X_train[suspects[:3]], labels=y_train[suspects[:3]]
)
