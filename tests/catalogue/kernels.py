"""Kernel ridge regression and Gaussian processes, at a kernel that is held."""

import numpy as np
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct, WhiteKernel
from sklearn.kernel_ridge import KernelRidge

from tests.catalogue._case import Case


def latent_log_loss(model, X, y):
    """The log loss at the latent mean, not that of the averaged probabilities."""
    process = model.base_estimator_
    latent = process.kernel_(X, process.X_train_) @ (process.y_train_ - process.pi_)
    return np.logaddexp(0, np.where(y == model.classes_[1], -latent, latent))


def process(kernel, data="number", **params):
    return Case(GaussianProcessRegressor(kernel, optimizer=None, **params), data)


CASES = {
    "KernelRidge": Case(KernelRidge(alpha=0.5), "number"),
    "KernelRidge, rbf": Case(KernelRidge(kernel="rbf", gamma=0.3, alpha=0.2), "number"),
    "KernelRidge, poly, several targets": Case(
        KernelRidge(kernel="poly", degree=2, gamma=0.3, alpha=[0.5, 2.0, 9.0]), "targets"
    ),
    "GaussianProcessRegressor": process(RBF(2.0) + WhiteKernel(0.3)),
    "GaussianProcessRegressor, several targets": process(
        DotProduct() + RBF(3.0), "targets", alpha=np.linspace(0.2, 1, 60)
    ),
    "GaussianProcessClassifier": Case(
        GaussianProcessClassifier(2.0 * RBF(2.0), optimizer=None),
        "binary",
        latent_log_loss,
        refits=1e-5,
    ),
}
