"""Scores of classes by what their rows add up to: generative models, in exposed parameters.

A model of classes says of a row ``eta_k = log prior_k + log density_k(x)``. Its parameters are the
logarithms of the priors, numbers of each class' own (means, log probabilities), and numbers that
the classes share (a covariance)::

    theta = [log prior (where it is fitted), own_1, ..., own_K, shared].

A row takes part in few classes, so that the structure is kept: gradients are only written out
where somebody asks for whole vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import logsumexp

from ..utils._blocks import block_budget, row_blocks
from ._base import FiniteJacobian


@dataclass(frozen=True)
class ClassDensity:
    """What classes say of rows, at some parameters.

    Attributes
    ----------
    log_prior : ndarray of shape (n_classes,)
    fits_prior : bool
        Whether the priors are parameters.
    own : ndarray of shape (n_classes, n_own)
        Parameters of each class.
    shared : ndarray of shape (n_shared,)
        Parameters of all classes.
    """

    log_prior: np.ndarray
    fits_prior: bool
    own: np.ndarray
    shared: np.ndarray

    @property
    def n_classes(self) -> int:
        return len(self.own)

    @property
    def n_params(self) -> int:
        return self.n_classes * self.fits_prior + self.own.size + self.shared.size

    def parts(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Views (m, n_prior), (m, n_classes, n_own) and (m, n_shared) of vectors (m, n_params)."""
        n_prior, (n_classes, n_own) = self.n_classes * self.fits_prior, self.own.shape
        end = n_prior + n_classes * n_own
        own = vectors[:, n_prior:end].reshape(len(vectors), n_classes, n_own)
        return vectors[:, :n_prior], own, vectors[:, end:]

    def vector(self) -> np.ndarray:
        """All parameters, shape (n_params,)."""
        prior = self.log_prior[: self.n_classes * self.fits_prior]
        return np.concatenate([prior, self.own.ravel(), self.shared])

    def at(self, vector: np.ndarray) -> ClassDensity:
        """The same density at other parameters; probabilities are made to sum to 1."""
        prior, own, shared = (part[0] for part in self.parts(vector[None]))
        log_prior = prior - logsumexp(prior) if self.fits_prior else self.log_prior
        return replace(self, log_prior=log_prior, own=own, shared=shared)

    def values(self, X: Any) -> np.ndarray:
        """``eta`` of rows, shape (n, n_classes)."""
        raise NotImplementedError

    def slopes(self, X: Any, k: int) -> np.ndarray:
        """Derivatives of ``eta_k`` of rows in the class' own parameters, shape (n, n_own)."""
        raise NotImplementedError

    def products(self, X: Any, k: int, vectors: np.ndarray) -> np.ndarray:
        """Inner products of these with vectors (m, n_own), shape (n, m)."""
        products: np.ndarray = self.slopes(X, k) @ vectors.T
        return products

    def shared_slopes(self, X: Any, k: int) -> np.ndarray:
        """Derivatives of ``eta_k`` of rows in the shared parameters, shape (n, n_shared)."""
        return np.zeros((X.shape[0], 0))


class ClassJacobian(FiniteJacobian):
    """Predictors ``C^T eta`` of rows by the scores of classes.

    Parameters
    ----------
    density : ClassDensity
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    outputs : ndarray of shape (n_classes, n_outputs)
        ``C``: contrasts of the classes, or the identity.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, density: ClassDensity, X: Any, outputs: np.ndarray) -> None:
        self.density = density
        self.X = X
        self.outputs = outputs
        self.n_rows = X.shape[0]
        self.n_params = density.n_params

    def __getitem__(self, rows: Any) -> ClassJacobian:
        return self.at(self.X[rows])

    def at(self, X: Any) -> ClassJacobian:
        """Other rows, with features as these have them."""
        return ClassJacobian(self.density, X, self.outputs)

    def n_formed(self, n_vectors: int, n_outputs: int) -> int:
        """Numbers that :meth:`products` forms of each row, besides the products."""
        if sparse.issparse(self.X):
            return n_vectors
        return self.density.own.shape[1] + self.density.shared.size

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """Predictor of some rows by some parameters, shape (n, n_outputs)."""
        return self._scores(self.density.at(weights.ravel()), self.X[rows]) @ self.outputs

    def fitted_predictor(self) -> np.ndarray:
        """Predictor of all rows as the density itself has it, shape (n_rows, n_outputs)."""
        return self._scores(self.density, self.X) @ self.outputs

    def _scores(self, density: ClassDensity, X: Any) -> np.ndarray:
        return np.concatenate([density.values(X[some]) for some in self._blocks(X)])

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """``J_i v`` of some rows for each row v of the vectors, shape (n, m, n_outputs)."""
        X, (prior, own, shared) = self.X[rows], self.density.parts(vectors)
        moved = np.zeros((X.shape[0], len(vectors), self.density.n_classes))
        if self.density.fits_prior:
            moved += prior - (prior @ self._prior)[:, None]
        for some in self._blocks(X):
            for k in range(self.density.n_classes):
                moved[some, :, k] += self.density.products(X[some], k, own[:, k])
                moved[some, :, k] += self.density.shared_slopes(X[some], k) @ shared.T
        return moved @ self.outputs

    def gradients(self, residual: np.ndarray, rows: Any) -> np.ndarray:
        """``J_i^T r_i`` of some rows, shape (n, n_params)."""
        X, by_class = self.X[rows], residual @ self.outputs.T
        gradients = np.zeros((len(residual), self.n_params))
        prior, own, shared = self.density.parts(gradients)
        if self.density.fits_prior:
            prior += by_class - by_class.sum(axis=1, keepdims=True) * self._prior
        for k, (some, pull) in enumerate(_taking_part(by_class)):
            own[some, k] += pull * self.density.slopes(X[some], k)
            if shared.size:
                shared[some] += pull * self.density.shared_slopes(X[some], k)
        return gradients

    def products(self, block: np.ndarray, residual: np.ndarray, rows: slice) -> np.ndarray:
        """Inner products of a block with the gradients of some rows, shape (len(block), n)."""
        X, by_class = self.X[rows], residual @ self.outputs.T
        prior, own, shared = self.density.parts(block)
        products = np.zeros((len(residual), len(block)))
        if self.density.fits_prior:
            pull = by_class - by_class.sum(axis=1, keepdims=True) * self._prior
            products += pull @ prior.T
        for k, (some, pull) in enumerate(_taking_part(by_class)):
            products[some] += pull * self.density.products(X[some], k, own[:, k])
            if shared.size:
                products[some] += pull * (self.density.shared_slopes(X[some], k) @ shared.T)
        return products.T

    def weighted_lengths(
        self, residual: np.ndarray, roots: list[np.ndarray]
    ) -> list[np.ndarray] | None:
        """Lengths of the gradients with each number multiplied, by class where that is all."""
        by_class = residual @ self.outputs.T
        if self.density.shared.size or np.count_nonzero(by_class) > 2 * len(by_class):
            return None
        parts = [self.density.parts(root[None] ** 2) for root in roots]
        squares = np.zeros((len(roots), len(by_class)))
        if self.density.fits_prior:
            pull = by_class - by_class.sum(axis=1, keepdims=True) * self._prior
            squares += [pull**2 @ prior[0] for prior, _, _ in parts]
        for k, (some, pull) in enumerate(_taking_part(by_class)):
            for block in self._blocks(self.X[some]):
                square = (pull[block] * self.density.slopes(self.X[some[block]], k)) ** 2
                squares[:, some[block]] += [square @ own[0, k] for _, own, _ in parts]
        return list(np.sqrt(squares))

    @property
    def _prior(self) -> np.ndarray:
        return np.exp(self.density.log_prior)

    def _blocks(self, X: Any) -> Any:
        width = max(self.density.own.shape[1], self.density.shared.size, X.shape[1])
        return row_blocks(X.shape[0], 4 * 8 * width, block_budget())


def _taking_part(by_class: np.ndarray) -> Any:
    """For each class the rows whose gradients have a part in it, and the pulls of these (n, 1)."""
    for pull in by_class.T:
        some = np.flatnonzero(pull)
        yield some, pull[some, None]


def dense(X: Any) -> np.ndarray:
    """Rows as an array of double precision."""
    X = X.toarray() if sparse.issparse(X) else X
    return np.asarray(X, dtype=np.float64)
