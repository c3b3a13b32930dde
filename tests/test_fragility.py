"""Fragile sets: what was found does cross the threshold, and small sets are the smallest."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge

from sklearn_relatif import RelatIFExplainer


def refit(model, X, y, rows):
    kept = np.setdiff1d(np.arange(len(y)), rows)
    return model.fit(X[kept], y[kept])


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(alpha=0.01)], ids=["OLS", "ridge"])
def test_a_coefficient_of_a_refit_has_another_sign(model):
    X, y = load_diabetes(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    for column in (0, 6, 9):
        found = explainer.fragility(f"coef:x{column}")
        before = refit(model, X, y, []).coef_[column]
        np.testing.assert_allclose(found.value_before, before, rtol=1e-9)
        after = refit(model, X, y, found.positions).coef_[column]
        np.testing.assert_allclose(found.value_after, after, rtol=1e-7)
        assert before * after < 0
