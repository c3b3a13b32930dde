"""Boosted models of other rows or weights are refused, wherever their predictors start."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from sklearn_relatif import RelatIFExplainer

X, Y = load_diabetes(return_X_y=True)
explain = RelatIFExplainer.from_fitted


@pytest.mark.parametrize("offset", [0, 1e6])
@pytest.mark.parametrize("unit", [1e-6, 1, 1e6])
def test_other_weights_and_targets(offset, unit):
    y = (Y + offset) * unit
    model = GradientBoostingRegressor(n_estimators=5, max_depth=2).fit(X, y)
    explain(model, X, y)
    for others in ((y, np.r_[1.01, np.ones(len(y) - 1)]), (np.r_[y[1], y[0], y[2:]],)):
        with pytest.raises(ValueError, match="do not follow from the rows, labels and weights"):
            explain(model, X, *others)


@pytest.mark.parametrize(
    "weight", [np.ones(len(Y)), np.random.default_rng(0).uniform(1, 2, len(Y))]
)
def test_trees_without_a_split(weight):
    y = np.arange(len(Y)) % 2
    model = GradientBoostingClassifier(n_estimators=2, min_samples_split=1000).fit(X, y, weight)
    explain(model, X, y, weight)
