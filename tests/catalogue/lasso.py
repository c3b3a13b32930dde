"""Least squares with an L1 penalty, or on features that were chosen."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lars,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
)

from tests.catalogue._case import Case, rows_without

TIGHT = {"tol": 1e-14, "max_iter": 100_000}
#: A grid that does not depend on the data, so that a nudge of a weight leaves the choice as it is.
SEARCH = {"alphas": [0.3, 0.1], "cv": 3, **TIGHT}
TAKES_COLUMNS = {
    "failures": dict.fromkeys(
        [
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
        ],
        "Checks of transformers give one target, which it takes as a column only.",
    )
}
#: Of columns that are the same, a path drops one, and stops elsewhere.
PATH = {"takes_hostile_columns": False}


def at_its_alpha(case, table, sample_weight, rows):
    """The fit without rows, at the penalty that was searched for with all of them."""
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    model = clone(case.estimator).fit(table.X, table.y, **weight)
    kind = ElasticNet if table.y.ndim == 1 else MultiTaskElasticNet
    held = kind(model.alpha_, l1_ratio=getattr(model, "l1_ratio_", 1.0), **TIGHT)
    return rows_without(Case(held, case.data), table, sample_weight, rows)


def on_its_features(case, table, sample_weight, rows):
    """Least squares without rows, on the features that were chosen with all of them."""
    model = clone(case.estimator).fit(table.X, table.y)
    kept = np.delete(np.arange(len(table.X)), rows)
    y, coefs = np.reshape(table.y, (len(table.X), -1)), np.atleast_2d(model.coef_)
    refit = LinearRegression().fit(table.X[kept], y[kept])
    for k, coef in enumerate(coefs):
        own = LinearRegression().fit(table.X[np.ix_(kept, coef != 0)], y[kept, k])
        refit.coef_[k, coef != 0], refit.coef_[k, coef == 0] = own.coef_, 0
        refit.intercept_[k] = own.intercept_
    refit.coef_, refit.intercept_ = refit.coef_.reshape(model.coef_.shape), refit.intercept_
    if table.y.ndim == 1:
        refit.intercept_ = refit.intercept_[0]
    return refit


CASES = {
    "Lasso": Case(Lasso(0.1, **TIGHT), "number"),
    "Lasso, no intercept": Case(
        Lasso(0.1, fit_intercept=False, **TIGHT),
        "number",
        failures={"check_regressors_train": "It needs an intercept for these targets."},
    ),
    "Lasso, several targets": Case(Lasso(0.1, **TIGHT), "targets"),
    "Lasso, positive": Case(Lasso(0.1, positive=True, **TIGHT), "number"),
    "LassoCV": Case(LassoCV(**SEARCH), "number", refit=at_its_alpha),
    "ElasticNet": Case(ElasticNet(0.1, **TIGHT), "number"),
    "ElasticNetCV": Case(ElasticNetCV(l1_ratio=[0.5, 0.9], **SEARCH), "number", refit=at_its_alpha),
    "MultiTaskLasso": Case(MultiTaskLasso(0.2, **TIGHT), "targets", **TAKES_COLUMNS),
    "MultiTaskLassoCV": Case(
        MultiTaskLassoCV(**SEARCH), "targets", refit=at_its_alpha, **TAKES_COLUMNS
    ),
    "MultiTaskElasticNet": Case(MultiTaskElasticNet(0.2, **TIGHT), "targets", **TAKES_COLUMNS),
    "MultiTaskElasticNetCV": Case(
        MultiTaskElasticNetCV(l1_ratio=[0.5, 0.9], **SEARCH),
        "targets",
        refit=at_its_alpha,
        **TAKES_COLUMNS,
    ),
    "LassoLars": Case(LassoLars(0.1), "number", **PATH),
    "LassoLars, several targets": Case(LassoLars(0.1), "targets", **PATH),
    "LassoLarsCV": Case(LassoLarsCV(cv=3), "number", refit=at_its_alpha, **PATH),
    "LassoLarsIC": Case(
        LassoLarsIC(),
        "number",
        refit=at_its_alpha,
        takes_hostile_columns=False,
    ),
    "Lars": Case(Lars(), "number", **PATH),
    "OrthogonalMatchingPursuit": Case(
        OrthogonalMatchingPursuit(n_nonzero_coefs=2),
        "targets",
        refit=on_its_features,
    ),
    "OrthogonalMatchingPursuitCV": Case(
        OrthogonalMatchingPursuitCV(cv=3), "number", refit=on_its_features, **PATH
    ),
}
