"""Gaussian processes: the mean of a regressor, and the latent mean of a classifier.

Both are functions ``f = sum_j a_j k(x_j, .)`` that minimise, at the fitted kernel (Rasmussen &
Williams, 2006, equations 6.19 and 3.12)::

    sum_i -log p(y_i | f(x_i)) + 1/2 a^T K a.

For the regressor, ``p`` is normal with the variance ``alpha_i``, and that of a ``WhiteKernel`` on
top, so that it is a kernel ridge regression with weights ``1 / variance`` and the penalty 1. For
the classifier it is logistic, and the optimum is the mode of Laplace's approximation.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from ..jacobians import KernelSpaceJacobian, ProcessKernel
from ..losses import LatentLogLoss, SquaredError, binary_codebook
from ..objectives import KernelSpaceObjective
from ..utils._blocks import row_blocks
from ._base import Adapter
from ._kernel_ridge import check_rows_of_fit, differ
from ._registry import adapter_of, register
from ._targets import ClassTargets, RealTargets

#: Rows whose covariances tell, a block at a time, what noise there is in those of training rows.
BLOCK = 64
#: Rounding of a covariance, relative to the largest of a block.
ROUNDING = 100 * np.finfo(float).eps


class GaussianProcessAdapter(Adapter):
    """What regressors and classifiers share."""

    how_to_fit_closer = "standardise the features, or raise alpha or the noise of the kernel"

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """The process of the rows that are left, at the kernel that all rows have led to."""
        everything = np.arange(len(y))
        return Parallel(n_jobs=n_jobs)(
            delayed(self.fit_rows)(model, np.setdiff1d(everything, rows), y) for rows in removals
        )

    def fit_rows(self, model: Any, rows: np.ndarray, y: np.ndarray) -> Any:
        """A copy of a model, fitted to some of its rows at its kernel."""
        raise NotImplementedError


class GaussianProcessRegressorAdapter(GaussianProcessAdapter):
    """The mean of a GaussianProcessRegressor, at its kernel and the scale of its targets."""

    has_several_targets = True

    def reduce(self, model, X, y, sample_weight):
        check_rows_of_fit(model, model.X_train_, X)
        _check_unweighted(model, sample_weight)
        rows = np.asarray(model.X_train_, np.float64)
        variance = np.broadcast_to(model.alpha, len(y)) + _noise(model.kernel_, rows)
        if not (variance > 0).all():
            raise ValueError(
                f"{type(model).__name__} goes through rows for which alpha is 0 and the kernel has "
                "no noise: no residual is left that could be traced to a row. Fit it with a "
                "positive alpha, or a WhiteKernel in its kernel."
            )
        kernel = ProcessKernel(model.kernel_, rows, has_noise=False)
        jacobian = KernelSpaceJacobian.of(kernel, variance > 0, model.normalize_y)
        duals = _columns(model.alpha_)
        weights = (_columns(jacobian.X.T @ duals) * _target_scale(model, y)).T
        penalty, mask = np.ones(weights.shape), None
        if model.normalize_y:
            # The mean of the targets is held.
            weights = np.column_stack([weights, np.broadcast_to(y.mean(axis=0), len(weights))])
            penalty = np.column_stack([penalty, np.zeros(len(weights))])
            mask = (penalty > 0).astype(np.float64)
        return KernelSpaceObjective(
            loss=SquaredError(len(weights)),
            weights=weights,
            jacobian=jacobian,
            y=y,
            sample_weight=1 / variance,
            penalty=penalty,
            mask=mask,
            is_ridge=True,
        )

    def targets(self, model):
        """As many as the training targets have columns."""
        return RealTargets(_columns(model.alpha_).shape[1])

    def removal_changes_objective(self, model):
        return bool(model.normalize_y) or _is_searched(model)

    def fit_rows(self, model, rows, y):
        """At the scale of the targets that all rows have."""
        alpha = np.asarray(model.alpha)
        alpha = alpha[rows] if alpha.ndim else model.alpha
        held = {"kernel": model.kernel_, "optimizer": None, "alpha": alpha}
        unfitted = clone(model).set_params(**held, normalize_y=False)
        fitted = unfitted.fit(model.X_train_[rows], model.y_train_[rows])
        changed = copy(model).set_params(**held)
        for name in ("X_train_", "y_train_", "L_", "alpha_", "log_marginal_likelihood_value_"):
            setattr(changed, name, getattr(fitted, name))
        return changed

    def holds_other_rows(self, model, X, sample_weight):
        """Whether the rows that it keeps are others than these."""
        return differ(model.X_train_, X)


class LaplaceAdapter(GaussianProcessAdapter):
    """The latent mean of the process of two classes in a GaussianProcessClassifier.

    Its sign is the prediction. Probabilities are averages over the latent variance, which is not
    explained: the loss of a row is that at the latent mean.
    """

    has_several_classes = False
    how_to_fit_closer = "a larger max_iter_predict, or standardised features"

    def reduce(self, model, X, y, sample_weight):
        check_rows_of_fit(model, model.X_train_, X)
        _check_unweighted(model, sample_weight)
        kernel = ProcessKernel(model.kernel_, np.asarray(model.X_train_, np.float64), True)
        jacobian = KernelSpaceJacobian.of(kernel, sample_weight > 0)
        weights = (jacobian.X.T @ (model.y_train_ - model.pi_))[None]
        return KernelSpaceObjective(
            loss=LatentLogLoss(binary_codebook()),
            weights=weights,
            jacobian=jacobian,
            y=y,
            sample_weight=sample_weight,
            penalty=np.ones(weights.shape),
        )

    def targets(self, model):
        """It does not say itself that it is a classifier."""
        return ClassTargets(model.classes_)

    def scores(self, model, X):
        """The latent mean."""
        return model.kernel_(X, model.X_train_) @ (model.y_train_ - model.pi_)

    def removal_changes_objective(self, model):
        return _is_searched(model)

    def fit_rows(self, model, rows, y):
        unfitted = clone(model).set_params(kernel=model.kernel_, optimizer=None)
        return unfitted.fit(model.X_train_[rows], y[rows])

    def holds_other_rows(self, model, X, sample_weight):
        """Whether the rows that it keeps are others than these."""
        return differ(model.X_train_, X)


class GaussianProcessClassifierAdapter(Adapter):
    """GaussianProcessClassifier: what its process, or that of each of its problems, is."""

    has_several_classes = False
    how_to_fit_closer = LaplaceAdapter.how_to_fit_closer

    def reduce(self, model, X, y, sample_weight):
        if len(model.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: "
                f"GaussianProcessClassifier with {len(model.classes_)} classes compares "
                "probabilities of the processes of its problems, each an average over the variance "
                "of a score, which scores alone do not tell. Explain its processes one by one: "
                "RelatIFExplainer.from_fitted(model.base_estimator_.estimators_[k], X, y), with "
                "the rows and labels that each was given."
            )
        inner = model.base_estimator_
        return adapter_of(inner).reduce(inner, X, y, sample_weight)

    def scores(self, model, X):
        """The latent mean."""
        return adapter_of(model.base_estimator_).scores(model.base_estimator_, X)

    def removal_changes_objective(self, model):
        return _is_searched(getattr(model, "base_estimator_", model))

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Copies around the processes of the rows that are left."""
        inner = model.base_estimator_
        given = inner, objective, X, y, sample_weight, removals, n_jobs
        refits = adapter_of(inner).refit(*given)
        copies = [copy(model) for _ in refits]
        for changed, refit in zip(copies, refits, strict=True):
            changed.base_estimator_ = refit
        return copies

    def holds_other_rows(self, model, X, sample_weight):
        """Whether the rows that it keeps are others than these."""
        inner = model.base_estimator_
        return adapter_of(inner).holds_other_rows(inner, X, sample_weight)


def _check_unweighted(model, sample_weight):
    if (sample_weight != 1).any():
        raise ValueError(
            f"{type(model).__name__} takes no sample_weight in its fit, so that there is none to "
            "explain. Give it variances by alpha instead, or leave sample_weight out."
        )


def _is_searched(model):
    """Whether fits search for the parameters of the kernel; the model need not be fitted."""
    kernel = getattr(model, "kernel_", model.kernel)
    # Which kernel is the default, and whether it is searched for, only the fit tells.
    return model.optimizer is not None and (kernel is None or kernel.n_dims > 0)


def _columns(values):
    """A column a target."""
    return values.reshape(len(values), -1)


def _target_scale(model, y):
    """What the targets were divided by in the fit, shape (n_targets,)."""
    if not model.normalize_y:
        return np.ones(1)
    of_fit, own = (
        np.linalg.norm(_columns(v), axis=0) for v in (model.y_train_, y - y.mean(axis=0))
    )
    return np.divide(own, of_fit, out=np.ones_like(own), where=of_fit > 0)


def _noise(kernel, rows):
    """Variance that each row has in the fit and not as a query, shape (n_rows,)."""
    noise = np.zeros(len(rows))
    for some in row_blocks(len(rows), 1, BLOCK):
        extra = kernel(rows[some]) - kernel(rows[some], rows[some])
        extra[np.abs(extra) <= ROUNDING * np.abs(kernel.diag(rows[some])).max()] = 0
        noise[some] = np.diag(extra)
        if np.count_nonzero(extra) > np.count_nonzero(noise[some]):
            raise ValueError(
                f"The kernel {kernel} gives training rows other covariances with one another than "
                "with queries, by more than the variance of each: there is no objective of rows."
            )
    return noise


register("sklearn.gaussian_process.GaussianProcessRegressor", GaussianProcessRegressorAdapter())
register("sklearn.gaussian_process.GaussianProcessClassifier", GaussianProcessClassifierAdapter())
register("sklearn.gaussian_process._BinaryGaussianProcessClassifierLaplace", LaplaceAdapter())
