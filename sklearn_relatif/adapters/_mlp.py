"""Networks of dense layers: MLPClassifier and MLPRegressor."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from ..jacobians import LayeredJacobian, Layers
from ..losses import (
    LogLink,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    PoissonDeviance,
    SeparateTargets,
    SquaredError,
    binary_codebook,
)
from ..objectives import NetworkObjective
from ._base import Adapter, OutputLayer
from ._mlp_training import is_stochastic, trained_on
from ._registry import register
from ._targets import BoundedTargets, ClassTargets, ColumnTargets, RealTargets


class LayeredAdapter(Adapter):
    """What classifiers and regressors share.

    The table of parameters has one row: those of the layers, one after the other. Intercepts bear
    no penalty.
    """

    has_several_targets = True
    how_to_fit_closer = "solver='lbfgs' with a small tol and a large max_iter, or a larger alpha"

    def reduce(self, model, X, y, sample_weight):
        layers, loss = layers_of(model), self.loss(model)
        contrasts = loss.softmax_contrasts
        outputs = np.eye(loss.n_outputs) if contrasts is None else contrasts
        weights, jacobian = layers.vector()[None], LayeredJacobian(layers, X, outputs)

        def predicted(rows):
            return loss.predict(jacobian.predictor(weights, rows))

        trained = trained_on(model, y, predicted, sample_weight)
        bears = [np.ones_like(table, np.float64) for table in layers.tables]
        for table in bears:
            table[:, -1] = 0
        return NetworkObjective(
            loss=loss,
            weights=weights,
            jacobian=jacobian,
            y=y,
            sample_weight=trained.sample_weight,
            penalty=trained.strength * np.concatenate([table.ravel() for table in bears])[None],
            penalty_share=trained.share,
        )

    def loss(self, model: Any) -> Loss:
        """What the network's answers are judged by."""
        raise NotImplementedError

    def parameters(self, model):
        return layers_of(model).vector()[None]

    def restore(self, model, table):
        changed, layers = copy(model), layers_of(model).at(table.ravel())
        coefs, intercepts = (
            [given.astype(own.dtype) for given, own in zip(values, kept, strict=True)]
            for values, kept in (
                ([table[:, :-1].T for table in layers.tables], model.coefs_),
                ([table[:, -1] for table in layers.tables], model.intercepts_),
            )
        )
        changed.coefs_, changed.intercepts_ = coefs, intercepts
        return changed

    def last_layer(self, model):
        layers = layers_of(model)
        last = layers.tables[-1]
        first = layers.n_params - last.size
        positions = np.arange(first, layers.n_params).reshape(last.shape)
        return OutputLayer(layers.before_last, positions, has_intercept=True)

    # --- without some rows -----------------------------------------------------------------

    def removal_changes_objective(self, model):
        """Whether other rows would be held out then."""
        return is_stochastic(model) and model.early_stopping

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Further training without each group of rows, from where the model is, by its own solver.

        A fit from other initial parameters would find another of the many optima. Rows that were
        held out stay out, and no others are.
        """
        counted = np.flatnonzero(objective.counts)
        return Parallel(n_jobs=n_jobs)(
            delayed(_trained_further)(model, X, y, sample_weight, np.setdiff1d(counted, rows))
            for rows in removals
        )

    # --- of the fit ------------------------------------------------------------------------

    def stopping_cause(self, model):
        cause = super().stopping_cause(model)
        if cause is None and is_stochastic(model) and model.early_stopping:
            return "early_stopping=True ended its training before it had arrived."
        return cause


class MLPClassifierAdapter(LayeredAdapter):
    """A softmax of several classes, a logistic function of two, or of each of several labels."""

    def loss(self, model):
        if model.out_activation_ == "softmax":
            return MultinomialLogLoss(len(model.classes_))
        each = LogLoss(binary_codebook())
        return each if model.n_outputs_ == 1 else SeparateTargets([each] * model.n_outputs_)

    def targets(self, model):
        if model.out_activation_ == "softmax" or model.n_outputs_ == 1:
            return ClassTargets(model.classes_)
        return ColumnTargets([ClassTargets(np.arange(2)) for _ in model.classes_])

    def reduce(self, model, X, y, sample_weight):
        if len(model.classes_) == 1:
            raise ValueError(
                f"The network has seen one class only, {model.classes_[0]!r}: there is nothing to "
                "explain. Train it on rows of two classes at least."
            )
        return super().reduce(model, X, y, sample_weight)


class MLPRegressorAdapter(LayeredAdapter):
    """Squared error or Poisson deviance, summed over the targets."""

    def loss(self, model):
        if model.out_activation_ != "exp":
            return SquaredError(model.n_outputs_)
        each = PoissonDeviance(LogLink())
        return each if model.n_outputs_ == 1 else SeparateTargets([each] * model.n_outputs_)

    def targets(self, model):
        if model.out_activation_ != "exp":
            return RealTargets(model.n_outputs_)
        domain = PoissonDeviance(LogLink()).targets
        return BoundedTargets(domain, "MLPRegressor", model.n_outputs_)

    def stopping_cause(self, model):
        if model.solver == "lbfgs" and model.n_outputs_ > 1 and model.out_activation_ != "exp":
            return (
                "scikit-learn tells L-BFGS the mean of the squared errors of several targets, but "
                "the gradient of their sum, so that its line search fails before the optimum: set "
                "solver='adam', or train a network for each target."
            )
        return super().stopping_cause(model)


def layers_of(model: Any) -> Layers:
    """The parameters of a fitted perceptron."""
    tables = [
        np.column_stack([coef.T, intercept])
        for coef, intercept in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    return Layers(tuple(tables), model.activation)


def _trained_further(
    model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray | None, rows: np.ndarray
) -> Any:
    again = deepcopy(model).set_params(warm_start=True, early_stopping=False)
    if again.solver != "lbfgs" and again.best_loss_ is None:
        again.best_loss_ = np.inf  # With early_stopping it keeps scores in its place.
    weight = {} if sample_weight is None else {"sample_weight": sample_weight[rows]}
    return again.fit(X[rows], y[rows], **weight)


register("sklearn.neural_network.MLPClassifier", MLPClassifierAdapter())
register("sklearn.neural_network.MLPRegressor", MLPRegressorAdapter())
