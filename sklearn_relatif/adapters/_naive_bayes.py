"""Naive Bayes, of all its kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import binarize

from ..jacobians import held
from ..objectives import (
    BernoulliMoments,
    CategoricalMoments,
    ComplementMoments,
    CountMoments,
    NormalMoments,
)
from ._moments import MomentsAdapter
from ._registry import register

#: The least smoothing of scikit-learn's, unless a model is to have less.
LEAST_ALPHA = 1e-10


class GaussianNBAdapter(MomentsAdapter):
    """GaussianNB, whose parameters are the logarithms of priors, ``theta_`` and ``var_``."""

    def moments(self, model, X, y, sample_weight):
        prior = None if model.priors is None else np.asarray(model.priors, np.float64)
        n_classes = len(model.classes_)
        return NormalMoments(held(X), y, sample_weight, n_classes, prior, model.var_smoothing)

    def log_prior(self, model):
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(model.class_prior_, np.float64))

    def own(self, model, moments):
        return np.hstack([model.theta_, model.var_]).astype(np.float64)


class CountsAdapter(MomentsAdapter):
    """What naive Bayes of counts share: ``alpha``, ``class_log_prior_``, ``feature_log_prob_``."""

    def prior(self, model):
        """Priors that are given, or None."""
        if model.class_prior is not None:
            return np.asarray(model.class_prior, np.float64)
        n_classes = len(model.classes_)
        return None if model.fit_prior else np.full(n_classes, 1 / n_classes)

    def alpha(self, model):
        """The smoothing, as scikit-learn bounds it."""
        alpha = np.asarray(model.alpha, np.float64)
        return alpha if model.force_alpha else np.maximum(alpha, LEAST_ALPHA)

    def log_prior(self, model):
        return model.class_log_prior_

    def own(self, model, moments):
        return model.feature_log_prob_


class MultinomialNBAdapter(CountsAdapter):
    """MultinomialNB."""

    def moments(self, model, X, y, sample_weight):
        prior, alpha = self.prior(model), self.alpha(model)
        return CountMoments(held(X), y, sample_weight, len(model.classes_), prior, alpha)


class BernoulliNBAdapter(CountsAdapter):
    """BernoulliNB, with features made binary as the model makes them."""

    def moments(self, model, X, y, sample_weight):
        prior, alpha = self.prior(model), self.alpha(model)
        if np.ndim(alpha):
            raise ValueError("BernoulliNB takes one alpha; give it a number.")
        return ThresholdMoments(
            model.binarize, held(X), y, sample_weight, len(model.classes_), prior, alpha
        )


class CategoricalNBAdapter(CountsAdapter):
    """CategoricalNB, whose ``feature_log_prob_`` stand one feature after the other."""

    def moments(self, model, X, y, sample_weight):
        least = 0 if model.min_categories is None else np.asarray(model.min_categories)
        return CategoricalMoments(
            held(X),
            y,
            sample_weight,
            len(model.classes_),
            self.prior(model),
            self.alpha(model),
            np.array([table.shape[1] for table in model.category_count_]),
            least,
        )

    def own(self, model, moments):
        return np.hstack(model.feature_log_prob_)


class ComplementNBAdapter(CountsAdapter):
    """ComplementNB, whose parameters are logarithms of the other classes' shares.

    Its ``feature_log_prob_`` are minus these, or, with ``norm``, these over their sum.
    """

    def moments(self, model, X, y, sample_weight):
        n_classes = len(model.classes_)
        alpha = self.alpha(model)
        return ComplementMoments(held(X), y, sample_weight, n_classes, alpha, model.norm)

    def log_prior(self, model):
        return np.zeros(len(model.classes_))

    def own(self, model, moments):
        counts = model.feature_all_ + self.alpha(model) - model.feature_count_
        return np.log(counts / counts.sum(axis=1, keepdims=True))


class ThresholdMoments(BernoulliMoments):
    """Moments of features that are 1 above a threshold, and 0 elsewhere.

    Parameters
    ----------
    threshold : float or None
        None: the features are binary.
    """

    def __init__(self, threshold: float | None, X: Any, *arguments: Any) -> None:
        self.threshold = threshold
        super().__init__(self.features(X), *arguments)

    def features(self, X: Any) -> Any:
        """Binary features of other rows."""
        return X if self.threshold is None else binarize(X, threshold=self.threshold)


register("sklearn.naive_bayes.GaussianNB", GaussianNBAdapter())
register("sklearn.naive_bayes.MultinomialNB", MultinomialNBAdapter())
register("sklearn.naive_bayes.BernoulliNB", BernoulliNBAdapter())
register("sklearn.naive_bayes.CategoricalNB", CategoricalNBAdapter())
register("sklearn.naive_bayes.ComplementNB", ComplementNBAdapter())
