"""Wrappers around one model, which are looked through."""

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.catalogue._case import Case

LOGISTIC = LogisticRegression(tol=1e-10)
LOOKED_THROUGH = {"refits": 1e-5, "slope": 1e-3, "is_checked_inside": False}


def squared_error_of_logarithm(model, X, y):
    """The loss is that of the target as the model was given it."""
    return (np.log(model.predict(X)) - np.log(y)) ** 2 / 2


CASES = {
    "FixedThresholdClassifier": Case(
        FixedThresholdClassifier(LOGISTIC, threshold=0.7), "binary", **LOOKED_THROUGH
    ),
    "TunedThresholdClassifierCV": Case(
        TunedThresholdClassifierCV(LOGISTIC, cv=3), "binary", **LOOKED_THROUGH
    ),
    "TransformedTargetRegressor": Case(
        TransformedTargetRegressor(Ridge(alpha=0.5), func=np.log, inverse_func=np.exp),
        "positive",
        squared_error_of_logarithm,
        is_checked_inside=False,
    ),
    "Pipeline": Case(
        make_pipeline(StandardScaler(with_mean=False, with_std=False), Ridge(alpha=0.5)),
        "number",
        is_checked_inside=False,
    ),
}
