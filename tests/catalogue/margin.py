"""Machines of margins, by liblinear, libsvm and stochastic gradients."""

import numpy as np
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.svm import SVC, LinearSVC, NuSVC

from tests import cases
from tests.catalogue._case import Case


def hinge(model, X, y):
    """Of one machine, the only one of two classes."""
    return np.maximum(0, 1 - np.where(y == 1, 1, -1) * model.decision_function(X))


def squared_hinge(model, X, y):
    return hinge(model, X, y) ** 2


def optimum_without(case, table, sample_weight, rows):
    """What stochastic gradients come near to, of the rows that are left."""
    kept = np.delete(np.arange(len(table.X)), rows)
    weight = None if sample_weight is None else sample_weight[kept]
    strength = case.estimator.alpha * len(kept)
    is_classifier = isinstance(case.estimator, SGDClassifier)
    model = LogisticRegression(C=1 / strength, tol=1e-8) if is_classifier else Ridge(strength)
    return model.fit(table.X[kept], table.y[kept], weight)


#: tests/test_sklearn_compat.py has scikit-learn's checks of these.
COMPAT = {"runs_checks": False}
LINEAR = {"C": 0.5, "tol": 1e-10, "max_iter": 100_000, "random_state": 0}
#: libsvm holds kernels in single precision.
LIBSVM = {"refits": 1e-4, "has_first_order": False, "float32": 0.0, **COMPAT}
CASES = {
    "LogisticRegressionCV": Case(
        LogisticRegressionCV(
            Cs=[0.3],
            cv=3,
            tol=1e-10,
            max_iter=1000,
            **(
                {}
                if cases.HAS_MULTI_CLASS
                else {"l1_ratios": (0,), "use_legacy_attributes": False, "scoring": "accuracy"}
            ),
        ),
        "binary",
        refits=1e-5,
        slope=1e-3,
        **COMPAT,
    ),
    "LinearSVC, squared hinge": Case(
        LinearSVC(**LINEAR, dual=False), "binary", squared_hinge, **COMPAT
    ),
    "LinearSVC, hinge": Case(
        LinearSVC(**LINEAR, loss="hinge"),
        "binary",
        hinge,
        has_first_order=False,
        refits=1e-5,
        takes_hostile_columns=False,  # liblinear does not arrive there.
        **COMPAT,
    ),
    "SVC": Case(SVC(gamma=0.3, tol=1e-9), "binary", hinge, **LIBSVM),
    "NuSVC": Case(NuSVC(gamma=0.3, nu=0.4, tol=1e-9), "binary", hinge, **LIBSVM),
}
SGD = {
    "alpha": 0.05,
    "tol": None,
    "max_iter": 5000,
    "learning_rate": "invscaling",
    "eta0": 0.05,
    "average": True,
    "random_state": 0,
}
#: It ends near the optimum, each time somewhere else.
NEAR = {
    "distance": 0.05,
    "refits": 0.01,
    "refit": optimum_without,
    "is_checked_inside": False,
    "has_first_order": False,
    "takes_hostile_columns": False,
    "float32": 0.0,
    **COMPAT,
}
CASES |= {
    "SGDRegressor": Case(SGDRegressor(**SGD), "number", **NEAR),
    "SGDClassifier": Case(SGDClassifier("log_loss", **SGD), "binary", **NEAR),
}
