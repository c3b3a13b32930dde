"""Predictors in the feature space of a kernel, known by inner products alone."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances, pairwise_kernels

from ._base import Jacobian

#: What rounding may make of ``gamma`` times a squared distance.
LOST = 1e-12
#: The same in scikit-learn's own fit, whose kernels are in single precision.
LOST_BY_LIBSVM = 1e-5
#: Rows whose kernel with themselves is read off one small Gram matrix.
DIAGONAL_BLOCK = 64


class TrainingKernel:
    """The kernel of an SVM between any rows and its training rows.

    Distances are sums of products only where these are small enough: far from the origin the
    products are nearly equal, and what is left of them is rounding. Columns that are so large are
    compared by differences, as libsvm does when it predicts.

    Parameters
    ----------
    estimator : SVC or NuSVC
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Training features; the Gram matrix for ``kernel="precomputed"``.
    """

    def __init__(self, estimator, X):
        self.X = self._rows = X
        self.is_precomputed = estimator.kernel == "precomputed"
        self._metric = estimator.kernel
        self._offset = None
        self._far = np.empty(0, np.intp)
        self._options = {}
        if not (callable(estimator.kernel) or self.is_precomputed):
            self._options = {
                "gamma": _gamma(estimator, X),
                "degree": estimator.degree,
                "coef0": estimator.coef0,
            }
        if self._metric == "rbf":
            self._far, lost = self._far_columns()
            _warn_if_lost(lost)

    @property
    def parameters(self):
        """Parameters of the estimator that hold the kernel as it is."""
        return {"gamma": self._options["gamma"]} if self._options else {}

    def between(self, jacobian, positions):
        """Kernel of any rows with training rows, shape (n, len(positions))."""
        features = jacobian.X
        if self.is_precomputed:
            return features[:, positions]
        if self._offset is not None:
            features = features - self._offset
        return self._evaluate(features, self._rows[positions])

    def gram(self, positions, others):
        """Kernel between training rows, shape (len(positions), len(others))."""
        if self.is_precomputed:
            return self.X[positions][:, others]
        return self._evaluate(self._rows[positions], self._rows[others])

    def diagonal(self, positions):
        """Kernel of training rows with themselves, shape (len(positions),)."""
        parts = [
            np.diagonal(self.gram(some, some))
            for some in np.split(positions, range(DIAGONAL_BLOCK, len(positions), DIAGONAL_BLOCK))
        ]
        return np.concatenate(parts)

    def around_mean(self):
        """The same kernel, or, if it is linear and dense, the one of rows around their mean.

        A machine whose coefficients are balanced is the same in both, but for its intercept.
        """
        if self._metric != "linear" or sparse.issparse(self.X):
            return self
        kernel = copy(self)
        kernel._offset = self.X.mean(axis=0)
        kernel._rows = self.X - kernel._offset
        return kernel

    def intercept_shift(self, positions, coefficients):
        """What the intercept of a machine is larger by than with the rows as they are.

        Shape (n_problems,), for balanced coefficients of shape (len(positions), n_problems).
        """
        if self._offset is None:
            return np.zeros(coefficients.shape[1])
        return (self.X[positions] @ self._offset) @ coefficients

    def _far_columns(self):
        """Columns without which distances are exact to :data:`LOST`, and what all of them lose."""
        extremes = [_dense(self.X.max(axis=0)).ravel(), _dense(self.X.min(axis=0)).ravel()]
        largest = np.square(extremes).max(axis=0)
        order = np.argsort(largest)
        lost = self._options["gamma"] * np.finfo(float).eps * np.cumsum(largest[order])
        return np.sort(order[np.searchsorted(lost, LOST, side="right") :]), lost[-1]

    def _evaluate(self, a, b):
        if callable(self._metric):
            values = self._metric(a, b)
            return values.toarray() if sparse.issparse(values) else np.asarray(values)
        if not len(self._far):
            return pairwise_kernels(a, b, metric=self._metric, filter_params=True, **self._options)
        near = np.delete(np.arange(a.shape[1]), self._far)
        distances = cdist(_dense(a[:, self._far]), _dense(b[:, self._far]), "sqeuclidean")
        if len(near):
            distances += euclidean_distances(a[:, near], b[:, near], squared=True)
        return np.exp(-self._options["gamma"] * distances)


def _warn_if_lost(lost):
    """Warn where libsvm has trained on distances that are rounding errors for the most part."""
    if lost > LOST_BY_LIBSVM:
        warnings.warn(
            f"The rows lie so far from the origin that scikit-learn has trained this machine on "
            f"kernels with errors of about {min(lost, 1):.1g}. It predicts by exact kernels, and "
            "so do explanations, but it is not at the optimum of these rows. Subtract the mean "
            "of each column, as StandardScaler does, and fit it again.",
            ConvergenceWarning,
            stacklevel=2,
        )


def _dense(X):
    return X.toarray() if sparse.issparse(X) else X


def _gamma(estimator, X):
    """The value that ``gamma`` stood for when the estimator was fitted."""
    if estimator.gamma == "auto":
        return 1 / X.shape[1]
    if estimator.gamma != "scale":
        return estimator.gamma
    mean = X.mean()
    variance = X.multiply(X).mean() - mean**2 if sparse.issparse(X) else X.var()
    return 1 / (X.shape[1] * variance) if variance else 1.0


class KernelFeatures(Jacobian):
    """Rows to ask with: what they are compared with brings the kernel.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    """

    def __init__(self, X):
        self.X = X
        self.n_rows = X.shape[0]
        self.dtype = X.dtype

    def n_values(self, n_outputs):
        """Numbers that a gradient takes in a block, which are those of its row."""
        return self.X.shape[1]

    def __getitem__(self, rows):
        """Some of the rows."""
        return KernelFeatures(self.X[rows])

    def gradients(self, residual, rows):
        """Gradients of some rows, by what they are made of."""
        return KernelBlock(self[rows], residual)


class KernelJacobian(KernelFeatures):
    """Training rows in the feature space of a kernel, where they are known by inner products.

    Parameters
    ----------
    kernel : TrainingKernel
    support : ndarray of int
        Positions of the rows whose gradients are not zero.
    """

    can_be_split = False

    def __init__(self, kernel, support):
        super().__init__(kernel.X)
        self.kernel = kernel
        self.support = support

    @cached_property
    def _lengths(self):
        """sqrt(K(x_i, x_i)) of the support vectors, and 0 for the other rows.

        It may be 0 where the row's gradient is 0, that is where K(x_i, x) is 0 for all x.
        """
        diagonal = self.kernel.diagonal(self.support)
        empty = self.support[diagonal == 0]
        sees_empty = empty.size and np.any(self.kernel.gram(empty, self.support))
        if sees_empty or np.any(diagonal < 0):
            worst = self.support[diagonal.argmin()]
            raise ValueError(
                f"The kernel of training row {worst} with itself is {diagonal.min():.3g}, so that "
                "it is not positive definite. The relative criteria divide by its square root; "
                "use criterion='influence', or another kernel."
            )
        lengths = np.zeros(self.n_rows)
        lengths[self.support] = np.sqrt(diagonal)
        return lengths

    def lengths(self, block, rows):
        """Lengths of unit gradients; 0 for non-support vectors."""
        return abs(block.scale) * self._lengths[rows]

    def products(self, block, residual, rows):
        """Inner products of a block with the gradients of some training rows."""
        first, last = np.searchsorted(self.support, [rows.start, rows.stop])
        support = self.support[first:last]
        products = np.zeros((len(block), rows.stop - rows.start))
        if support.size:
            agreement = block.scale * (block.residual @ residual[support - rows.start].T)
            agreement *= self.kernel.between(block.jacobian, support)
            products[:, support - rows.start] = agreement
        return products


@dataclass(frozen=True)
class KernelBlock:
    """Gradients ``scale * r_i ⊗ phi(x_i)`` of some rows, by what they are made of."""

    jacobian: KernelFeatures
    residual: np.ndarray
    scale: float = 1.0

    def __mul__(self, factor):
        return replace(self, scale=self.scale * float(factor))

    def __len__(self):
        return len(self.residual)


class LinearKernel:
    """Inner products with training rows, plus a constant for a penalised intercept.

    Parameters
    ----------
    jacobian : LinearJacobian
        The training rows, which are taken into memory in double precision.
    constant : float
    """

    def __init__(self, jacobian, constant):
        self.X = jacobian.features().astype(np.float64, copy=False)
        self.constant = constant

    def between(self, jacobian, positions):
        """Kernel of the rows of a Jacobian with training rows, shape (n, len(positions))."""
        return self._products(jacobian.features(), positions)

    def primal(self, coefficients, positions):
        """Parameters, the intercept last, that coefficients (n, n_positions) of rows stand for."""
        coef = coefficients @ self.X[positions]
        coef = coef.toarray() if sparse.issparse(coef) else coef
        return np.column_stack([coef, self.constant * coefficients.sum(axis=1)])

    def gram(self, positions, others):
        """Kernel between training rows, shape (len(positions), len(others))."""
        return self._products(self.X[positions], others)

    def intercept_shift(self, positions, coefficients):
        """What the intercept of a machine is larger by than with the rows as they are: nothing."""
        return np.zeros(coefficients.shape[1])

    def _products(self, X, positions):
        product = X @ self.X[positions].T
        product = product.toarray() if sparse.issparse(product) else product
        return product + self.constant
