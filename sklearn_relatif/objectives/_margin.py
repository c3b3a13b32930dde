"""Reductions of linear margin machines: LinearSVC, SGDClassifier."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import lsq_linear
from sklearn.linear_model import SGDClassifier
from sklearn.svm import LinearSVC

from ..losses import (
    Hinge,
    LogLoss,
    ModifiedHuber,
    SquaredHinge,
    binary_codebook,
    one_vs_rest_codebook,
)
from ._build import build_objective, class_weight_of_rows, linear_parameters
from ._linear import LinearObjective
from ._registry import reduce_estimator

SGD_LOSSES = {
    "hinge": Hinge,
    "log_loss": LogLoss,
    "modified_huber": ModifiedHuber,
    "squared_hinge": SquaredHinge,
}


class HingeObjective(LinearObjective):
    """A linear objective whose loss has no curvature: the Hessian is the penalty's diagonal."""

    def hessian_diagonal(self):
        """Diagonal of the Hessian of J, shape (n_params,); 0 for parameters held fixed."""
        diagonal = self.identity_diagonal() * (self.penalty / self.total_weight).ravel()
        return diagonal.astype(self.dtype, copy=False)

    def relative_gradient(self) -> float:
        """Norm of the shortest subgradient of J, relative as in :class:`LinearObjective`.

        A row on the margin contributes between none and all of its gradient.
        """
        shortest, square = 0.0, 0.0
        x = self.design.block(slice(None))
        signs = self.loss.codebook[self.y]
        margins = signs * self.design.predictor(self.weights, slice(None))
        for k in range(self.shape[0]):
            weight = self.sample_weight * signs[:, k]
            if self.output_weight is not None:
                weight = weight * self.output_weight[:, k]
            inside = margins[:, k] < 1 - self.loss.slack
            on = (np.abs(margins[:, k] - 1) <= self.loss.slack) & (weight != 0)
            gradient = self.penalty[k] * self.weights[k] - x[inside].T @ weight[inside]
            shortest += _shortest_subgradient(gradient, x[on], weight[on])
            lengths = sparse.csr_array(x).power(2).sum(axis=1)
            square += np.sum((np.abs(weight) * np.asarray(lengths).ravel())[inside | on])
        return float(np.sqrt(shortest / (square * self.total_weight))) if square else 0.0


def _shortest_subgradient(gradient, x, weight):
    """Squared length of ``gradient - sum_i a_i weight_i x_i``, minimised over 0 <= a_i <= 1."""
    if not len(weight):
        return float(gradient @ gradient)
    columns = (sparse.diags(weight) @ x).T if sparse.issparse(x) else (weight[:, None] * x).T
    return 2 * float(lsq_linear(columns, gradient, bounds=(0, 1)).cost)


@reduce_estimator.register
def reduce_linear_svc(estimator: LinearSVC, X, y, sample_weight):
    """LinearSVC, one vs rest, with the penalised intercept of liblinear."""
    if estimator.multi_class == "crammer_singer":
        raise ValueError(
            "LinearSVC with multi_class='crammer_singer' cannot be explained: its loss couples "
            "the classes. Fit it with multi_class='ovr'."
        )
    codebook = _codebook(len(estimator.coef_))
    is_hinge = estimator.loss == "hinge"
    loss = Hinge(codebook, slack=estimator.tol) if is_hinge else SquaredHinge(codebook)
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
    """SGDClassifier with the losses of ``SGD_LOSSES``, one vs rest.

    Its penalty counts rows, not weights, and is in mean form.
    """
    if estimator.loss not in SGD_LOSSES:
        raise ValueError(
            f"SGDClassifier with loss={estimator.loss!r} cannot be explained; the losses are "
            f"{', '.join(map(repr, SGD_LOSSES))}."
        )
    codebook = _codebook(len(estimator.coef_))
    is_hinge = estimator.loss == "hinge"
    loss = (
        Hinge(codebook, slack=estimator.tol or 0)
        if is_hinge
        else SGD_LOSSES[estimator.loss](codebook)
    )
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


def sgd_penalty(estimator, n_rows):
    """L2 and L1 strengths of an SGD estimator in the sum form."""
    ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": estimator.l1_ratio, None: 0.0}[estimator.penalty]
    strength = 0.0 if estimator.penalty is None else estimator.alpha * n_rows
    return strength * (1 - ratio), strength * ratio


def _codebook(n_scores):
    return binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)


def _one_vs_rest_objective(loss, parameters, X, y, sample_weight, by_class, fit_intercept):
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
    kind = HingeObjective if loss.is_piecewise_linear else LinearObjective
    return build_objective(
        loss, *parameters, X, y, sample_weight, fit_intercept, output_weight, kind
    )
