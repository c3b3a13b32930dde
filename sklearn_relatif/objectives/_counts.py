"""Moments that are counts: naive Bayes of numbers of words, of binary features, of categories.

With the counts ``n_kj`` of feature j in class k and the smoothing ``alpha``, which is the strength
of a Dirichlet or beta prior, the smoothed share of a feature is what maximises the posterior, and

    p_kj = (n_kj + alpha_j) / sum_j (n_kj + alpha_j)      multinomial
    p_kj = (n_kj + alpha) / (n_k + 2 alpha)               Bernoulli

In the parameters ``log p_kj`` that scikit-learn exposes, with gradients along the probabilities
that sum to 1, the Hessian is diagonal: ``(n_kj + alpha_j) / S`` and ``(n_kj + alpha) /
((1 - p_kj) S)``.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from ..jacobians import ClassDensity, dense
from ._moments import ClassMoments, MomentsWithout, Removals

#: What is left of a count, in roundings of what it was, that is rounding itself.
ROUNDINGS = 8


@dataclass(frozen=True)
class MultinomialDensity(ClassDensity):
    """``log prior_k + x · log p_k``, with the ``log p_k`` as own parameters of the classes."""

    def at(self, vector):
        """The same at other logarithms, from which the one of their sum is taken."""
        moved = super().at(vector)
        return replace(moved, own=moved.own - _log_sum(moved.own))

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        return X @ self.own.T + self.log_prior

    def slopes(self, X, k):
        """``x - |x| p_k``, shape (n, n_own)."""
        x = dense(X)
        return x - x.sum(axis=1, keepdims=True) * np.exp(self.own[k])

    def products(self, X, k, vectors):
        """Inner products of these with vectors, shape (n, m), without forming those of sparse X."""
        return X @ vectors.T - _sums(X)[:, None] * (vectors @ np.exp(self.own[k]))


@dataclass(frozen=True)
class ComplementDensity(MultinomialDensity):
    """``-x · log q_k``, or ``x · log q_k / sum_j log q_kj``, for probabilities of all other rows.

    Attributes
    ----------
    is_normalised : bool
    """

    is_normalised: bool = False

    @property
    def _table(self):
        if not self.is_normalised:
            return -self.own
        return self.own / self.own.sum(axis=1, keepdims=True)

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        return X @ self._table.T + self.log_prior

    def slopes(self, X, k):
        """Of the class' score, along the probabilities that sum to 1, shape (n, n_own)."""
        x, total = dense(X), self.own[k].sum()
        slopes = (x - X @ self._table[k][:, None]) / total if self.is_normalised else -x
        return slopes - slopes.sum(axis=1, keepdims=True) * np.exp(self.own[k])

    def products(self, X, k, vectors):
        """Inner products of these with vectors, shape (n, m)."""
        along = vectors @ np.exp(self.own[k])
        products, sums = X @ vectors.T, _sums(X)
        if not self.is_normalised:
            return sums[:, None] * along - products
        total, score = self.own[k].sum(), X @ self._table[k]
        products -= np.outer(score, vectors.sum(axis=1))
        return (products - np.outer(sums - len(self.own[k]) * score, along)) / total


@dataclass(frozen=True)
class BernoulliDensity(ClassDensity):
    """``log prior_k + sum_j [x_j log p_kj + (1 - x_j) log(1 - p_kj)]`` in the ``log p_kj``."""

    @property
    def _log_other(self):
        return np.log1p(-np.exp(self.own))

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        other = self._log_other
        return X @ (self.own - other).T + (self.log_prior + other.sum(axis=1))

    def slopes(self, X, k):
        """``(x - p_k) / (1 - p_k)``, shape (n, n_own)."""
        p = np.exp(self.own[k])
        return (dense(X) - p) / (1 - p)

    def products(self, X, k, vectors):
        """Inner products of these with vectors, shape (n, m)."""
        p = np.exp(self.own[k])
        over = vectors / (1 - p)
        return X @ over.T - over @ p


class CountMoments(ClassMoments):
    """Multinomial naive Bayes: sums of the features of each class.

    Parameters
    ----------
    X, y, weight, n_classes, prior : objects
        As of :class:`ClassMoments`.
    alpha : float or ndarray of shape (n_features,)

    Attributes
    ----------
    counts : ndarray of shape (n_classes, n_features)
    """

    def __init__(self, X, y, weight, n_classes, prior, alpha):
        super().__init__(X, y, weight, n_classes, prior)
        self.alpha = alpha
        member = self.member(y).T * self.weight
        # Products of rows on their left keep a sparse matrix as it is.
        self.counts = np.asarray((X.T @ member.T).T, dtype=np.float64)
        self.density = self._density()

    def member(self, y):
        """Whether rows of a class are counted for each class, shape (n, n_classes)."""
        return -self.residual(y)

    def _density(self):
        own = self.log_shares(self.counts, self.class_weight[:, None])
        if not np.isfinite(own).all():
            raise ValueError(
                "A smoothed probability is 0: with this alpha a feature that no row of a class "
                "has rules the class out, and no row has an influence that can be told. Fit the "
                "model with a larger alpha."
            )
        log_prior = self.log_prior(self.class_weight)
        return MultinomialDensity(log_prior, self.prior is None, own, np.empty(0))

    def log_shares(self, counts, weight):
        """Logarithms of smoothed shares (..., n_features), by counts and weights (..., 1)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.log(counts + self.alpha)
            return own - np.log((counts + self.alpha).sum(axis=-1, keepdims=True))

    def diagonal(self, kind):
        """``(n_kj + alpha_j) / S``; the Fisher information is that of the rows alone."""
        if kind == "hessian":
            own = self.counts + self.alpha
        else:
            own = self.counts.sum(axis=1, keepdims=True) * np.exp(self.density.own)
        return own / self.total_weight, np.empty(0)

    def without(self, removals):
        """Counts without those of the rows that are removed."""
        return CountsWithout(self, removals)


class BernoulliMoments(CountMoments):
    """Naive Bayes of binary features: counts of the rows of each class that have them."""

    def _density(self):
        plain = super()._density()
        if not (plain.own < 0).all():
            raise ValueError(
                "A smoothed probability is 1: with this alpha a feature that all rows of a class "
                "have rules out what lacks it, and no row has an influence that can be told. Fit "
                "the model with a larger alpha."
            )
        return BernoulliDensity(plain.log_prior, plain.fits_prior, plain.own, plain.shared)

    def log_shares(self, counts, weight):
        """Logarithms of smoothed shares (..., n_features)."""
        with np.errstate(divide="ignore"):
            return np.log(counts + self.alpha) - np.log(weight + 2 * self.alpha)

    def diagonal(self, kind):
        """``(n_kj + alpha) / ((1 - p_kj) S)``, of the rows alone for the Fisher information."""
        p, weight = np.exp(self.density.own), self.class_weight[:, None]
        own = self.counts + self.alpha if kind == "hessian" else weight * p
        return own / (1 - p) / self.total_weight, np.empty(0)


@dataclass(frozen=True)
class CategoricalDensity(MultinomialDensity):
    """``log prior_k + x · log p_k`` of indicators of categories, one of each feature.

    Attributes
    ----------
    starts : ndarray of int, shape (n_features,)
        Where the categories of each feature begin.
    """

    starts: np.ndarray

    def at(self, vector):
        """The same at other logarithms, from which those of the features' sums are taken."""
        moved = ClassDensity.at(self, vector)
        return replace(moved, own=moved.own - _by_feature(np.logaddexp, moved.own, self.starts))

    def slopes(self, X, k):
        """``x - p_k``, shape (n, n_own)."""
        return dense(X) - np.exp(self.own[k])

    def products(self, X, k, vectors):
        """Inner products of these with vectors, shape (n, m)."""
        return X @ vectors.T - vectors @ np.exp(self.own[k])


class CategoricalMoments(CountMoments):
    """Naive Bayes of categories: counts of the rows of each class that are in each of them.

    Parameters
    ----------
    X, y, weight, n_classes, prior, alpha : objects
        As of :class:`CountMoments`, the features as whole numbers from 0.
    n_categories : ndarray of int, shape (n_features,)
    least : int or ndarray of int, shape (n_features,)
        Numbers of categories that there are whatever the rows are.
    """

    def __init__(self, X, y, weight, n_classes, prior, alpha, n_categories, least):
        self.n_categories, self.least = n_categories, least
        self.starts = np.cumsum([0, *n_categories[:-1]])
        super().__init__(self.features(X), y, weight, n_classes, prior, alpha)

    def features(self, X):
        """Indicators of the categories, as a CSR matrix."""
        places = np.asarray(X).astype(np.intp)
        if (places < 0).any() or (places >= self.n_categories).any():
            raise ValueError(
                "X has categories that the model was not fitted on; it was fitted on "
                f"{self.n_categories.tolist()} of them, numbered from 0, by column."
            )
        n_rows, n_features = places.shape
        columns = (places + self.starts).ravel()
        starts = np.arange(0, n_rows * n_features + 1, n_features)
        shape = n_rows, int(self.n_categories.sum())
        return sparse.csr_array((np.ones(len(columns)), columns, starts), shape=shape)

    def _density(self):
        plain = super()._density()
        parts = plain.log_prior, plain.fits_prior, plain.own, plain.shared
        return CategoricalDensity(*parts, self.starts)

    def log_shares(self, counts, weight):
        """Logarithms of smoothed shares (..., n_own)."""
        with np.errstate(divide="ignore"):
            smoothed = np.log(counts + self.alpha)
            return smoothed - np.log(_by_feature(np.add, counts + self.alpha, self.starts))

    def diagonal(self, kind):
        """``(n_kj + alpha) / S``; the Fisher information is that of the rows alone."""
        of_rows = self.class_weight[:, None] * np.exp(self.density.own)
        own = self.counts + self.alpha if kind == "hessian" else of_rows
        return own / self.total_weight, np.empty(0)

    def without(self, removals):
        """Counts without those of the rows that are removed; the last categories must stay."""
        last = self.starts + self.n_categories - 1
        left = np.asarray(self.X[:, last].sum(axis=0)) - (removals.counts @ self.X[:, last])
        is_lost = (_dense(left) == 0) & (self.n_categories > self.least)
        if is_lost.any():
            model, feature = np.argwhere(is_lost)[0]
            raise ValueError(
                f"Without the rows {reprlib.repr(removals.groups[model].tolist())} no row is in "
                f"the last category of column {feature}, which scikit-learn would not know of "
                "then. Leave some of them in, or fit the model with min_categories."
            )
        return super().without(removals)


class ComplementMoments(CountMoments):
    """Complement naive Bayes: the counts of a class are those of all other rows.

    Each row enters the terms of all classes but its own: what is least is the sum of ``-x_i · log
    q_k`` over the rows and their other classes, which is a likelihood of each class against
    its others, and none of the rows.
    """

    is_likelihood = False

    def __init__(self, X, y, weight, n_classes, alpha, is_normalised):
        self.is_normalised = is_normalised
        super().__init__(X, y, weight, n_classes, np.ones(n_classes), alpha)

    def residual(self, y):
        """Rows enter the terms of all classes but their own."""
        return np.eye(self.n_classes)[y] - 1

    def _density(self):
        self._terms = super()._density()
        parts = (self._terms.log_prior, False, self._terms.own, self._terms.shared)
        return ComplementDensity(*parts, is_normalised=self.is_normalised)

    @property
    def row_density(self):
        """Multinomial in the probabilities of the other rows."""
        return self._terms


class CountsWithout(MomentsWithout):
    """Models by counts, of which only those of the classes that lose rows are formed.

    Parameters
    ----------
    moments : CountMoments
    removals : Removals
    """

    def __init__(self, moments: CountMoments, removals: Removals) -> None:
        self.moments = moments
        self.class_weight = moments.class_weight_without(removals)
        self.log_prior = moments.log_prior(self.class_weight)
        member = moments.member(moments.y) > 0
        #: For each class the models in which it has other parameters, and these.
        self.changed = [self._changed(removals, k, member[:, k]) for k in range(moments.n_classes)]

    def _changed(self, removals: Removals, k: int, is_member: np.ndarray) -> Any:
        lost = removals.weights_of(is_member)
        models = np.flatnonzero(np.diff(lost.indptr))
        counts, gone = self.moments.counts[k], _dense(lost[models] @ self.moments.X)
        left = counts - gone
        left[np.abs(left) <= ROUNDINGS * np.finfo(float).eps * np.abs(counts)] = 0.0
        weight = self.class_weight[models, k][:, None]
        return models, self.moments.log_shares(left, weight)

    def values(self, X):
        return self._values(X, self.moments.density)

    def terms(self, X):
        return self._values(X, self.moments.row_density)

    def _values(self, X, density):
        plain = density.values(X) - density.log_prior
        values = np.repeat(plain[:, None], len(self.log_prior), axis=1)
        for k, (models, own) in enumerate(self.changed):
            unprior = replace(density, own=own, log_prior=np.zeros(len(own)))
            values[:, models, k] = unprior.values(X)
        return values + self.log_prior

    def squared_change(self):
        square = np.zeros(len(self.log_prior))
        for k, (models, own) in enumerate(self.changed):
            square[models] += np.sum((own - self.moments.density.own[k]) ** 2, axis=1)
        return square


def _by_feature(function: Any, table: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums, or logarithms of sums, over the categories of each feature, at each of them."""
    sizes = np.diff([*starts, table.shape[-1]])
    return np.repeat(function.reduceat(table, starts, axis=-1), sizes, axis=-1)


def _log_sum(own: np.ndarray) -> np.ndarray:
    largest = own.max(axis=1, keepdims=True)
    return largest + np.log(np.exp(own - largest).sum(axis=1, keepdims=True))


def _sums(X: Any) -> np.ndarray:
    return np.asarray(X.sum(axis=1), dtype=np.float64).ravel()


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sparse.issparse(X) else np.asarray(X, dtype=np.float64)
