"""Least squares, with and without a penalty, of numbers and of classes."""

from dataclasses import replace

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)

from tests.catalogue._case import Case, rows_without


def squared_margin(model, X, y):
    """Half the squared error of scores, whose targets are -1 and 1."""
    scores = model.decision_function(X)
    codes = np.where(y == model.classes_[1], 1, -1)
    if scores.ndim > 1:
        codes = np.where(y[:, None] == model.classes_, 1, -1)
    return ((scores - codes) ** 2).reshape(len(X), -1).sum(axis=1) / 2


def at_its_alpha(kind):
    """A refit at the ``alpha`` that was chosen with all rows."""

    def refit(case, table, sample_weight, rows):
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        alpha = clone(case.estimator).fit(table.X, table.y, **weight).alpha_
        return rows_without(replace(case, estimator=kind(alpha=alpha)), table, sample_weight, rows)

    return refit


def at_its_precisions(case, table, sample_weight, rows):
    """A refit at the precisions that were found with all rows, by ridge regression."""
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    model = clone(case.estimator).fit(table.X, table.y, **weight)
    kept = np.broadcast_to(model.lambda_, model.coef_.shape) < getattr(
        model, "threshold_lambda", np.inf
    )
    roots = np.sqrt(np.broadcast_to(model.lambda_, model.coef_.shape)[kept] / model.alpha_)
    ridge = replace(case, estimator=Ridge(solver="svd"))
    scaled = table._replace(X=table.X[:, kept] / roots)
    refit = rows_without(ridge, scaled, sample_weight, rows)
    model.coef_ = np.zeros_like(model.coef_)
    model.coef_[kept], model.intercept_ = refit.coef_ / roots, refit.intercept_
    return model


DENSE, SPARSE = (f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse"))
SEARCHED = dict.fromkeys((DENSE, SPARSE), "to leave out one of two equal rows leaves the other")
# Derivatives of their fits are not at the same precisions.
BAYESIAN = {"refit": at_its_precisions, "has_first_order": False}
CASES = {
    "LinearRegression": Case(LinearRegression(), "number"),
    # Of columns that repeat others, which of them gets a coefficient is left to the solver.
    "LinearRegression, positive": Case(
        LinearRegression(positive=True), "targets", takes_hostile_columns=False
    ),
    "Ridge": Case(Ridge(alpha=2.0, tol=1e-12), "number"),
    "Ridge, targets": Case(Ridge(fit_intercept=False, tol=1e-12), "targets"),
    # L-BFGS sees the digits of the objective.
    "Ridge, positive": Case(
        Ridge(positive=True, tol=1e-12, max_iter=10**5), "targets", refits=1e-5, slope=1e-3
    ),
    "RidgeCV": Case(RidgeCV(alpha_per_target=True), "targets", refit=at_its_alpha(Ridge)),
    "RidgeClassifier": Case(RidgeClassifier(tol=1e-12), "classes", squared_margin),
    "RidgeClassifierCV": Case(
        RidgeClassifierCV(),
        "binary",
        squared_margin,
        refit=at_its_alpha(RidgeClassifier),
        failures=SEARCHED,
    ),
    "BayesianRidge": Case(
        BayesianRidge(tol=1e-12),
        "number",
        failures={DENSE: "precisions of rows without noise are not known to all digits"},
        **BAYESIAN,
    ),
    "ARDRegression": Case(ARDRegression(), "number", **BAYESIAN),
}
