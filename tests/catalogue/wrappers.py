"""Wrappers around one model, which are looked through."""

import numpy as np
from sklearn import config_context
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.catalogue._case import Case, requesting_weights

LOGISTIC = requesting_weights(LogisticRegression(tol=1e-10, max_iter=1000))
LOOKED_THROUGH = {
    "refits": 1e-5,
    "slope": 1e-3,
    "is_checked_inside": False,
    "is_routed": True,
}


def squared_error_transformed(model, X, y):
    """The loss is that of the target as the model was given it."""
    return (np.arcsinh(model.predict(X)) - np.arcsinh(y)) ** 2 / 2


@config_context(enable_metadata_routing=True)
def scorer():
    return make_scorer(balanced_accuracy_score).set_score_request(sample_weight=False)


CASES = {
    "FixedThresholdClassifier": Case(
        FixedThresholdClassifier(LOGISTIC),
        "binary",
        **LOOKED_THROUGH,
    ),
    "TunedThresholdClassifierCV": Case(
        TunedThresholdClassifierCV(LOGISTIC, cv=3, thresholds=5, scoring=scorer()),
        "binary",
        **LOOKED_THROUGH,
    ),
    "TransformedTargetRegressor": Case(
        TransformedTargetRegressor(Ridge(alpha=0.5), func=np.arcsinh, inverse_func=np.sinh),
        "number",
        squared_error_transformed,
        is_checked_inside=False,
    ),
    "Pipeline": Case(
        make_pipeline(StandardScaler(with_mean=False, with_std=False), Ridge(alpha=0.5)),
        "number",
        is_checked_inside=False,
    ),
}
