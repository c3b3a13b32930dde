"""Discriminant analysis, linear and quadratic, and nearest centroids."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)
from sklearn.metrics.pairwise import euclidean_distances

from ..jacobians import held
from ..losses import NearestMargin
from ..objectives import (
    CentroidMoments,
    LinearMoments,
    QuadraticMoments,
    Shrinkage,
    scaled_inverse,
)
from ._moments import MomentsAdapter
from ._registry import register

#: Smallest eigenvalue of a correlation matrix that is inverted, where no solver asks for more.
LEAST = 1e-11


class DiscriminantAdapter(MomentsAdapter):
    """What both analyses share."""

    def check(self, model):
        super().check(model)
        options = model.get_params()
        if options.get("shrinkage") == "auto":
            raise ValueError(
                f"{type(model).__name__} with shrinkage='auto' cannot be explained: the shrinkage "
                "that Ledoit and Wolf estimate changes with each row in a way of its own. Fit it "
                "with a number as shrinkage."
            )
        if options.get("covariance_estimator") is not None:
            raise ValueError(
                f"{type(model).__name__} with a covariance_estimator cannot be explained: only the "
                "sample covariance, shrunk by a number or not, is a sum over the rows."
            )

    def prior(self, model):
        """Priors that are given, as the model has normalised them, or None."""
        return None if model.priors is None else np.asarray(model.priors_, np.float64)

    def log_prior(self, model):
        with np.errstate(divide="ignore"):
            return np.log(np.asarray(model.priors_, np.float64))


class LinearDiscriminantAdapter(DiscriminantAdapter):
    """LinearDiscriminantAnalysis by each of its solvers.

    Its parameters are the logarithms of priors, ``means_``, and the covariance within the classes
    before it is shrunk.
    """

    def moments(self, model, X, y, sample_weight):
        prior, shrinkage = self.prior(model), float(model.shrinkage or 0)
        is_svd = model.solver == "svd"
        if is_svd:
            n_lost = _rows_lost_by_svd() * len(model.classes_)
            share: Any = partial(_equal_share, n_lost)
        elif prior is None:
            share = partial(_equal_share, 0)
        else:
            share = partial(_share_by_prior, prior)
        least = model.tol**2 if is_svd else LEAST
        return LinearMoments(
            held(X),
            y,
            len(model.classes_),
            prior,
            partial(Shrinkage, shrinkage, None),
            share,
            partial(scaled_inverse, least=least),
            is_pooled=is_svd or prior is None,
        )

    def own(self, model, moments):
        means = np.asarray(model.means_, np.float64) - moments.offset
        return means[:, moments.is_varying] @ moments.axes

    def fitted(self, model, moments):
        """With the model's own coefficients, for rows as the moments have them."""
        coef, intercept = np.asarray(model.coef_, np.float64), np.asarray(model.intercept_)
        coef, intercept = coef.T, intercept + coef @ moments.offset
        if coef.shape[1] == 1:  # That of the second class less that of the first.
            coef, intercept = np.hstack([0 * coef, coef]), np.append(0.0, intercept)
        density = super().fitted(model, moments)
        return replace(density, fitted=(coef[moments.is_varying], intercept))

    def further(self, model, moments):
        """Of the coefficients, as far as classes differ in them."""
        fitted = np.atleast_2d(model.coef_)[:, moments.is_varying].astype(np.float64)
        precision, _ = moments.inverse(moments.shrinkage.of(moments.covariance))
        closed = moments.mean @ precision
        if len(fitted) == 1:
            closed = closed[1:] - closed[:1]
        else:
            closed, fitted = (table - table.mean(axis=0) for table in (closed, fitted))
        # A coefficient off by d predicts as a mean that is off by C d.
        off = (fitted - closed) @ moments.axes
        square = np.sum(off**2 * moments.variances) / moments.n_classes
        return float(square), (moments.n_classes - 1) * fitted.shape[1]


class QuadraticDiscriminantAdapter(DiscriminantAdapter):
    """QuadraticDiscriminantAnalysis.

    Its parameters are the logarithms of priors, ``means_``, and the covariances of the classes
    before they are regularised.
    """

    def check(self, model):
        super().check(model)
        if min(axes.shape[1] for axes in model.rotations_) < model.n_features_in_:
            raise ValueError(
                "QuadraticDiscriminantAnalysis was fitted on a class of no more rows than columns, "
                "and leaves out the directions in which these do not differ. Leave columns out."
            )

    def moments(self, model, X, y, sample_weight):
        solver = model.get_params().get("solver", "svd")
        # The shrinkage of "eigen" is towards the mean of the variances; reg_param is of "svd".
        shrinkage = model.reg_param if solver == "svd" else float(model.shrinkage or 0)
        target = 1.0 if solver == "svd" else None
        n_lost = _rows_lost_by_quadratic() if solver == "svd" else 0
        share = partial(Shrinkage, shrinkage, target)
        n_classes = len(model.classes_)
        return QuadraticMoments(held(X), y, n_classes, self.prior(model), share, n_lost)

    def own(self, model, moments):
        means = np.einsum("kd,kde->ke", model.means_ - moments.offset, moments.axes)
        fitted = zip(model.rotations_, model.scalings_, strict=True)
        covariances = np.stack([(axes * scale) @ axes.T for axes, scale in fitted])
        return moments.own_of(means, covariances)


class NearestCentroidAdapter(MomentsAdapter):
    """NearestCentroid, whose parameters are its ``centroids_``.

    It predicts by distances, where its ``decision_function`` is of distances in deviations.
    """

    def check(self, model):
        super().check(model)
        if model.metric != "euclidean":
            raise ValueError(
                f"NearestCentroid with metric={model.metric!r} cannot be explained: its centroids "
                "are medians, which do not move with the weight of a row. Use metric='euclidean'."
            )
        if model.shrink_threshold:
            raise ValueError(
                "NearestCentroid with a shrink_threshold cannot be explained: what it takes off "
                "the centroids is no sum over the rows. Fit it without."
            )
        if not np.allclose(model.class_prior_, 1 / len(model.classes_)):
            raise ValueError(
                "NearestCentroid with priors that differ cannot be explained: it predicts by other "
                "distances then, over the deviations within classes. Use priors='uniform', or "
                "LinearDiscriminantAnalysis or GaussianNB, which have priors."
            )

    def moments(self, model, X, y, sample_weight):
        return CentroidMoments(held(X), y, sample_weight, len(model.classes_))

    def log_prior(self, model):
        return np.zeros(len(model.classes_))

    def own(self, model, moments):
        return moments.features(model.centroids_)

    def scores(self, model, X):
        """Minus the squared distances from the centroids."""
        return -euclidean_distances(X, model.centroids_, squared=True)

    def loss(self, model):
        n_classes = len(model.classes_)
        return NearestMargin(n_classes), np.eye(n_classes)


def _equal_share(n_lost, n_rows):
    """All rows weigh the same, of their number less some."""
    total = n_rows.sum(axis=-1, keepdims=True) - n_lost
    return np.broadcast_to(1 / total, n_rows.shape)


def _share_by_prior(prior, n_rows):
    """The covariances of the classes weigh as their priors do."""
    return np.divide(prior, n_rows, out=np.zeros(n_rows.shape), where=n_rows > 0)


@cache
def _rows_lost_by_svd() -> int:
    """What this release takes off the number of rows for each class, 0 or 1.

    Older ones divide the scatter within the classes by the rows less the classes.
    """
    X, y = np.array([[-1.0], [1.0], [9.0], [11.0]]), np.array([0, 0, 1, 1])
    variance = 10 / LinearDiscriminantAnalysis().fit(X, y).coef_[0, 0]
    return round((4 - 4 / variance) / 2)


@cache
def _rows_lost_by_quadratic() -> int:
    """What this release takes off the number of rows of a class, 0 or 1."""
    X, y = np.array([[-1.0], [1.0], [9.0], [11.0]]), np.array([0, 0, 1, 1])
    variance = QuadraticDiscriminantAnalysis().fit(X, y).scalings_[0][0]
    return round(2 - 2 / variance)


register("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", LinearDiscriminantAdapter())
register(
    "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis", QuadraticDiscriminantAdapter()
)
register("sklearn.neighbors.NearestCentroid", NearestCentroidAdapter())
