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


TURNED = "rows are vectors in coordinates that the other rows choose, and only products are equal"
ARE_TURNED = {
    f"check_sample_weight_equivalence_on_{kind}_data": TURNED for kind in ("dense", "sparse")
}

CASES = {
    "KernelRidge": Case(
        KernelRidge(kernel="rbf", gamma=0.3, alpha=0.2), "number", failures=ARE_TURNED
    ),
    "KernelRidge, poly, several targets": Case(
        KernelRidge(kernel="poly", degree=2, gamma=0.3, alpha=0.5),
        "targets",
        failures=ARE_TURNED,
    ),
    "GaussianProcessRegressor": Case(
        GaussianProcessRegressor(
            DotProduct() + RBF(3.0) + WhiteKernel(0.3), alpha=0.1, optimizer=None
        ),
        "targets",
    ),
    "GaussianProcessClassifier": Case(
        GaussianProcessClassifier(2.0 * RBF(2.0), optimizer=None),
        "binary",
        latent_log_loss,
        refits=1e-5,
    ),
}
