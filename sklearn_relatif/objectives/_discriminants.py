"""Moments of whole rows: means and covariances, which the classes share or have each its own.

Coordinates are those of the principal axes of the covariance, in which it is ``diag(lambda)``, and
matrices are written as vectors of the same norm (:func:`packed`). There the Hessian is diagonal:
``pi_k / lambda_i`` for a mean and ``1 / (2 lambda_i lambda_j)`` for an entry of the covariance,
with the share ``pi_k`` of the class for a covariance of its own. The covariance is taken before it
is shrunk or regularised, which belongs to the prediction.

With given priors the covariance of linear discriminants is the mean of the classes' covariances
by these priors, but for the solver "svd": no likelihood, and the rows of a class then weigh
``prior_k / pi_k`` in it.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg

from ..jacobians import ClassDensity, dense
from ._gaussians import class_means
from ._moments import LOST, ClassMoments, MomentsWithout, Removals

#: Smallest relative pivot of a covariance that is positive definite.
SINGULAR = 1e-11
SINGULAR_WITHIN = (
    "The covariance within the classes is singular: columns are constant in every class or depend "
    "on each other, or there are too few rows. What scikit-learn drops of it is decided by a "
    "threshold, and has no derivative. Leave such columns out, or shrink the covariance (a number "
    "as shrinkage, with solver='lsqr' or 'eigen')."
)


class Shrinkage(NamedTuple):
    """What a prediction makes of a covariance C: ``(1 - share) C + share target I``.

    Attributes
    ----------
    share : float
    target : float or None
        None: the mean of the variances.
    n_features : int
        Columns that this is the mean of, where some of them are left out because they are constant.
    """

    share: float
    target: float | None
    n_features: int

    def of(self, covariance: np.ndarray) -> np.ndarray:
        """Of covariances of shape (..., d, d)."""
        if not self.share:
            return covariance
        target: Any = self.target
        if target is None:
            target = np.trace(covariance, axis1=-2, axis2=-1) / self.n_features
        ridge = self.share * np.asarray(target)[..., None, None] * np.eye(covariance.shape[-1])
        return (1 - self.share) * covariance + ridge

    def adjoint(self, slopes: np.ndarray, trace: np.ndarray) -> np.ndarray:
        """Slopes in C, by those in what it becomes, packed (n, p), and their traces (n,)."""
        if not self.share:
            return slopes
        slopes = (1 - self.share) * slopes
        if self.target is None:
            size = _size(slopes.shape[1])
            diagonal = np.flatnonzero(np.equal(*np.triu_indices(size)))
            slopes[:, diagonal] += (self.share / self.n_features * trace)[:, None]
        return slopes


@dataclass(frozen=True)
class LinearDiscriminant(ClassDensity):
    """``log prior_k - (x - m_k)^T C^-1 (x - m_k) / 2`` in means and one covariance.

    Attributes
    ----------
    axes : ndarray of shape (d, d)
        Principal axes, one a column.
    shrinkage : Shrinkage
    fitted : tuple of ndarrays of shape (d, n_classes) and (n_classes,), or None
        Coefficients and intercepts, where a fit has its own.
    """

    axes: np.ndarray
    shrinkage: Shrinkage
    fitted: tuple[np.ndarray, np.ndarray] | None = None

    def at(self, vector):
        """The same density at other parameters, by which its scores are then."""
        moved: Any = super().at(vector)
        return replace(moved, fitted=None)

    @cached_property
    def precision(self):
        """The inverse of the covariance that predicts, in the axes."""
        return np.linalg.inv(self.shrinkage.of(unpacked(self.shared)))

    def values(self, X):
        """``eta`` of rows, up to what classes have in common, shape (n, n_classes)."""
        if self.fitted is not None:
            coef, intercept = self.fitted
            return X @ coef + intercept
        centred = (X @ self.axes - mean for mean in self.own)
        forms = [np.einsum("ni,ni->n", z @ self.precision, z) for z in centred]
        return self.log_prior - np.stack(forms, axis=1) / 2

    def slopes(self, X, k):
        """``C^-1 (x - m_k)``, shape (n, n_own)."""
        return (X @ self.axes - self.own[k]) @ self.precision

    def shared_slopes(self, X, k):
        """``w w^T / 2`` for these slopes w, packed, shape (n, n_shared)."""
        w = self.slopes(X, k)
        return self.shrinkage.adjoint(packed_squares(w) / 2, np.einsum("ni,ni->n", w, w) / 2)


@dataclass(frozen=True)
class LinearTerms(ClassDensity):
    """The terms of the rows, up to what does not depend on the parameters.

    Attributes
    ----------
    axes : ndarray of shape (d, d)
    precision : ndarray of shape (d,)
        ``1 / lambda``, and 0 where lambda is.
    pull : ndarray of shape (n_classes,)
        What the rows of a class weigh in the covariance.
    centres : ndarray of shape (n_classes, n_shared)
        What they pull it away from, packed.
    """

    axes: np.ndarray
    precision: np.ndarray
    pull: np.ndarray
    centres: np.ndarray

    def slopes(self, X, k):
        """``Lambda^-1 (x - m_k)``, shape (n, n_own)."""
        return (X @ self.axes - self.own[k]) * self.precision

    def shared_slopes(self, X, k):
        """``Lambda^-1 (z z^T - C_k) Lambda^-1 / 2`` with ``z = x - m_k``, packed."""
        away = self.centres[k] * packed_products(self.precision)
        return (packed_squares(self.slopes(X, k)) - away) * (self.pull[k] / 2)


@dataclass(frozen=True)
class QuadraticDiscriminant(ClassDensity):
    """``log prior_k - [log det C_k + (x - m_k)^T C_k^-1 (x - m_k)] / 2`` in ``[m_k, C_k]``.

    Attributes
    ----------
    axes : ndarray of shape (n_classes, d, d)
        Principal axes of each class, one a column.
    shrinkage : Shrinkage
    """

    axes: np.ndarray
    shrinkage: Shrinkage

    @cached_property
    def covariances(self):
        """Those that predict, each in its axes, shape (n_classes, d, d)."""
        return self.shrinkage.of(unpacked(self.own[:, self.axes.shape[1] :]))

    @cached_property
    def precisions(self):
        """Their inverses."""
        return np.linalg.inv(self.covariances)

    def _centred(self, X, k):
        return X @ self.axes[k] - self.own[k, : self.axes.shape[1]]

    def values(self, X):
        """``eta`` of rows, shape (n, n_classes)."""
        values = np.empty((X.shape[0], self.n_classes))
        _, log_det = np.linalg.slogdet(self.covariances)
        for k in range(self.n_classes):
            z = self._centred(X, k)
            values[:, k] = np.einsum("ni,ij,nj->n", z, self.precisions[k], z) + log_det[k]
        return self.log_prior - values / 2

    def slopes(self, X, k):
        """``w = C_k^-1 (x - m_k)`` and ``(w w^T - C_k^-1) / 2``, packed, shape (n, n_own)."""
        w = self._centred(X, k) @ self.precisions[k]
        rise = packed_squares(w) - packed(self.precisions[k])
        trace = np.einsum("ni,ni->n", w, w) - np.trace(self.precisions[k])
        return np.hstack([w, self.shrinkage.adjoint(rise / 2, trace / 2)])


@dataclass(frozen=True)
class QuadraticTerms(ClassDensity):
    """The terms of the rows, whose classes have covariances of their own.

    Attributes
    ----------
    axes : ndarray of shape (n_classes, d, d)
    precision : ndarray of shape (n_classes, d)
        ``1 / lambda``, and 0 where lambda is.
    pull : ndarray of shape (n_classes,)
    """

    axes: np.ndarray
    precision: np.ndarray
    pull: np.ndarray

    def slopes(self, X, k):
        """``Lambda^-1 z`` and ``(Lambda^-1 z z^T Lambda^-1 - Lambda^-1) / 2``, packed."""
        z = X @ self.axes[k] - self.own[k, : self.axes.shape[1]]
        w = z * self.precision[k]
        rise = packed_squares(w) - packed(np.diag(self.precision[k]))
        return np.hstack([w, rise * (self.pull[k] / 2)])


class CovarianceMoments(ClassMoments):
    """Means of the classes, and the scatter of the rows of each around its own.

    Parameters
    ----------
    X, y, weight, n_classes, prior : objects
        As of :class:`ClassMoments`.
    shrinkage : callable
        From the number of columns to the :class:`Shrinkage`.

    Attributes
    ----------
    mean : ndarray of shape (n_classes, d)
        Less the mean of all rows, as :meth:`features` has rows.
    centred : ndarray of shape (n_rows, d)
    scatter : ndarray of shape (n_classes, d, d)
    """

    def __init__(self, X, y, weight, n_classes, prior, shrinkage):
        X = dense(X)
        self.shrinkage = shrinkage(X.shape[1])
        self.is_varying = self._varying(X, y)
        self.offset = X.mean(axis=0)
        super().__init__(self.features(X), y, weight, n_classes, prior)
        self.mean, self.centred = class_means(self.X, y, self.weight, n_classes)
        rows = [self.centred[y == k] for k in range(n_classes)]
        self.scatter = np.stack([part.T @ part for part in rows])

    def _varying(self, X, y):
        """The columns that are not constant."""
        return np.ptp(X, axis=0) > 0

    def features(self, X):
        """Rows around the mean of the training rows, without columns that are constant there."""
        return (dense(X) - self.offset)[:, self.is_varying]


class LinearMoments(CovarianceMoments):
    """The moments of linear discriminants.

    Parameters
    ----------
    X, y, n_classes, prior, shrinkage : objects
        As of :class:`CovarianceMoments`.
    share : callable
        From the numbers of rows of the classes (..., n_classes) to what each row weighs in the
        covariance.
    inverse : callable
        From covariances (..., d, d) that predict to their inverses as the solver takes them, and
        whether each is of full rank.
    is_pooled : bool
        Whether all rows weigh the same in it.
    """

    def __init__(self, X, y, n_classes, prior, shrinkage, share, inverse, is_pooled):
        super().__init__(X, y, np.ones(len(y)), n_classes, prior, shrinkage)
        self.share, self.inverse, self.is_likelihood = share, inverse, is_pooled
        self.covariance = np.tensordot(share(self.class_weight), self.scatter, 1)
        _, is_full = inverse(self.shrinkage.of(self.covariance)[None])
        if not is_full[0]:
            raise ValueError(SINGULAR_WITHIN)
        self.axes, self.variances = principal_axes(self.covariance)
        self.density = LinearDiscriminant(
            self.log_prior(self.class_weight),
            prior is None,
            self.mean @ self.axes,
            packed(np.diag(self.variances)),
            self.axes,
            self.shrinkage,
        )

    @cached_property
    def row_density(self):
        """With the inverse of the covariance as it is before it is shrunk."""
        density, pull = self.density, self.share(self.class_weight) * self.total_weight
        centres = np.repeat(density.shared[None], self.n_classes, axis=0)
        if not self.is_likelihood:
            own = self.scatter / self.class_weight[:, None, None]
            centres = packed(self.axes.T @ own @ self.axes)
        parts = density.log_prior, density.fits_prior, density.own, density.shared
        return LinearTerms(*parts, self.axes, inverse_of(self.variances), pull, centres)

    def diagonal(self, kind):
        """``pi_k / lambda_i``, and ``1 / (2 lambda_i lambda_j)``."""
        precision, share = inverse_of(self.variances), self.class_weight / self.total_weight
        return np.outer(share, precision), packed_products(precision) / 2

    def without(self, removals):
        """Means and the covariance of the rows that are left."""
        return LinearWithout(self, removals)


class QuadraticMoments(CovarianceMoments):
    """The moments of quadratic discriminants.

    Parameters
    ----------
    X, y, n_classes, prior, shrinkage : objects
        As of :class:`CovarianceMoments`.
    n_lost : int
        By how much the divisor of a class' scatter is less than its number of rows.
    """

    def __init__(self, X, y, n_classes, prior, shrinkage, n_lost):
        super().__init__(X, y, np.ones(len(y)), n_classes, prior, shrinkage)
        self.n_lost = n_lost
        self.covariances = self.scatter / (self.class_weight - n_lost)[:, None, None]
        axes, variances = zip(*map(principal_axes, self.covariances), strict=True)
        self.axes, self.variances = np.stack(axes), np.stack(variances)
        diagonals = self.variances[:, :, None] * np.eye(self.X.shape[1])
        if not is_definite(self.shrinkage.of(diagonals)).all():
            raise ValueError(
                "The covariance of a class is singular: columns are constant in it or depend on "
                "each other, or it has too few rows, so that its density is infinite. Leave such "
                "columns out, or set reg_param."
            )
        means = np.einsum("kd,kde->ke", self.mean, self.axes)
        self.density = QuadraticDiscriminant(
            self.log_prior(self.class_weight),
            prior is None,
            np.hstack([means, packed(diagonals)]),
            np.empty(0),
            self.axes,
            self.shrinkage,
        )

    def own_of(self, means, covariances):
        """Own parameters by means in the axes, and the covariances that predict, in columns."""
        share, target = self.shrinkage.share, self.shrinkage.target
        if target is None and share < 1:
            target = np.trace(covariances, axis1=1, axis2=2)[:, None, None] / covariances.shape[1]
        if share == 1:  # All that the rows have told is gone.
            return np.hstack([means, self.density.own[:, means.shape[1] :]])
        plain = (covariances - share * target * np.eye(covariances.shape[1])) / (1 - share)
        return np.hstack([means, packed(np.swapaxes(self.axes, 1, 2) @ plain @ self.axes)])

    def _varying(self, X, y):
        """All columns: what is constant makes a density infinite."""
        return np.ones(X.shape[1], bool)

    @cached_property
    def row_density(self):
        """With the inverses of the covariances before they are regularised."""
        density, n_rows = self.density, self.class_weight
        pull, precision = n_rows / (n_rows - self.n_lost), inverse_of(self.variances)
        parts = density.log_prior, density.fits_prior, density.own, density.shared
        return QuadraticTerms(*parts, self.axes, precision, pull)

    def diagonal(self, kind):
        """``pi_k / lambda_i`` and ``pi_k / (2 lambda_i lambda_j)`` for each class."""
        precision = inverse_of(self.variances)
        share = self.class_weight[:, None] / self.total_weight
        return share * np.hstack([precision, packed_products(precision) / 2]), np.empty(0)

    def without(self, removals):
        """Means and covariances of the rows that are left."""
        return QuadraticWithout(self, removals)


# --- without rows ---------------------------------------------------------------------------


class LinearWithout(MomentsWithout):
    """Models by their means (n_models, n_classes, d) and covariances (n_models, d, d)."""

    def __init__(self, moments: LinearMoments, removals: Removals) -> None:
        self.moments = moments
        left = self.class_weight = moments.class_weight_without(removals)
        self.log_prior = moments.log_prior(left)
        # Of a class without rows there is no mean, and no pull on what the others share.
        has_rows = left[..., None] > 0
        gone = gone_by_class(moments, removals)
        self.shift = -np.divide(gone, left[..., None], out=np.zeros_like(gone), where=has_rows)
        share = moments.share(left)
        covariance = np.tensordot(share, moments.scatter, 1)
        covariance -= np.einsum("mk,mki,mkj->mij", share * left, self.shift, self.shift)
        for position, rows in enumerate(removals.groups):
            gone = moments.centred[rows]
            covariance[position] -= (gone.T * share[position, moments.y[rows]]) @ gone
        before, after = (np.einsum("...ii->...i", m) for m in (moments.covariance, covariance))
        for model in np.flatnonzero((after < LOST * before).any(axis=1)):
            kept = removals.kept(model, np.arange(len(moments.y)))
            self.shift[model], scatter = scatters(moments, kept)
            covariance[model] = np.tensordot(share[model], scatter, 1)
        self.covariance = covariance
        self.predicting = moments.shrinkage.of(covariance)
        self.precision, _ = moments.inverse(self.predicting)
        self.coef = (moments.mean + self.shift) @ self.precision

    def values(self, X):
        n_models, n_classes, d = self.coef.shape
        mean = self.moments.mean + self.shift
        constant = self.log_prior - np.einsum("mkd,mkd->mk", mean, self.coef) / 2
        scores = X @ self.coef.reshape(-1, d).T
        return scores.reshape(len(X), n_models, n_classes) + constant

    def terms(self, X):
        """With what the classes share: the form of the row and the determinant."""
        _, log_det = np.linalg.slogdet(self.predicting)
        forms = [np.einsum("ni,ni->n", X @ precision, X) for precision in self.precision]
        return self.values(X) - (np.stack(forms, axis=1) + log_det)[:, :, None] / 2

    def squared_change(self):
        change = self.covariance - self.moments.covariance
        return np.sum(self.shift**2, axis=(1, 2)) + np.sum(change**2, axis=(1, 2))


class QuadraticWithout(MomentsWithout):
    """Models by the means and covariances of the classes that lose rows."""

    def __init__(self, moments: QuadraticMoments, removals: Removals) -> None:
        self.moments = moments
        self.class_weight = moments.class_weight_without(removals)
        self.log_prior = moments.log_prior(self.class_weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.shift = -gone_by_class(moments, removals) / self.class_weight[..., None]
        self.changed = [self._changed(removals, k) for k in range(moments.n_classes)]

    def _changed(self, removals, k):
        moments = self.moments
        gone = [rows[moments.y[rows] == k] for rows in removals.groups]
        models = np.flatnonzero([len(rows) for rows in gone])
        left, shift = self.class_weight[models, k], self.shift[models, k]
        covariance = np.empty((len(models), *moments.scatter.shape[1:]))
        for place, model in enumerate(models):
            u = moments.centred[gone[model]]
            scatter = moments.scatter[k] - u.T @ u - left[place] * np.outer(*[shift[place]] * 2)
            if (np.diag(scatter) < LOST * np.diag(moments.scatter[k])).any():
                kept = removals.kept(model, np.flatnonzero(moments.y == k))
                self.shift[model, k] = np.mean(moments.centred[kept], axis=0)
                u = moments.centred[kept] - self.shift[model, k]
                scatter = u.T @ u
            covariance[place] = scatter / max(left[place] - moments.n_lost, 1)
        predicting = moments.shrinkage.of(covariance)
        lacking = np.flatnonzero(~is_definite(predicting))
        if len(lacking):
            rows = removals.groups[models[lacking[0]]]
            raise ValueError(
                f"Without the rows {reprlib.repr(rows.tolist())} the covariance of a class is "
                "singular, and scikit-learn cannot fit the model. Leave some of them in."
            )
        return models, covariance, predicting

    def values(self, X):
        moments = self.moments
        plain = moments.density.values(X) - moments.density.log_prior
        values = np.repeat(plain[:, None], len(self.log_prior), axis=1)
        for k, (models, _, predicting) in enumerate(self.changed):
            means, precisions = moments.mean[k] + self.shift[models, k], np.linalg.inv(predicting)
            _, log_det = np.linalg.slogdet(predicting)
            for place, model in enumerate(models):
                z = X - means[place]
                form = np.einsum("ni,ni->n", z @ precisions[place], z)
                values[:, model, k] = -(form + log_det[place]) / 2
        return values + self.log_prior

    def squared_change(self):
        square = np.zeros(len(self.log_prior))
        for k, (models, covariance, _) in enumerate(self.changed):
            change = covariance - self.moments.covariances[k]
            square[models] += np.sum(self.shift[models, k] ** 2, axis=1)
            square[models] += np.sum(change**2, axis=(1, 2))
        return square


def gone_by_class(moments, removals):
    """Sums of the centred rows that leave each class, shape (n_models, n_classes, d)."""
    gone = np.zeros((len(removals), *moments.mean.shape))
    for model, rows in enumerate(removals.groups):
        np.add.at(gone[model], moments.y[rows], moments.centred[rows])
    return gone


def scatters(moments, kept):
    """Shifts of the means and scatters of the classes, of some of the rows alone."""
    y, n_classes = moments.y[kept], moments.n_classes
    shift, centred = class_means(moments.centred[kept], y, moments.weight[kept], n_classes)
    rows = [centred[y == k] for k in range(n_classes)]
    return shift, np.stack([part.T @ part for part in rows])


# --- matrices ---------------------------------------------------------------------------------


def principal_axes(covariance):
    """Principal axes, one a column, and the variances along them; 0 where they are rounding.

    Columns may be of very different units: where the covariance is positive definite apart from
    these, Jacobi rotations of its Cholesky factor keep the digits of the smallest variances too.
    """
    scale = np.sqrt(np.diag(covariance))
    if (scale > 0).all():
        correlation = covariance / scale / scale[:, None]
        try:
            factor = linalg.cholesky(correlation, lower=True) * scale[:, None]
        except linalg.LinAlgError:
            pass
        else:
            if (np.diag(factor) / scale).min() ** 2 > SINGULAR:
                values, _, axes, work, _, _ = linalg.lapack.dgejsv(factor.T, joba=0)
                return axes, (values * (work[0] / work[1])) ** 2
    variances, axes = np.linalg.eigh(covariance)
    least = len(variances) * np.finfo(float).eps * variances.max(initial=0)
    return axes, np.where(variances > least, variances, 0.0)


def scaled_inverse(covariance, least):
    """Inverses of covariances (..., d, d) where their correlations are above a least eigenvalue.

    Also returns whether they all are.
    """
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", covariance), 0))
    scale = np.where(scale > 0, scale, 1.0)
    over = 1 / (scale[..., None, :] * scale[..., :, None])
    correlation = covariance * over
    try:
        inverse = np.linalg.inv(correlation)
    except np.linalg.LinAlgError:
        inverse = np.full_like(correlation, np.nan)
    # No eigenvalue of an inverse is above the sum of them all.
    variances = np.einsum("...ii->...i", inverse)
    is_full = (variances > 0).all(axis=-1) & (variances.sum(axis=-1) < 1 / least)
    for place in np.argwhere(~is_full):
        inverse[tuple(place)], is_full[tuple(place)] = _by_eigenvalues(
            correlation[tuple(place)], least
        )
    return inverse * over, is_full


def _by_eigenvalues(correlation, least):
    values, vectors = np.linalg.eigh(correlation)
    is_kept = values > least
    return (vectors[:, is_kept] / values[is_kept]) @ vectors[:, is_kept].T, is_kept.all()


def is_definite(covariance):
    """Whether covariances (..., d, d) are positive definite, whatever the units of the columns."""
    return scaled_inverse(covariance, SINGULAR)[1]


def inverse_of(variances):
    """One over each, and 0 for 0."""
    return np.divide(1, variances, out=np.zeros_like(variances), where=variances > 0)


def packed(matrices):
    """Symmetric matrices (..., d, d) as vectors (..., d (d + 1) / 2) of the same norm."""
    i, j = np.triu_indices(matrices.shape[-1])
    return matrices[..., i, j] * np.where(i == j, 1, np.sqrt(2))


def unpacked(vectors):
    """The symmetric matrices of :func:`packed` vectors."""
    size = _size(vectors.shape[-1])
    i, j = np.triu_indices(size)
    matrices = np.empty((*vectors.shape[:-1], size, size))
    matrices[..., i, j] = matrices[..., j, i] = vectors / np.where(i == j, 1, np.sqrt(2))
    return matrices


def packed_squares(vectors):
    """``v v^T`` of vectors (..., d), packed."""
    i, j = np.triu_indices(vectors.shape[-1])
    return vectors[..., i] * vectors[..., j] * np.where(i == j, 1, np.sqrt(2))


def packed_products(vectors):
    """``v_i v_j`` of vectors (..., d), at the places of packed matrices."""
    i, j = np.triu_indices(vectors.shape[-1])
    return vectors[..., i] * vectors[..., j]


def _size(n_packed):
    return int((np.sqrt(8 * n_packed + 1) - 1) / 2)
