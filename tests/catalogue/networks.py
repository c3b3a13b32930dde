"""Perceptrons without hidden layers, which have one optimum.

So all that is promised of models at their optimum can be asked of them. Others have many: what is
promised of these is asked in ``tests/test_mlp.py`` and in the tests of networks.
"""

import warnings
from copy import deepcopy

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from tests.catalogue._case import Case

#: Fits of L-BFGS-B, which stops where the objective hardly falls; begun again, it goes on.
N_FITS = 5
SHALLOW = {
    "hidden_layer_sizes": (),
    "solver": "lbfgs",
    "alpha": 0.3,
    "tol": 1e-10,
    "max_iter": 10_000,
    "random_state": 0,
}


def trained_further(case, table, sample_weight, rows):
    """The network's own further training, from where it is, on the rows that are left."""
    kept = np.arange(len(table.X))
    model = None
    for left in (kept, np.delete(kept, rows)):
        weight = {} if sample_weight is None else {"sample_weight": sample_weight[left]}
        if model is None:
            model = deepcopy(case.estimator)
        for _ in range(N_FITS):
            model = deepcopy(model).set_params(warm_start=True)
            with warnings.catch_warnings():  # Where it can go no further, it says so.
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(table.X[left], table.y[left], **weight)
    return model


#: What L-BFGS leaves. In single precision it ends elsewhere. Offset columns keep it from arriving.
OF_NETWORKS = {
    "refit": trained_further,
    "distance": 2e-3,
    "refits": 1e-3,
    "nudge": 0.03,
    "slope": 0.02,
    "takes_hostile_columns": False,
    "runs_checks": False,  # tests/test_mlp.py does, where the Hessian need not be definite.
}

CASES = {
    "MLPClassifier": Case(MLPClassifier(**SHALLOW), "binary", **OF_NETWORKS),
    "MLPRegressor": Case(MLPRegressor(**SHALLOW), "number", **OF_NETWORKS),
}
