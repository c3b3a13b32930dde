"""Generalised linear models, and Huber's regression with its scale."""

import warnings
from copy import deepcopy

import numpy as np
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    PoissonRegressor,
    TweedieRegressor,
)

from tests.catalogue._case import Case

TIGHT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}


def half_deviance(power):
    """Half the unit deviance, by its textbook formula."""

    def loss(model, X, y):
        mean, p = model.predict(X), power
        if p == 0:
            return (y - mean) ** 2 / 2
        if p == 1:
            return xlogy(y, y / mean) - y + mean
        if p == 2:
            return np.log(mean / y) + y / mean - 1
        own = np.maximum(y, 0) ** (2 - p) / (1 - p) / (2 - p)
        return own - y * mean ** (1 - p) / (1 - p) + mean ** (2 - p) / (2 - p)

    return loss


def huber(model, X, y):
    error, scale = np.abs(y - model.predict(X)), model.scale_
    beyond = 2 * model.epsilon * error - model.epsilon**2 * scale
    return scale + np.where(error > model.epsilon * scale, beyond, error**2 / scale)


def tweedie(power, data, failures=(), **params):
    options = {**TIGHT, "alpha": 0.05, "power": power, **params}
    return Case(TweedieRegressor(**options), data, half_deviance(power), failures=dict(failures))


def closely(model, X, y, sample_weight=None):
    """Huber's regression, fitted from where the last fit has stopped, until one gets no further.

    Each stops where the sum falls by less than 2e-9 of itself.
    """
    model = clone(model).set_params(tol=1e-9, max_iter=1000, warm_start=True)
    model.fit(X, y, sample_weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(20):
            try:
                model = deepcopy(model).fit(X, y, sample_weight)
            except ValueError:
                break
    return model


def closely_without(case, table, sample_weight, rows):
    weight = None if sample_weight is None else np.delete(sample_weight, rows)
    return closely(case.estimator, np.delete(table.X, rows, 0), np.delete(table.y, rows), weight)


TAKES_NO_ZERO = dict.fromkeys(
    [
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    ],
    "it has targets of 0, which the distribution lacks",
)
HAS_NO_SCALE = dict.fromkeys(
    [
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
    ],
    "its rows are fitted exactly, so that the scale is one of rounding",
)

CASES = {
    "PoissonRegressor": Case(PoissonRegressor(alpha=0.1, **TIGHT), "count", half_deviance(1)),
    "PoissonRegressor, no penalty": Case(
        PoissonRegressor(alpha=0, fit_intercept=False, **TIGHT),
        "count",
        half_deviance(1),
        takes_hostile_columns=False,
    ),
    "GammaRegressor": Case(
        GammaRegressor(alpha=0.1, **TIGHT), "positive", half_deviance(2), failures=TAKES_NO_ZERO
    ),
    "TweedieRegressor, power 1.5": tweedie(1.5, "count"),
    "TweedieRegressor, power 0": tweedie(0, "number"),
    "TweedieRegressor, power 0, log": tweedie(0, "positive", link="log"),
    "TweedieRegressor, power 3": tweedie(3, "positive", TAKES_NO_ZERO, solver="lbfgs"),
    # Its solver stops early, most of all at columns that depend on one another.
    "HuberRegressor": Case(
        HuberRegressor(alpha=0.1, tol=1e-10, max_iter=1000),
        "number",
        huber,
        refits=1e-4,
        slope=1e-3,
        takes_hostile_columns=False,
        refit=closely_without,
        by_rounding=HAS_NO_SCALE,
    ),
}
