"""Reductions of logistic regression, alone and one-vs-rest."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.multiclass import OneVsRestClassifier

from ..losses import LogLoss, Loss, MultinomialLogLoss, binary_codebook, one_vs_rest_codebook
from ..objectives import build_objective
from ._penalties import Parameters, class_weight_of_rows, linear_parameters
from ._registry import reduce_estimator


@reduce_estimator.register(LogisticRegression)
@reduce_estimator.register(LogisticRegressionCV)
def reduce_logistic_regression(estimator, X, y, sample_weight):
    """LogisticRegression and LogisticRegressionCV, binary and multinomial, all solvers."""
    if isinstance(estimator, LogisticRegressionCV) and not estimator.refit:
        raise ValueError(
            "LogisticRegressionCV with refit=False cannot be explained: its coefficients are an "
            "average over models of the folds, none of which was trained on all rows. Fit it with "
            "refit=True."
        )
    n_classes = len(estimator.classes_)
    parameters = _parameters(estimator)
    if _is_one_vs_rest(estimator):
        loss: Loss = LogLoss(one_vs_rest_codebook(n_classes))
        problems = [_problem_weight(estimator, k, y, sample_weight) for k in range(n_classes)]
        return build_objective(
            loss, *parameters, X, y, sample_weight, estimator.fit_intercept, np.array(problems).T
        )
    if getattr(estimator, "multi_class", None) == "multinomial" and n_classes == 2:
        # A softmax of two classes, of which scikit-learn keeps the second: both are penalised.
        parameters = Parameters(
            np.vstack([-parameters.weights, parameters.weights]),
            *(np.vstack([rows, rows]) for rows in parameters[1:]),
        )
    if len(parameters.weights) == 1:
        loss = LogLoss(binary_codebook())
    else:
        loss = MultinomialLogLoss(n_classes, use_contrasts=not parameters.l1.any())
    weight = sample_weight * _class_weight(estimator, y, sample_weight)
    return build_objective(loss, *parameters, X, y, weight, estimator.fit_intercept)


@reduce_estimator.register
def reduce_one_vs_rest(estimator: OneVsRestClassifier, X, y, sample_weight):
    """One LogisticRegression a class against all others (one in all for two classes)."""
    models = estimator.estimators_
    if len(estimator.classes_) == 1:
        raise ValueError(
            f"OneVsRestClassifier was fitted on one class only, {estimator.classes_.tolist()}, "
            "and always predicts it; give it rows of at least two classes."
        )
    if estimator.multilabel_ or not all(isinstance(m, LogisticRegression) for m in models):
        raise TypeError(
            "OneVsRestClassifier can be explained if it wraps LogisticRegression and each row "
            f"has one label; it wraps {type(estimator.estimator).__name__}"
            f"{' and was fitted on multilabel targets' if estimator.multilabel_ else ''}."
        )
    if len(models) == 1:
        return reduce_logistic_regression(models[0], X, y, sample_weight)
    parts = [_parameters(model) for model in models]
    joined = Parameters(*(np.vstack(rows) for rows in zip(*parts, strict=True)))
    problems = [
        sample_weight * _class_weight(model, (y == k).astype(np.intp), sample_weight)
        for k, model in enumerate(models)
    ]
    return build_objective(
        LogLoss(one_vs_rest_codebook(len(models))),
        *joined,
        X,
        y,
        sample_weight,
        models[0].fit_intercept,
        np.array(problems).T,
    )


def _parameters(estimator) -> Parameters:
    strength, ratio = _penalty(estimator, estimator.coef_.shape[0])
    return linear_parameters(
        estimator, strength * (1 - ratio), strength * ratio, _intercept_scaling(estimator)
    )


def _intercept_scaling(estimator):
    """The column that liblinear penalises as the intercept; infinite for the other solvers."""
    if estimator.solver != "liblinear":
        return np.inf
    # The final fit of a search does not pass `intercept_scaling` on.
    return 1.0 if isinstance(estimator, LogisticRegressionCV) else estimator.intercept_scaling


def _penalty(estimator, n_scores):
    """Penalty strength 1/C of each class score, and the share of it that is L1.

    ``penalty`` says the kind of penalty up to scikit-learn 1.7; from 1.8 on it is
    "deprecated" by default, and ``l1_ratio`` and ``C=np.inf`` say the same.
    """
    is_search = isinstance(estimator, LogisticRegressionCV)
    strength = 1 / np.broadcast_to(np.ravel(estimator.C_ if is_search else estimator.C), n_scores)
    ratio = np.ravel(estimator.l1_ratio_ if is_search else [estimator.l1_ratio])[0]
    kind = getattr(estimator, "penalty", "deprecated")
    if kind is None:
        return np.zeros(n_scores), 0.0
    if kind in ("l1", "l2"):
        return strength, float(kind == "l1")
    return strength, float(ratio or 0.0)


def _is_one_vs_rest(estimator):
    """Whether an older scikit-learn (before 1.8) fitted one binary model a class."""
    scheme = getattr(estimator, "multi_class", None)
    return len(estimator.classes_) > 2 and (
        scheme == "ovr" or (scheme is not None and estimator.solver == "liblinear")
    )


def _problem_weight(estimator, k, y, sample_weight):
    """Row weights in the k-th problem of a one-vs-rest LogisticRegression."""
    is_search = isinstance(estimator, LogisticRegressionCV)
    if estimator.class_weight == "balanced" and estimator.solver != "liblinear" and not is_search:
        binary = (y == k).astype(np.intp)
        balance = class_weight_of_rows("balanced", np.arange(2), binary, sample_weight)
        return sample_weight * balance
    by_class = _class_weight(estimator, y, sample_weight)
    if estimator.solver == "liblinear" and not is_search:
        # liblinear applies a class weight to the positive rows of that class's own problem.
        by_class = np.where(y == k, by_class, 1.0)
    return sample_weight * by_class


def _class_weight(estimator, y, sample_weight):
    return class_weight_of_rows(estimator.class_weight, estimator.classes_, y, sample_weight)
