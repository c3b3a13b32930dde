"""Reductions of linear margin machines, LinearSVC and SGDClassifier, and of SGDRegressor."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.svm import LinearSVC

from ..losses import (
    Hinge,
    Huber,
    LogLoss,
    ModifiedHuber,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    binary_codebook,
    one_vs_rest_codebook,
)
from ..objectives import HingeObjective, LinearObjective, build_objective
from ._penalties import Parameters, class_weight_of_rows, linear_parameters
from ._registry import reduce_estimator

LOSSES = {
    "hinge": Hinge,
    "log_loss": LogLoss,
    "modified_huber": ModifiedHuber,
    "squared_hinge": SquaredHinge,
}
#: What the rounding of the features makes of a margin, in units of their precision.
ROUNDING = 1e3
SGD_REGRESSION_LOSSES = {
    "squared_error": lambda epsilon: SquaredError(),
    "huber": Huber,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
}


@reduce_estimator.register
def reduce_linear_svc(estimator: LinearSVC, X, y, sample_weight):
    """LinearSVC, one vs rest, with the penalised intercept of liblinear."""
    if estimator.multi_class == "crammer_singer":
        raise ValueError(
            "LinearSVC with multi_class='crammer_singer' cannot be explained: its loss couples "
            "the classes. Fit it with multi_class='ovr'."
        )
    codebook = _codebook(estimator.coef_.shape[0])
    loss = _margin_loss(estimator, codebook, X.dtype)
    l2, l1 = (1 / estimator.C, 0.0) if estimator.penalty == "l2" else (0.0, 1 / estimator.C)
    by_class = class_weight_of_rows(estimator.class_weight, estimator.classes_, y, sample_weight)
    return _one_vs_rest_objective(
        loss,
        linear_parameters(estimator, l2, l1, estimator.intercept_scaling),
        X,
        y,
        sample_weight,
        by_class,
        estimator.fit_intercept,
    )


@reduce_estimator.register
def reduce_sgd_classifier(estimator: SGDClassifier, X, y, sample_weight):
    """SGDClassifier with the losses of ``LOSSES``, one vs rest.

    Its penalty counts rows, not weights, and is in mean form.
    """
    if estimator.loss not in LOSSES:
        raise ValueError(
            f"SGDClassifier with loss={estimator.loss!r} cannot be explained; the losses are "
            f"{', '.join(map(repr, LOSSES))}."
        )
    check_trained_on_all_rows(estimator)
    codebook = _codebook(estimator.coef_.shape[0])
    loss = _margin_loss(estimator, codebook, X.dtype)
    by_class = class_weight_of_rows(estimator.class_weight, estimator.classes_, y, None)
    return _one_vs_rest_objective(
        loss,
        linear_parameters(estimator, *sgd_penalty(estimator, len(y))),
        X,
        y,
        sample_weight,
        by_class,
        estimator.fit_intercept,
    )


@reduce_estimator.register
def reduce_sgd_regressor(estimator: SGDRegressor, X, y, sample_weight):
    """SGDRegressor with the losses of ``SGD_REGRESSION_LOSSES``."""
    if estimator.loss not in SGD_REGRESSION_LOSSES:
        raise ValueError(
            f"SGDRegressor with loss={estimator.loss!r} cannot be explained; the losses are "
            f"{', '.join(map(repr, SGD_REGRESSION_LOSSES))}."
        )
    check_trained_on_all_rows(estimator)
    return build_objective(
        SGD_REGRESSION_LOSSES[estimator.loss](estimator.epsilon),
        *linear_parameters(estimator, *sgd_penalty(estimator, len(y))),
        X,
        y,
        sample_weight,
        estimator.fit_intercept,
    )


def check_trained_on_all_rows(estimator) -> None:
    """Refuse an SGD estimator that held rows out, which it does not tell."""
    if estimator.early_stopping:
        raise ValueError(
            f"{type(estimator).__name__} with early_stopping=True cannot be explained: it never "
            f"trains on the share of {estimator.validation_fraction:g} of the rows by whose score "
            "it stops, and does not tell which they are. Fit it with early_stopping=False."
        )


def sgd_penalty(estimator, n_rows):
    """L2 and L1 strengths of an SGD estimator in the sum form."""
    ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": estimator.l1_ratio, None: 0.0}[estimator.penalty]
    strength = 0.0 if estimator.penalty is None else estimator.alpha * n_rows
    return strength * (1 - ratio), strength * ratio


def _margin_loss(estimator, codebook, dtype):
    if estimator.loss != "hinge":
        return LOSSES[estimator.loss](codebook)
    return Hinge(codebook, slack=max(estimator.tol or 0, ROUNDING * np.finfo(dtype).eps))


def _codebook(n_scores):
    return binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)


def _one_vs_rest_objective(
    loss, parameters: Parameters, X, y, sample_weight, by_class, fit_intercept
):
    """Objective of a binary or one-vs-rest machine.

    With more than two classes, a class weight counts for the positive rows of that class's own
    problem only.
    """
    output_weight = None
    if loss.n_outputs == 1:
        sample_weight = sample_weight * by_class
    elif np.any(by_class != 1):
        positive = loss.codebook[y] > 0
        output_weight = sample_weight[:, None] * np.where(positive, by_class[:, None], 1.0)
    kind = LinearObjective if loss.has_curvature else HingeObjective
    return build_objective(
        loss, *parameters, X, y, sample_weight, fit_intercept, output_weight, kind
    )
