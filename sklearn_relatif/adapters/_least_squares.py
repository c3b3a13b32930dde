"""Least squares, with and without a penalty, of one target or several, and of classes.

All of them minimised, for each target on its own and with an intercept that bears no penalty::

    sum_i s_i e_i^2 / 2 + sum_j Lambda_j w_j^2 / 2,

and differ in Lambda, in bounds, and in who chose what. Without a penalty the rows may leave
parameters open, of which scikit-learn takes those with the smallest coefficients.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
from sklearn.linear_model import Ridge, RidgeClassifier

from ..losses import SquaredError, SquaredMargin, binary_codebook, one_vs_rest_codebook
from ..objectives import build_objective
from ._chosen import given, one_value
from ._class_weight import class_weight_of_rows
from ._linear import LinearAdapter, Parameters
from ._registry import register


class LeastSquaresAdapter(LinearAdapter):
    """What they have in common. A subclass says what :meth:`l2` was."""

    def l2(self, model):
        """Lambda of the coefficients: a number, or one a target."""
        raise NotImplementedError

    def reduce(self, model, X, y, sample_weight):
        parameters = self.penalised(model, l2=self.l2(model))
        loss = partial(SquaredError, len(parameters.weights))
        return self.reduce_squares(model, loss, parameters, X, y, sample_weight)

    def reduce_squares(self, model, loss, parameters: Parameters, X, y, sample_weight):
        """The objective, within the bounds that the model has.

        Parameters
        ----------
        model : fitted estimator
        loss : callable
            Takes what is the rounding of rows that a model without a penalty passes through, and
            returns the loss.
        parameters : Parameters
        X, y, sample_weight : as :meth:`reduce` takes them
        """
        positive = model.get_params().get("positive", False)
        given = X, y, sample_weight, model.fit_intercept
        objective = build_objective(loss(), *parameters, *given, positive=positive)
        objective = replace(objective, leaves_intercept=True)
        if parameters.l2[:, : X.shape[1]].all():
            return objective
        objective = replace(objective, loss=loss(terms=objective.terms()))
        _warn_of_what_is_open(objective, type(model).__name__)
        return objective


def _warn_of_what_is_open(objective, name):
    """Of a model without a penalty, where its rows or columns are too few or too many."""
    if not objective.rows.norm.any():
        warnings.warn(
            f"The {name} passes through all of its training rows, so that no weight of them would "
            "change it: their influence is 0. removal_effect and loo_predict tell what it is "
            "without them; ridge regression with a small alpha has influences.",
            UserWarning,
            stacklevel=3,
        )
    undecided = objective.undecided().any(axis=0) if objective.has_l1 else np.zeros(1, bool)
    if undecided.any():
        column = int(undecided.argmax())
        warnings.warn(
            f"The rows do not decide on all coefficients of the {name}: column {column}, which it "
            "holds at zero, and maybe others could as well take over from those on which they "
            "depend. What is told is of its own choice, which refits need not make again. Leave "
            "out columns that depend on others.",
            UserWarning,
            stacklevel=3,
        )


class LinearRegressionAdapter(LeastSquaresAdapter):
    """LinearRegression: no penalty."""

    how_to_fit_closer = "standardised features, or a smaller tol"

    def l2(self, model):
        return 0.0


class RidgeAdapter(LeastSquaresAdapter):
    """Ridge: Lambda is ``alpha``, of all targets or of each."""

    how_to_fit_closer = "a smaller tol, a larger max_iter, or solver='svd' or 'cholesky'"

    def l2(self, model):
        return model.alpha


class SearchedAdapter(LeastSquaresAdapter):
    """Of models that have searched for ``alpha_``, which removal holds."""

    def l2(self, model):
        return model.alpha_

    def removal_changes_objective(self, model):
        return True

    def chosen(self, model):
        return {"alpha": one_value(model.alpha_)}


class RidgeCVAdapter(SearchedAdapter):
    """RidgeCV, whose ``alpha_`` is that of all targets or of each."""

    def held(self, model):
        return given(Ridge, model, alpha=model.alpha_)


class RidgeClassifierAdapter(RidgeAdapter):
    """RidgeClassifier: targets of -1 and 1, one class against all others."""

    # A fit to several labels a row is not told from one to classes by what it leaves.
    has_several_targets = False

    def reduce(self, model, X, y, sample_weight):
        parameters = self.penalised(model, l2=self.l2(model))
        n_scores = len(parameters.weights)
        codebook = binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)
        # Balanced class weights count rows, and take no notice of sample weights.
        by_class = class_weight_of_rows(model.class_weight, model.classes_, y, None)
        weight, loss = sample_weight * by_class, partial(SquaredMargin, codebook)
        return self.reduce_squares(model, loss, parameters, X, y, weight)


class RidgeClassifierCVAdapter(SearchedAdapter, RidgeClassifierAdapter):
    """RidgeClassifierCV."""

    def held(self, model):
        return given(RidgeClassifier, model, alpha=model.alpha_)


class BayesianRidgeAdapter(LeastSquaresAdapter):
    """BayesianRidge at the precisions of its fit: Lambda is ``lambda_ / alpha_``."""

    how_to_fit_closer = "standardised features"

    def l2(self, model):
        return model.lambda_ / model.alpha_

    def removal_changes_objective(self, model):
        """Other rows are of other precisions, which removal holds."""
        return True

    def chosen(self, model):
        return {"precisions": one_value(self.l2(model))}

    def held(self, model):
        raise ValueError(
            f"{type(model).__name__} finds its precisions anew in each fit, and there is no "
            "estimator that is given them: what they do cannot be told apart."
        )


class ARDRegressionAdapter(BayesianRidgeAdapter):
    """ARDRegression at the precisions of its fit, with the columns that it kept."""

    def l2(self, model):
        return model.lambda_[None] / model.alpha_

    def reduce(self, model, X, y, sample_weight):
        objective = super().reduce(model, X, y, sample_weight)
        return objective.on_support(model.lambda_[None] < model.threshold_lambda)


register("sklearn.linear_model.LinearRegression", LinearRegressionAdapter())
register("sklearn.linear_model.Ridge", RidgeAdapter())
register("sklearn.linear_model.RidgeCV", RidgeCVAdapter())
register("sklearn.linear_model.RidgeClassifier", RidgeClassifierAdapter())
register("sklearn.linear_model.RidgeClassifierCV", RidgeClassifierCVAdapter())
register("sklearn.linear_model.BayesianRidge", BayesianRidgeAdapter())
register("sklearn.linear_model.ARDRegression", ARDRegressionAdapter())
