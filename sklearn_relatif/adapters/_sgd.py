"""SGDClassifier and SGDRegressor, whose penalty counts rows, not weights, and is in mean form."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..losses import EpsilonInsensitive, Huber, SquaredEpsilonInsensitive, SquaredError
from ..objectives import HingeObjective, build_objective
from ._linear import LinearAdapter, Parameters
from ._linear_svr import tube_slack
from ._margin import LOSSES, MarginAdapter
from ._registry import register

REGRESSION_LOSSES = {
    "squared_error": lambda epsilon: SquaredError(),
    "huber": Huber,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
    "epsilon_insensitive": EpsilonInsensitive,
}
#: Losses without curvature.
HINGES = ("hinge", "epsilon_insensitive")


class SGDAdapter(LinearAdapter):
    """What both have in common."""

    how_to_fit_closer = "set tol=None and max_iter to many epochs, and standardise the features"

    def parameters_of(self, model, losses, n_rows) -> Parameters:
        """Its parameters and their penalties, if it is one that can be explained.

        Parameters
        ----------
        model : fitted estimator
        losses : dict
            Those that it may have, by their names.
        n_rows : int
        """
        if model.loss not in losses:
            raise ValueError(
                f"{type(model).__name__} with loss={model.loss!r} cannot be explained; the losses "
                f"are {', '.join(map(repr, losses))}."
            )
        if model.early_stopping:
            raise ValueError(
                f"{type(model).__name__} with early_stopping=True cannot be explained: it never "
                f"trains on the share of {model.validation_fraction:g} of the rows by whose score "
                "it stops, and does not tell which they are. Fit it with early_stopping=False."
            )
        ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": model.l1_ratio, None: 0.0}[model.penalty]
        strength = 0.0 if model.penalty is None else model.alpha * n_rows
        return self.penalised(model, strength * (1 - ratio), strength * ratio)

    def penalty_share(self, model, n_rows):
        """Each row counts the same, also those of weight 0; None without a penalty."""
        return None if model.penalty is None else np.full(n_rows, 1 / n_rows)

    def removal_changes_objective(self, model):
        """Also where the path of a hinge machine is followed, which holds the penalty."""
        holds_penalty = model.loss in HINGES and model.penalty is not None
        return holds_penalty or super().removal_changes_objective(model)

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Of a machine with a hinge loss and an L1 penalty, for want of better."""
        if not objective.has_tables:
            warnings.warn(
                f"{type(model).__name__} with a hinge loss and an L1 penalty is fitted again by "
                "itself, and ends near its optimum only: differences are as uncertain as its fits "
                "are.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return super().refit(model, objective, X, y, sample_weight, removals, n_jobs)

    def stopping_cause(self, model):
        """SGD always stops somewhere before the optimum."""
        if model.tol is None:
            stopped = f"SGD made {model.n_iter_} epochs, which are too few"
        else:
            stopped = (
                f"SGD stopped after {model.n_iter_} epochs by tol={model.tol:g}, which is when the "
                "loss falls slowly and not at the optimum"
            )
        return f"{stopped}: {self.how_to_fit_closer}."


class SGDClassifierAdapter(SGDAdapter, MarginAdapter):
    """SGDClassifier with the losses of ``LOSSES``, one vs rest."""

    def reduce(self, model, X, y, sample_weight):
        parameters = self.parameters_of(model, LOSSES, len(y))
        share = self.penalty_share(model, len(y))
        return self.reduce_margin(model, parameters, X, y, sample_weight, None, share)


class SGDRegressorAdapter(SGDAdapter):
    """SGDRegressor with the losses of ``REGRESSION_LOSSES``."""

    def reduce(self, model, X, y, sample_weight):
        parameters = self.parameters_of(model, REGRESSION_LOSSES, len(y))
        shared = (*parameters, X, y, sample_weight, model.fit_intercept)
        if model.loss in HINGES:
            tube = EpsilonInsensitive(model.epsilon, tube_slack(y, model.tol, X.dtype))
            return build_objective(tube, *shared, kind=HingeObjective)
        loss = REGRESSION_LOSSES[model.loss](model.epsilon)
        share = self.penalty_share(model, len(y))
        return build_objective(loss, *shared, penalty_share=share)


register("sklearn.linear_model.SGDClassifier", SGDClassifierAdapter())
register("sklearn.linear_model.SGDRegressor", SGDRegressorAdapter())
