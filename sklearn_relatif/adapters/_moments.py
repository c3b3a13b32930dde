"""What adapters of classifiers with a solution in closed form share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from ..losses import LogLoss, MultinomialLogLoss, binary_codebook
from ..objectives import MomentsObjective
from ._base import Adapter

#: How a model may come to be away from the closed form of its rows.
CLOSER = (
    "a fit is exact but for rounding; columns far from 0 or in single precision lose digits, "
    "which subtracting their means brings back"
)


class MomentsAdapter(Adapter):
    """Of classifiers that are fitted by sums over the rows of their classes.

    A subclass says what is summed (:meth:`moments`), and which parameters a fitted model has.
    """

    how_to_fit_closer = CLOSER

    def moments(self, model, X, y, sample_weight):
        """The sums over the rows, as :class:`ClassMoments`."""
        raise NotImplementedError

    def log_prior(self, model):
        """Of the fitted model, shape (n_classes,)."""
        raise NotImplementedError

    def own(self, model, moments):
        """Own parameters of the classes of the fitted model, shape (n_classes, n_own)."""
        raise NotImplementedError

    def reduce(self, model, X, y, sample_weight):
        self.check(model)
        moments = self.moments(model, X, y, sample_weight)
        loss, outputs = self.loss(model)
        density, further = self.fitted(model, moments), self.further(model, moments)
        return MomentsObjective(loss, moments, y, sample_weight, outputs, density, further)

    def fitted(self, model, moments):
        """The density of the fitted model."""
        log_prior, own = self.log_prior(model), self.own(model, moments)
        return replace(moments.density, log_prior=log_prior, own=own)

    def check(self, model):
        """Refuse a model that has no closed form, or has one class only."""
        if len(model.classes_) < 2:
            raise ValueError(
                f"{type(model).__name__} was fitted on one class only, {model.classes_.tolist()}, "
                "and always predicts it; give it rows of at least two classes."
            )
        if not np.isfinite(self.log_prior(model)).all():
            raise ValueError(
                f"{type(model).__name__} has a class whose prior is 0, which it never predicts, "
                "and whose rows have no influence on it. Leave the class out, or give it a prior."
            )

    def loss(self, model):
        """The loss of queries, and the predictors that it takes by the classes' scores."""
        n_classes = len(model.classes_)
        if n_classes == 2:
            return LogLoss(binary_codebook()), binary_codebook()
        loss = MultinomialLogLoss(n_classes)
        return loss, loss.softmax_contrasts

    def further(self, model, moments):
        """See ``further`` of :class:`MomentsObjective`."""
        return 0.0, 0

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """scikit-learn's own fits on the rows that are left, which cost no more than sums."""
        if not has_fit_parameter(model, "sample_weight"):
            sample_weight = None
        kept = [np.setdiff1d(np.arange(len(y)), rows) for rows in removals]
        return Parallel(n_jobs=n_jobs)(
            delayed(_fit_rows)(clone(model), X, y, sample_weight, rows) for rows in kept
        )


def _fit_rows(model, X, y, sample_weight, rows):
    if sample_weight is None:
        return model.fit(X[rows], y[rows])
    return model.fit(X[rows], y[rows], sample_weight=sample_weight[rows])
