"""Moments of columns: means, and the variance of each column in each class.

With the mean ``m_kj`` and the variance ``v_kj`` of column j in class k, of the share ``pi_k`` of
the weight, the Hessian of naive Bayes with normal densities is diagonal, ``pi_k / v_kj`` for a
mean and ``pi_k / (2 v_kj^2)`` for a variance. What ``var_smoothing`` adds to the variances
afterwards belongs to the prediction: as it depends on no weight, it is held where a row's weight
changes, which influence is about, and computed anew where rows are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from ..jacobians import ClassDensity, dense
from ._moments import LOST, ClassMoments, MomentsWithout

#: Deviations from the mean of a column, over the mean, that are nothing but rounding.
CONSTANT = 1e-13


# --- centroids ------------------------------------------------------------------------------


@dataclass(frozen=True)
class CentroidDensity(ClassDensity):
    """``2 x · m_k - |m_k|^2``: minus the squared distances, but for ``|x|^2``."""

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        return 2 * (X @ self.own.T) - np.sum(self.own**2, axis=1)

    def slopes(self, X, k):
        """``2 (x - m_k)``, shape (n, n_own)."""
        return 2 * (dense(X) - self.own[k])

    def products(self, X, k, vectors):
        """Inner products of these with vectors, shape (n, m)."""
        return 2 * (X @ vectors.T - vectors @ self.own[k])


class CentroidMoments(ClassMoments):
    """The mean of each class, at which the sum of squared distances from it is least.

    Dense rows are taken around the mean of all, so that distances do not cancel.
    """

    is_likelihood = False

    def __init__(self, X, y, weight, n_classes):
        self._offset = None if sparse.issparse(X) else np.asarray(X.mean(axis=0), np.float64)
        super().__init__(self.features(X), y, weight, n_classes, np.ones(n_classes))
        member = np.eye(n_classes)[y] * self.weight[:, None]
        self.sums = np.asarray((self.X.T @ member).T)
        self.density = self.density_at(self.sums / self.class_weight[:, None])

    def features(self, X):
        """Rows around the mean of the training rows, if these are dense."""
        return X if self._offset is None else dense(X) - self._offset

    def density_at(self, centroids):
        """By centroids as :meth:`features` has them."""
        return CentroidDensity(np.zeros(self.n_classes), False, centroids, np.empty(0))

    def diagonal(self, kind):
        """``2 pi_k`` for each number of a centroid."""
        share = 2 * self.class_weight / self.total_weight
        return np.repeat(share[:, None], self.sums.shape[1], axis=1), np.empty(0)

    def without(self, removals):
        """Centroids of the rows that are left."""
        return CentroidsWithout(self, removals)


class CentroidsWithout(MomentsWithout):
    """Models by their centroids (n_models, n_classes, n_features)."""

    def __init__(self, moments, removals):
        self.moments = moments
        self.class_weight = moments.class_weight_without(removals)
        self.log_prior = moments.log_prior(self.class_weight)
        gone = np.stack([_dense(lost @ moments.X) for lost in _by_class(moments, removals)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.centroids = (moments.sums - gone) / self.class_weight[..., None]

    def values(self, X):
        n_models, n_classes, _ = self.centroids.shape
        table = self.centroids.reshape(n_models * n_classes, -1)
        values = 2 * (X @ table.T) - np.sum(table**2, axis=1)
        return values.reshape(X.shape[0], n_models, n_classes)

    def squared_change(self):
        return np.sum((self.centroids - self.moments.density.own) ** 2, axis=(1, 2))


# --- naive Bayes ----------------------------------------------------------------------------


@dataclass(frozen=True)
class NormalDensity(ClassDensity):
    """Independent normal columns, with ``[m_k, v_k]`` as own parameters of the classes."""

    @property
    def _moments(self):
        return np.split(self.own, 2, axis=1)

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        values = np.empty((X.shape[0], self.n_classes))
        for k, (mean, variance) in enumerate(zip(*self._moments, strict=True)):
            square = (X - mean) ** 2 @ (1 / variance)
            values[:, k] = -(square + np.sum(np.log(2 * np.pi * variance))) / 2
        return values + self.log_prior

    def slopes(self, X, k):
        """``z / v`` and ``(z^2 / v - 1) / (2 v)`` with ``z = x - m``, shape (n, n_own)."""
        mean, variance = (moment[k] for moment in self._moments)
        scaled = (X - mean) / variance
        return np.hstack([scaled, (scaled**2 - 1 / variance) / 2])


class NormalMoments(ClassMoments):
    """Means and variances of naive Bayes with normal densities.

    Parameters
    ----------
    X, y, weight, n_classes, prior : objects
        As of :class:`ClassMoments`.
    var_smoothing : float
        The share of the largest variance of a column of all rows, whatever they weigh, that is
        added to all variances.

    Attributes
    ----------
    mean, variance : ndarray of shape (n_classes, n_features)
    epsilon : float
    """

    def __init__(self, X, y, weight, n_classes, prior, var_smoothing):
        super().__init__(dense(X), y, weight, n_classes, prior)
        self.var_smoothing = var_smoothing
        self.mean, self.centred = class_means(self.X, y, self.weight, n_classes)
        member = np.eye(n_classes)[y] * self.weight[:, None]
        self.variance = (member.T @ self.centred**2) / self.class_weight[:, None]
        self.variance[self.variance <= (CONSTANT * self.mean) ** 2] = 0.0
        self.epsilon = var_smoothing * self.X.var(axis=0).max()
        if (self.variance + self.epsilon == 0).any():
            raise ValueError(
                "A column is constant in a class, and var_smoothing adds nothing to its variance, "
                "so that the class rules out all other values. Fit the model with a positive "
                "var_smoothing, or leave the column out."
            )
        own = np.hstack([self.mean, self.variance + self.epsilon])
        log_prior = self.log_prior(self.class_weight)
        self.density = NormalDensity(log_prior, prior is None, own, np.empty(0))

    def features(self, X):
        """Rows in double precision."""
        return dense(X)

    @cached_property
    def row_density(self):
        """By the variances themselves. A column that is constant in its class adds nothing."""
        variance = np.where(self.variance > 0, self.variance, np.inf)
        own = np.hstack([self.mean, variance])
        return NormalDensity(self.density.log_prior, self.density.fits_prior, own, np.empty(0))

    def diagonal(self, kind):
        """``pi_k / v`` and ``pi_k / (2 v^2)``; at the optimum that is the Fisher information."""
        share = self.class_weight[:, None] / self.total_weight
        _, variance = np.split(self.row_density.own, 2, axis=1)
        return np.hstack([share / variance, share / (2 * variance**2)]), np.empty(0)

    @cached_property
    def counted(self):
        """What is added to all variances counts the rows."""
        if not self.epsilon:
            return None
        variance, mean = self.X.var(axis=0), self.X.mean(axis=0)
        largest = variance.argmax()
        rise = variance[largest] - (self.X[:, largest] - mean[largest]) ** 2
        own = np.zeros_like(self.density.own)
        own[:, self.X.shape[1] :] = 1
        return self.var_smoothing * rise / len(self.y), own

    def without(self, removals):
        """Means and variances of the rows that are left."""
        return NormalWithout(self, removals)

    def epsilon_without(self, removals):
        """What is added to the variances of each model, shape (n_models,)."""
        if not self.var_smoothing:
            return np.zeros(len(removals))
        mean = self.X.mean(axis=0)
        centred, left = self.X - mean, len(self.y) - removals.counts.sum(axis=1)
        shift = (removals.counts @ centred) / left[:, None]
        square = np.sum(centred**2, axis=0)
        variance = (square - removals.counts @ centred**2) / left[:, None] - shift**2
        for model in np.flatnonzero((variance < LOST * square / len(self.y)).any(axis=1)):
            kept = removals.kept(model, np.arange(len(self.y)))
            variance[model] = self.X[kept].var(axis=0)
        return self.var_smoothing * variance.max(axis=1)


class NormalWithout(MomentsWithout):
    """Models by the shifts of their means, and their variances, (n_models, n_classes, d) each."""

    def __init__(self, moments, removals):
        self.moments = moments
        self.class_weight = moments.class_weight_without(removals)
        self.log_prior = moments.log_prior(self.class_weight)
        left = self.class_weight[..., None]
        lost = _by_class(moments, removals)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.shift = -np.stack([part @ moments.centred for part in lost], axis=1) / left
            gone = np.stack([part @ moments.centred**2 for part in lost], axis=1)
            square = moments.variance * moments.class_weight[:, None] - gone
            variance = square / left - self.shift**2
        for model, k in np.argwhere((variance < LOST * moments.variance).any(axis=2)):
            kept = removals.kept(model, np.flatnonzero(moments.y == k))
            mean, variance[model, k] = _average(moments.centred[kept], moments.weight[kept])
            self.shift[model, k] = mean
        self.variance = variance + moments.epsilon_without(removals)[:, None, None]

    def values(self, X):
        n_models, n_classes, _ = self.variance.shape
        values = np.empty((X.shape[0], n_models, n_classes))
        for k in range(n_classes):
            centred, shift = X - self.moments.mean[k], self.shift[:, k]
            with np.errstate(divide="ignore", invalid="ignore"):
                inverse = 1 / self.variance[:, k]
                own = np.sum(shift**2 * inverse + np.log(2 * np.pi * self.variance[:, k]), axis=1)
                square = centred**2 @ inverse.T - 2 * (centred @ (shift * inverse).T) + own
            values[:, :, k] = -square / 2
        return values + self.log_prior

    def squared_change(self):
        change = self.variance - self.moments.variance - self.moments.epsilon
        return np.sum(self.shift**2 + change**2, axis=(1, 2))


# --- sums ---------------------------------------------------------------------------------


def class_means(X, y, weight, n_classes):
    """Weighted means of the classes, and the rows less that of theirs."""
    member = np.eye(n_classes)[y] * weight[:, None]
    total = member.sum(axis=0)[:, None]
    centre = X.mean(axis=0)
    mean = centre + member.T @ (X - centre) / total
    centred = X - mean[y]
    rest = member.T @ centred / total
    return mean + rest, centred - rest[y]


def _by_class(moments, removals):
    """The weights that leave, for the rows of each class, each of shape (n_models, n_rows)."""
    return [removals.weights_of(moments.y == k) for k in range(moments.n_classes)]


def _average(X, weight):
    """The mean and the variances of some rows."""
    if not weight.sum():
        return np.full(X.shape[1], np.nan), np.full(X.shape[1], np.nan)
    mean = np.average(X, axis=0, weights=weight)
    return mean, np.average((X - mean) ** 2, axis=0, weights=weight)


def _dense(X):
    return X.toarray() if sparse.issparse(X) else np.asarray(X)
