"""Support vector machines without classes, whose losses have hinges."""

import numpy as np
from sklearn.base import clone
from sklearn.svm import SVR, LinearSVR, NuSVR, OneClassSVM

from tests.catalogue._case import Case

WEIGHTS = [
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
]
LOOSE = dict.fromkeys(WEIGHTS, "liblinear ends within 1e-8")
SCALED = dict.fromkeys(WEIGHTS, "gamma='scale' counts rows, not weights")
IS_POOR = {
    "check_regressors_train": "the score is that of influence, for which a hinge has no curvature"
}


def beyond_tube(power=1):
    """How far a target lies outside the tube, to a power."""

    def loss(model, X, y):
        return np.maximum(np.abs(y - model.predict(X)) - model.epsilon, 0) ** power

    return loss


def minus_value(model, X, y):
    """What a query enters by that asks for the prediction."""
    values = model.decision_function if isinstance(model, OneClassSVM) else model.predict
    return -values(X)


def with_the_kernel_of_all(case, table, sample_weight, rows):
    """Fitted again after rows have been deleted."""
    kept = np.delete(np.arange(len(table.X)), rows)
    weight = {} if sample_weight is None else {"sample_weight": sample_weight[kept]}
    model = clone(case.estimator)
    if model.gamma == "scale":
        model.set_params(gamma=1 / (table.X.shape[1] * table.X.var()))
    return model.fit(table.X[kept], None if table.y is None else table.y[kept], **weight)


def svr(curvature="hessian", failures=(), **params):
    # Single precision of the kernels leaves so much to the optimum.
    return Case(
        SVR(tol=1e-10, **params),
        "number",
        beyond_tube(),
        explainer={"curvature": curvature},
        distance=0.005,
        refits=1e-5,
        has_first_order=False,
        refit=with_the_kernel_of_all,
        failures=dict(failures),
    )


def by_nu(model, data):
    return Case(
        model,
        data,
        minus_value,
        distance=0.005,
        refits=1e-5,
        has_first_order=False,
        refit=with_the_kernel_of_all,
    )


def linear_svr(failures=(), takes_hostile_columns=True, **params):
    return Case(
        LinearSVR(tol=1e-8, max_iter=10**6, random_state=0, **params),
        "number",
        beyond_tube(),
        refits=1e-5,
        has_first_order=False,
        takes_hostile_columns=takes_hostile_columns,
        failures=dict(failures),
    )


CASES = {
    "SVR": svr(failures=SCALED | IS_POOR),
    "SVR, linear": svr(kernel="linear", epsilon=0.2, failures=IS_POOR),
    "SVR, active set": svr("active_set", gamma=0.2),
    "NuSVR": by_nu(NuSVR(gamma=0.3, nu=0.4, tol=1e-10), "number, prediction"),
    "OneClassSVM": by_nu(OneClassSVM(gamma=0.3, nu=0.3, tol=1e-10), "nothing"),
    "LinearSVR": linear_svr(failures=LOOSE | IS_POOR),
    # Its solver stops early where a column is large.
    "LinearSVR, tube, no intercept": linear_svr(
        epsilon=0.5, fit_intercept=False, takes_hostile_columns=False, failures=IS_POOR
    ),
    "LinearSVR, squared": Case(
        LinearSVR(
            loss="squared_epsilon_insensitive", epsilon=0.3, dual=False, tol=1e-10, max_iter=10**6
        ),
        "number",
        beyond_tube(2),
    ),
}
