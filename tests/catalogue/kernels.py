"""Kernel ridge regression and Gaussian processes, at a kernel that is held."""

from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, DotProduct, WhiteKernel
from sklearn.kernel_ridge import KernelRidge

from tests.catalogue._case import Case

TURNED = "rows are vectors in coordinates that the other rows choose, and only products are equal"
ARE_TURNED = {
    f"check_sample_weight_equivalence_on_{kind}_data": TURNED for kind in ("dense", "sparse")
}
TAKES_NO_WEIGHTS = dict.fromkeys(
    [
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weights_list",
        "check_sample_weights_not_an_array",
        "check_sample_weights_not_overwritten",
        "check_sample_weights_pandas_series",
        "check_sample_weights_shape",
    ],
    "the model takes no sample_weight",
)

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
        failures=TAKES_NO_WEIGHTS,
    ),
}
