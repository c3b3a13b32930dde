"""Reductions of linear margin machines, LinearSVC and SGDClassifier, and of SGDRegressor."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.optimize import lsq_linear
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
from ._build import DualForm, build_objective, class_weight_of_rows, linear_parameters
from ._linear import LinearObjective
from ._registry import reduce_estimator
from ._stored import held

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
        weight = self._signed_weights
        gradient = self._gradient(weight * self._shares)
        counted = np.where(self._shares > 0, np.abs(weight), 0).sum(axis=1)
        square = 0.0
        for rows in self.blocks(2 * self.design.n_columns):
            square += float(self.design[rows].squared_lengths() @ counted[rows])
        shortest = float(np.sum(gradient**2))
        return float(np.sqrt(shortest / (square * self.total_weight))) if square else 0.0

    @cached_property
    def _shares(self):
        """The share of each row's gradient that counts, by output, shape (n_rows, n_outputs).

        1 inside the margin, 0 outside, and what makes the gradient of J shortest on it.
        """
        weight, slack = self._signed_weights, self.loss.slack
        margins = self.loss.codebook[self.y] * self.training_predictor
        share = (margins < 1 - slack).astype(np.float64)
        for k, gradient in enumerate(self._gradient(weight * share)):
            on = np.flatnonzero((np.abs(margins[:, k] - 1) <= slack) & (weight[:, k] != 0))
            if on.size:
                columns = self.design.dense_block(on) * weight[on, k, None]
                share[on, k] = lsq_linear(columns.T, gradient, bounds=(0, 1)).x
        return share

    def _gradient(self, pull):
        """Gradient of the sum if rows contribute ``-pull_i x~_i``, shape (n_outputs, n_columns)."""
        gradient = self.penalty * self.weights
        for rows in self.blocks(self.design.n_columns):
            gradient -= np.asarray(self.design.block(rows).T @ pull[rows]).T
        return gradient

    @property
    def _signed_weights(self):
        weight = self.loss.codebook[self.y] * self.sample_weight[:, None]
        return weight if self.output_weight is None else weight * self.output_weight

    # --- the dual form ---------------------------------------------------------------------

    @property
    def has_dual(self):
        """Whether it is a machine of inner products, which an L1 penalty is not."""
        return self.full_l1 is None

    def dual_form(self) -> DualForm:
        """The machine as its dual problems see it, in the linear kernel and double precision."""
        strength, of_intercept, intercept = self.penalty[0, 0], 0.0, None
        if not self.has_dual:
            raise ValueError(
                "Removal from a machine with a hinge loss is followed for an L2 penalty only; use "
                "penalty='l2', or retrain_without."
            )
        if self.design.fit_intercept and self.penalty[0, -1]:
            of_intercept = strength / self.penalty[0, -1]
        elif self.design.fit_intercept:
            intercept = self.weights[:, -1]
        upper = np.abs(self._signed_weights) / strength
        signs = self.loss.codebook[self.y]
        kernel = LinearKernel(held(self.design.X).astype(np.float64, copy=False), of_intercept)
        return DualForm(signs, self._shares * upper, upper, intercept, kernel)


class LinearKernel:
    """Inner products with training rows, plus a constant for a penalised intercept."""

    def __init__(self, X, constant):
        self.X = X
        self.constant = constant

    def between(self, design, positions):
        """Kernel of the rows of a design with training rows, shape (n, len(positions))."""
        return self._products(held(design.X), positions)

    def primal(self, coefficients, positions):
        """Parameters, the intercept last, that coefficients (n, n_positions) of rows stand for."""
        coef = coefficients @ self.X[positions]
        coef = coef.toarray() if sparse.issparse(coef) else coef
        return np.column_stack([coef, self.constant * coefficients.sum(axis=1)])

    def gram(self, positions, others):
        """Kernel between training rows, shape (len(positions), len(others))."""
        return self._products(self.X[positions], others)

    def intercept_shift(self, positions, coefficients):
        """What the intercept of a machine is larger by than with the rows as they are: nothing."""
        return np.zeros(coefficients.shape[1])

    def _products(self, X, positions):
        product = X @ self.X[positions].T
        product = product.toarray() if sparse.issparse(product) else product
        return product + self.constant


@reduce_estimator.register
def reduce_linear_svc(estimator: LinearSVC, X, y, sample_weight):
    """LinearSVC, one vs rest, with the penalised intercept of liblinear."""
    if estimator.multi_class == "crammer_singer":
        raise ValueError(
            "LinearSVC with multi_class='crammer_singer' cannot be explained: its loss couples "
            "the classes. Fit it with multi_class='ovr'."
        )
    codebook = _codebook(len(estimator.coef_))
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
    codebook = _codebook(len(estimator.coef_))
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
    return build_objective(
        SGD_REGRESSION_LOSSES[estimator.loss](estimator.epsilon),
        *linear_parameters(estimator, *sgd_penalty(estimator, len(y))),
        X,
        y,
        sample_weight,
        estimator.fit_intercept,
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
