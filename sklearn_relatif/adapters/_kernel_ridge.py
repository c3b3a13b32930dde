"""KernelRidge: ridge regression in the space of a kernel.

It minimises, over the functions ``f = sum_j a_j k(x_j, .)`` (Murphy, 2012, section 14.4.3; the
documentation of scikit-learn's KernelRidge), for each target::

    1/2 sum_i s_i (y_i - f(x_i))^2 + alpha/2 a^T K a.

Rows of weight 0 have the coefficient 0, so that they take no part in the space.
"""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from ..jacobians import KernelSpaceJacobian, PairwiseKernel
from ..losses import SquaredError
from ..objectives import KernelSpaceObjective
from ..utils._validation import check_sample_weight
from ._base import Adapter
from ._registry import register
from ._targets import RealTargets

#: Difference of the same row computed twice, relative to the largest number of a column.
SAME = 1e-6
INTERPOLATES = (
    "KernelRidge with alpha=0 goes through all of its rows, as their kernels do not depend on one "
    "another: no residual is left that could be traced to a row. Fit it with a positive alpha."
)


class KernelRidgeAdapter(Adapter):
    """KernelRidge with any kernel, weights, and any number of targets and of their penalties."""

    has_several_targets = True
    keeps_rows = True
    how_to_fit_closer = "standardise the features, or raise alpha: the kernels are ill-conditioned"

    def reduce(self, model, X, y, sample_weight):
        """The rows are those that the model keeps."""
        check_rows_of_fit(model, model.X_fit_, X)
        dtype = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
        table = self.parameters(model)
        alpha = _penalties(model, len(table))
        jacobian = KernelSpaceJacobian.of(
            _kernel(model), sample_weight > 0, precision=dtype, is_penalised=bool(alpha.all())
        )
        weights = table.astype(np.float64) @ jacobian.X
        if not alpha.all() and jacobian.n_features == np.count_nonzero(sample_weight):
            raise ValueError(INTERPOLATES)
        return KernelSpaceObjective(
            loss=SquaredError(len(table)),
            weights=weights,
            jacobian=jacobian.astype(dtype),
            y=y,
            sample_weight=sample_weight,
            penalty=np.repeat(alpha[:, None], weights.shape[1], axis=1),
            dual_coef=table,
            fitted_weights=weights,
            is_ridge=True,
        )

    def targets(self, model):
        """As many as there are columns of coefficients."""
        return RealTargets(len(self.parameters(model)))

    def parameters(self, model):
        """Coefficients of the kernels with the training rows, a row a target."""
        return np.atleast_2d(model.dual_coef_.T)

    def restore(self, model, table):
        """A copy with other coefficients."""
        changed, own = copy(model), model.dual_coef_
        changed.dual_coef_ = table.T.reshape(own.shape).astype(own.dtype)
        return changed

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Fits on the rows that are left, with the coefficient 0 for the others."""
        weight = check_sample_weight(sample_weight, len(y))
        weighted = None if sample_weight is None else weight
        counted = np.flatnonzero(weight)
        return Parallel(n_jobs=n_jobs)(
            delayed(_fit_rows)(model, X, y, weighted, np.setdiff1d(counted, rows))
            for rows in removals
        )

    def keeping(self, model, rows):
        """Those left without a coefficient have no part in it any more."""
        changed = copy(model)
        changed.X_fit_, changed.dual_coef_ = model.X_fit_[rows], model.dual_coef_[rows]
        return changed

    def holds_other_rows(self, model, X, sample_weight):
        """Whether the rows that it keeps are others than these."""
        return differ(model.X_fit_, X)


def _penalties(model, n_targets):
    """``alpha`` of each target. scikit-learn leaves out those that are too many."""
    alpha = np.atleast_1d(np.asarray(model.alpha, np.float64))
    if (alpha == alpha[0]).all():
        return np.full(n_targets, alpha[0])
    if len(alpha) < n_targets:
        raise ValueError(
            f"KernelRidge has {n_targets} targets and {len(alpha)} values of alpha, {alpha}, so "
            "that it did not fit all of them. Give it one value, or one for each target."
        )
    return alpha[:n_targets]


def check_rows_of_fit(model, kept, X):
    """Refuse another number of rows than a model was fitted on, or another kind of columns."""
    if kept.shape != X.shape:
        raise ValueError(
            f"{type(model).__name__} was fitted on an array of shape {kept.shape}, but X has shape "
            f"{X.shape}. Pass the rows that it was fitted on."
        )


def differ(kept, X):
    """Whether rows that a model keeps are others than these, which are as many."""
    apart, sizes = (abs(rows).max(axis=0) for rows in (kept - X[:], kept))
    apart, sizes = (m.toarray() if sparse.issparse(m) else m for m in (apart, sizes))
    return bool((apart > SAME * sizes).any())


def _kernel(model):
    rows = model.X_fit_.astype(np.float64, copy=False)
    rows = rows.tocsr() if sparse.issparse(rows) else rows
    options = {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}
    if callable(model.kernel):
        options = model.kernel_params or {}
    return PairwiseKernel(model.kernel, options, rows)


def _fit_rows(model, X, y, weight, rows):
    features = X[np.ix_(rows, rows)] if model.kernel == "precomputed" else X[rows]
    fitted = clone(model).fit(features, y[rows], None if weight is None else weight[rows])
    changed = copy(model)
    changed.dual_coef_ = np.zeros_like(model.dual_coef_)
    changed.dual_coef_[rows] = fitted.dual_coef_.reshape(changed.dual_coef_[rows].shape)
    return changed


register("sklearn.kernel_ridge.KernelRidge", KernelRidgeAdapter())
