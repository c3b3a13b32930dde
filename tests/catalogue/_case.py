"""An estimator of the catalogue, and the tables that estimators are fitted to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

N_ROWS, N_QUERIES, N_FEATURES = 60, 3, 4


class Table(NamedTuple):
    """Training rows, and rows to ask for, with the targets of both."""

    X: np.ndarray
    y: np.ndarray | None
    X_new: np.ndarray
    y_new: np.ndarray | None


def _table(target: Callable, features: Callable = lambda X: X) -> Table:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS + N_QUERIES, N_FEATURES))
    line = X @ [0.8, -0.5, 0.3, 0.0] + 0.2
    y, X = target(rng, line, X), features(X)
    return Table(X[:N_ROWS], y[:N_ROWS], X[N_ROWS:], y[N_ROWS:])


def _targets(rng, line, X):
    noise = rng.normal(size=(len(X), 3))
    return np.column_stack([line, X[:, 1] - line, np.sin(X[:, 0])]) + 0.5 * noise


def _labels(rng, line, X):
    return (np.column_stack([line, X[:, 1]]) + rng.logistic(size=(len(X), 2)) > 0).astype(int)


def _classes(rng, line, X):
    scores = np.column_stack([line, X[:, 1], X[:, 2] - line]) + rng.gumbel(size=(len(X), 3))
    return np.array(["a", "b", "c"])[scores.argmax(axis=1)]


#: By what the target is.
DATA = {
    "number": _table(lambda rng, line, X: 2 * line + rng.normal(size=len(X))),
    "targets": _table(_targets),
    "count": _table(lambda rng, line, X: rng.poisson(np.exp(line)).astype(float)),
    "positive": _table(lambda rng, line, X: rng.gamma(2, np.exp(line) / 2)),
    "binary": _table(lambda rng, line, X: (line + rng.logistic(size=len(X)) > 0).astype(int)),
    "classes": _table(_classes),
    "labels": _table(_labels),
    # Numbers of occurrences, of which each row has some.
    "words": _table(_classes, lambda X: np.floor(2 * np.exp(X) + 0.5)),
}
# Without a target, what is asked for is the prediction.
DATA["number, prediction"] = DATA["number"]._replace(y_new=None)
DATA["nothing"] = DATA["number"]._replace(X=DATA["number"].X + 1, y=None, y_new=None)


def squared_error(model, X, y):
    """Half the squared error, summed over the targets."""
    error = np.reshape(model.predict(X) - y, (len(X), -1))
    return (error**2).sum(axis=1) / 2


def log_loss(model, X, y):
    """Minus the logarithm of the probability of a label."""
    return -np.log(model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)])


def outputs(model, X):
    """What a model says of rows, in as much detail as it does."""
    for method in ("decision_function", "predict_proba", "predict"):
        if hasattr(model, method):
            # Of several targets there may be a list.
            return np.asarray(getattr(model, method)(X), np.float64)
    raise AssertionError("The model says nothing.")


@config_context(enable_metadata_routing=True)
def requesting_weights(model):
    """A model that is given weights where metadata are routed."""
    return model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)


def rows_without(case, table, sample_weight, rows):
    """The estimator's own fit after the rows have been deleted."""
    kept = np.delete(np.arange(len(table.X)), rows)
    weight = {} if sample_weight is None else {"sample_weight": sample_weight[kept]}
    return clone(case.estimator).fit(table.X[kept], table.y[kept], **weight)


@dataclass(frozen=True)
class Case:
    """An estimator, and what is known of it.

    Attributes
    ----------
    estimator : estimator
        Unfitted, with tolerances that bring it next to its optimum.
    data : str
        A key of ``DATA``.
    loss : callable
        ``loss(model, X, y)``: what a query enters by, from the estimator's public methods, shape
        (n_queries,). By default half the squared error of a regressor and the log loss of a
        classifier.
    explainer : dict
        Parameters of the explainer.
    distance : float
        Standard errors by which the fit may be away from its optimum.
    refits, slope : float
        Share of the largest number by which models without rows, and derivatives by weights, may
        be off: what the solver is from its optimum.
    nudge : float
        Share of a weight by which refits differ whose difference stands for a derivative: more
        where solvers leave more.
    float32 : float
        Share by which single precision may be off; 0 where there is none.
    is_checked_inside : bool
        Whether ``check_adapter`` is for it: not where wrappers are looked through.
    has_first_order : bool
        Whether effects of removals have a first order: not those of a hinge.
    takes_hostile_columns : bool
        Whether constant, duplicate and offset columns leave it an optimum.
    refit : callable
        ``refit(case, table, sample_weight, rows)``: the estimator's own fit without rows. By
        default after they have been deleted.
    runs_checks : bool
        Whether scikit-learn's checks of estimators are run, unless another module does.
    is_routed : bool
        Whether weights reach the model by metadata routing, in scikit-learn's checks.
    failures : dict
        Of scikit-learn's checks of the explainer, those that fail for the model's sake, and why.
    by_rounding : dict
        Those that fail on some processors, and why.
    """

    estimator: BaseEstimator
    data: str
    loss: Callable[..., np.ndarray] | None = None
    explainer: Mapping[str, Any] = field(default_factory=dict)
    distance: float = 1e-3
    refits: float = 1e-6
    slope: float = 1e-4
    nudge: float = 1e-3
    float32: float = 1e-3
    is_checked_inside: bool = True
    has_first_order: bool = True
    takes_hostile_columns: bool = True
    refit: Callable[..., BaseEstimator] = rows_without
    runs_checks: bool = True
    is_routed: bool = False
    failures: Mapping[str, str] = field(default_factory=dict)
    by_rounding: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        return DATA[self.data]

    @cached_property
    def takes_weights(self) -> bool:
        return has_fit_parameter(self.estimator, "sample_weight")

    @property
    def takes_sparse(self) -> bool:
        return get_tags(self.estimator).input_tags.sparse

    def losses(self, model, X, y) -> np.ndarray:
        """What queries enter by, by the estimator's public methods."""
        default = log_loss if is_classifier(self.estimator) else squared_error
        return (self.loss or default)(model, X, y)
