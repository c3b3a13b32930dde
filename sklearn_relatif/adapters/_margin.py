"""LinearSVC, and what machines with a margin share."""

from __future__ import annotations

import numpy as np

from ..losses import (
    Hinge,
    LogLoss,
    ModifiedHuber,
    SquaredHinge,
    binary_codebook,
    one_vs_rest_codebook,
)
from ..objectives import HingeObjective, LinearObjective, build_objective
from ._class_weight import class_weight_of_rows
from ._linear import LinearAdapter, Parameters
from ._registry import register

LOSSES = {
    "hinge": Hinge,
    "log_loss": LogLoss,
    "modified_huber": ModifiedHuber,
    "squared_hinge": SquaredHinge,
}
#: What the rounding of the features makes of a margin, in units of their precision.
MARGIN_ROUNDINGS = 1e3


class MarginAdapter(LinearAdapter):
    """Binary and one-vs-rest machines."""

    def reduce_margin(
        self, model, parameters: Parameters, X, y, sample_weight, counted, penalty_share=None
    ):
        """The objective of a machine whose ``loss`` is one of :data:`LOSSES`.

        With more than two classes, a class weight counts for the positive rows of that class's
        own problem only.

        Parameters
        ----------
        model : fitted estimator
        parameters : Parameters
        X, y, sample_weight : as :meth:`reduce` takes them
        counted : ndarray of shape (n_rows,) or None
            What balanced class weights count of the rows; None: each row once.
        penalty_share : ndarray of shape (n_rows,), optional
            As :func:`build_objective` takes it. Paths of hinge machines hold the penalty.
        """
        n_scores = len(parameters.weights)
        codebook = binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)
        loss = _margin_loss(model, codebook, X.dtype)
        by_class = class_weight_of_rows(model.class_weight, model.classes_, y, counted)
        output_weight = None
        if loss.n_outputs == 1:
            sample_weight = sample_weight * by_class
        elif np.any(by_class != 1):
            positive = loss.codebook[y] > 0
            output_weight = sample_weight[:, None] * np.where(positive, by_class[:, None], 1.0)
        kind = LinearObjective if loss.has_curvature else HingeObjective
        return build_objective(
            loss,
            *parameters,
            X,
            y,
            sample_weight,
            model.fit_intercept,
            output_weight,
            kind,
            penalty_share if loss.has_curvature else None,
        )


class LinearSVCAdapter(MarginAdapter):
    """LinearSVC, one vs rest, with the penalised intercept of liblinear."""

    def reduce(self, model, X, y, sample_weight):
        if model.multi_class == "crammer_singer":
            raise ValueError(
                "LinearSVC with multi_class='crammer_singer' cannot be explained: its loss couples "
                "the classes. Fit it with multi_class='ovr'."
            )
        l2, l1 = (1 / model.C, 0.0) if model.penalty == "l2" else (0.0, 1 / model.C)
        parameters = self.penalised(model, l2, l1, model.intercept_scaling)
        return self.reduce_margin(model, parameters, X, y, sample_weight, sample_weight)


def _margin_loss(model, codebook, dtype):
    if model.loss != "hinge":
        return LOSSES[model.loss](codebook)
    return Hinge(codebook, slack=max(model.tol or 0, MARGIN_ROUNDINGS * np.finfo(dtype).eps))


register("sklearn.svm.LinearSVC", LinearSVCAdapter())
