"""Estimators that are made of several fitted models."""

from copy import copy

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.svm import LinearSVC
from sklearn.utils.fixes import parse_version

from tests.catalogue._case import Case, log_loss

LOGISTIC = LogisticRegression(solver="newton-cholesky", tol=1e-12)
MARGIN = LinearSVC(tol=1e-12, dual=False)
#: Exact in double precision, and lost in single.
OUTSIDE = {"is_checked_inside": False}
DOUBLE = {**OUTSIDE, "float32": 0}
#: The other way round.
SINGLE = LogisticRegression(tol=1e-10, max_iter=1000)

#: scikit-learn skips its checks of models of several targets alone.
TWO_DIMENSIONAL = dict.fromkeys(
    [
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_preserve_dtypes",
    ],
    "y must have two dimensions",
)
LABELS_ONLY = TWO_DIMENSIONAL | dict.fromkeys(
    [
        "check_classifiers_one_label",
        "check_classifiers_one_label_sample_weights",
        "check_classifiers_classes",
        "check_classifiers_train",
    ],
    "y must have two dimensions",
)
LABELS_ONLY |= {
    "check_estimator_sparse_array": "takes sparse rows, and does not say so",
    "check_estimator_sparse_matrix": "takes sparse rows, and does not say so",
    "check_methods_sample_order_invariance": "predict_proba is a list",
}

#: Folds depend on the order and the number of rows.
FOLDS = {
    "check_supervised_y_2d": "scikit-learn takes y for several labels in cross_val_predict",
    "check_sample_weight_equivalence_on_dense_data": "rows that count twice are in one fold",
    "check_sample_weight_equivalence_on_sparse_data": "rows that count twice are in one fold",
}


def sum_over_problems(model, X, y):
    """One vs rest: the squared hinges of all margins."""
    sides = np.where(y[:, None] == model.classes_, 1, -1)
    return (np.maximum(1 - sides * model.decision_function(X), 0) ** 2).sum(axis=1)


def sum_over_pairs(model, X, y):
    """One vs one: the log losses of a label against each other one."""
    total, members = np.zeros(len(X)), iter(model.estimators_)
    for first, one in enumerate(model.classes_):
        for other in model.classes_[first + 1 :]:
            proba = next(members).predict_proba(X)
            total -= np.log(proba[:, 0]) * (y == one) + np.log(proba[:, 1]) * (y == other)
    return total


def sum_over_labels(model, X, y):
    """Several labels: the log losses of all of them."""
    proba = model.predict_proba(X)
    proba = np.transpose(proba, (1, 0, 2))[:, :, 1] if isinstance(proba, list) else proba
    return -np.log(np.where(y == 1, proba, 1 - proba)).sum(axis=1)


def mean_over_votes(model, X, y):
    """Votes: the mean of the log losses of those who vote."""
    y = np.searchsorted(model.classes_, y)
    return np.mean([log_loss(own, X, y) for own in model.estimators_], axis=0)


def drawn(case, table, sample_weight, rows):
    """Bags without rows, of those that they drew with all of them."""
    given = {} if sample_weight is None else {"sample_weight": sample_weight}
    model = clone(case.estimator).fit(table.X, table.y, **given)
    y = np.searchsorted(model.classes_, table.y) if is_classifier(model) else table.y
    refits = []
    both = zip(
        model.estimators_, model.estimators_samples_, model.estimators_features_, strict=True
    )
    for member, samples, columns in both:
        counts = np.bincount(samples, minlength=len(y)).astype(float)
        # Since 1.7, weights say how probably rows are drawn, and nothing else.
        if sample_weight is not None and parse_version(sklearn.__version__) < parse_version("1.7"):
            counts *= sample_weight
        counts[rows] = 0
        refits.append(clone(member).fit(table.X[:, columns], y, sample_weight=counts))
    model = copy(model)
    model.estimators_ = refits
    return model


def recalibrated(case, table, sample_weight, rows):
    """The model inside without rows, behind the sigmoids of all of them."""
    given = {} if sample_weight is None else {"sample_weight": sample_weight}
    model = clone(case.estimator).fit(table.X, table.y, **given)
    (calibrated,) = map(copy, model.calibrated_classifiers_)
    calibrated.estimator = clone(case.estimator.estimator)
    kept = np.delete(np.arange(len(table.X)), rows)
    given = {} if sample_weight is None else {"sample_weight": sample_weight[kept]}
    calibrated.estimator.fit(table.X[kept], table.y[kept], **given)
    model.calibrated_classifiers_ = [calibrated]
    return model


CASES = {
    "OneVsRestClassifier": Case(
        OneVsRestClassifier(MARGIN),
        "classes",
        loss=sum_over_problems,
        **OUTSIDE,
    ),
    "OneVsRestClassifier, several labels": Case(
        OneVsRestClassifier(LOGISTIC),
        "labels",
        loss=sum_over_labels,
        **DOUBLE,
    ),
    "OneVsOneClassifier": Case(
        OneVsOneClassifier(LOGISTIC), "classes", loss=sum_over_pairs, **DOUBLE
    ),
    "MultiOutputClassifier": Case(
        MultiOutputClassifier(SINGLE),
        "labels",
        loss=sum_over_labels,
        failures=LABELS_ONLY,
        **DOUBLE,
        refits=1e-5,
        slope=1e-3,
    ),
    "MultiOutputRegressor": Case(
        MultiOutputRegressor(Ridge(alpha=2.0)), "targets", failures=TWO_DIMENSIONAL, **OUTSIDE
    ),
    "VotingClassifier, of probabilities": Case(
        VotingClassifier(
            [("a", SINGLE), ("b", clone(SINGLE).set_params(C=0.1, class_weight={0: 2}))],
            voting="soft",
            weights=[1, 3],
        ),
        "classes",
        refits=1e-5,
        slope=1e-3,
        takes_hostile_columns=False,
        **OUTSIDE,
    ),
    "VotingClassifier, of labels": Case(
        VotingClassifier([("a", LOGISTIC), ("b", clone(LOGISTIC).set_params(C=0.1))]),
        "binary",
        loss=mean_over_votes,
        **DOUBLE,
    ),
    "VotingRegressor": Case(
        VotingRegressor([("a", Ridge()), ("b", Ridge(alpha=9.0))], weights=[3, 1]),
        "number",
        **OUTSIDE,
    ),
    "BaggingClassifier": Case(
        BaggingClassifier(LOGISTIC, n_estimators=4, random_state=0),
        "classes",
        refit=drawn,
        has_first_order=False,  # In a weight, which says how probably a row is drawn.
        **DOUBLE,
    ),
    "BaggingRegressor": Case(
        BaggingRegressor(Ridge(), n_estimators=3, max_features=0.7, random_state=0),
        "number",
        refit=drawn,
        has_first_order=False,  # In a weight, which says how probably a row is drawn.
        **OUTSIDE,
    ),
    "CalibratedClassifierCV": Case(
        CalibratedClassifierCV(MARGIN, ensemble=False, cv=3),
        "classes",
        refit=recalibrated,
        failures=FOLDS,
        has_first_order=False,  # In a weight, which the sigmoids bear as well.
        **OUTSIDE,
    ),
}
