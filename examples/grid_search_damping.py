"""
How much damping does a model need?
===================================

How much damping does a model need? Let retraining decide.

.. code-block:: bash

    python examples/grid_search_damping.py
    python examples/grid_search_damping.py --output curve.png

Ends in a picture of the curve. Needs matplotlib. The data ship with scikit-learn.
"""

import argparse

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.plotting import DampingDisplay

parser = argparse.ArgumentParser(description="Choose the damping by fidelity to retraining.")
parser.add_argument(
    "--output", default="grid_search_damping.png", help="the picture (default: %(default)s)"
)
arguments = parser.parse_args()

# 1. An ill-conditioned model: with next to no penalty, the classes are nearly separable, and most
#    rows have next to no curvature.
X, y = load_breast_cancer(return_X_y=True)
regression = LogisticRegression(C=1e4, solver="newton-cholesky", tol=1e-8, max_iter=1000)
model = make_pipeline(StandardScaler(), regression).fit(X, y)
certain = np.mean(model.predict_proba(X).max(axis=1) > 0.999)
explainer = RelatIFExplainer(model, criterion="influence", n_retrainings=20, random_state=0)
print(f"{len(y)} rows; the model gives {certain:.0%} of them a probability above 0.999")
explainer.fit(X, y)
print(
    f"training accuracy {model.score(X, y):.3f}, largest leverage {explainer.leverage_.max():.2f}"
)

# 2. The search. The explainer's `score` on held-out queries is the correlation of the influence
#    with the change of their loss, when training rows are left out and the model is retrained.
damping = [0.0, *np.logspace(-8, 1, 10)]
search = GridSearchCV(explainer, {"damping": damping}, cv=3).fit(X, y)

# 3. The curve: the mean over the folds, and their spread.
mean, spread = (search.cv_results_[f"{name}_test_score"] for name in ("mean", "std"))
print("\ndamping   fidelity   spread over folds\n")
for value, height, width in zip(damping, mean, spread, strict=True):
    chosen = "   <- chosen" if value == search.best_params_["damping"] else ""
    print(f"{value:7.0e}   {height:8.3f}   {width:8.3f}{chosen}")

# 4. A picture.
DampingDisplay.from_search(search).figure_.savefig(arguments.output, dpi=80)
print(f"\nPicture: {arguments.output}")
