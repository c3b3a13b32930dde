"""What removing rows does through everything that ``fit`` does, against refits done by hand."""

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import (
    LogisticRegression,
)
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

RNG = np.random.default_rng(0)
X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:, :8], Y
TRAIN, TEST = np.arange(0, 160), np.arange(400, 440)
TIGHT = {"tol": 1e-10, "max_iter": 10_000, "solver": "newton-cholesky"}


def searched(**options):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(**TIGHT))
    grid = {"logisticregression__C": np.logspace(-3, 3, 9)}
    return GridSearchCV(pipeline, grid, scoring="neg_log_loss", **options)


def one_by_one(rows, n_rows=160):
    """Groups of which each removes one of some rows."""
    groups = np.full(n_rows, np.nan)
    groups[rows] = rows
    return groups


def losses(model, X, y):
    probabilities = model.predict_proba(X)
    return -np.log(probabilities[np.arange(len(y)), y])


def test_a_search_is_done_again():
    rows, model = [0, 7, 38, 150], searched(cv=KFold(3))
    explainer = RelatIFExplainer(model).fit(X[TRAIN], Y[TRAIN])
    effect, parts = explainer.removal_effect(
        X[TEST], Y[TEST], one_by_one(rows), order="retrain", procedure="all", return_parts=True
    )
    before = losses(clone(model).fit(X[TRAIN], Y[TRAIN]), X[TEST], Y[TEST])
    for place, row in enumerate(rows):
        left = np.delete(TRAIN, row)
        again = clone(model).fit(X[left], Y[left])
        expected = losses(again, X[TEST], Y[TEST]) - before
        np.testing.assert_allclose(effect[:, place], expected, atol=1e-7)
        assert parts.chosen_without[place] == again.best_params_
    np.testing.assert_allclose(
        parts.model + parts.preprocessing + parts.penalty, effect, rtol=0, atol=1e-12
    )
