"""Boosted models of LightGBM and CatBoost, and how they came about, as the slow version reads it.

Each library has ``fit(kind, X, y)``, ``predictors(model, X)``, (n, n_outputs), and
``leaves(model, X)``, (n_trees, n).
"""

import numpy as np

from tests.slow_boosting import Boosted, Logistic, Softmax, Squared

N_STAGES, RATE, CATBOOST_L2 = 100, 0.1, 3.0
LIGHTGBM = {
    "n_estimators": N_STAGES,
    "learning_rate": RATE,
    "n_jobs": 1,
    "random_state": 0,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
}
CATBOOST = {
    "iterations": N_STAGES,
    "learning_rate": RATE,
    "l2_leaf_reg": CATBOOST_L2,
    "boosting_type": "Plain",
    "bootstrap_type": "No",
    "random_strength": 0.0,
    "leaf_estimation_method": "Newton",
    "leaf_estimation_iterations": 1,
    "leaf_estimation_backtracking": "No",
    "boost_from_average": True,
    "thread_count": 1,
    "random_seed": 0,
    "allow_writing_files": False,
    "verbose": False,
}


class LightGBM:
    """One tree a stage and class, by its defaults but for what makes fits the same each time."""

    def fit(self, kind, X, y):
        import lightgbm

        name = "LGBMRegressor" if kind == "regression" else "LGBMClassifier"
        return getattr(lightgbm, name)(**LIGHTGBM).fit(X, y)

    def predictors(self, model, X):
        raw = model.booster_.predict(X, raw_score=True)
        return raw.reshape(len(X), -1)

    def leaves(self, model, X):
        return model.booster_.predict(X, pred_leaf=True).reshape(len(X), -1).T.astype(int)


class CatBoost:
    """The same, by one Newton step a leaf of all rows, in no order of theirs."""

    def fit(self, kind, X, y):
        import catboost

        name = "CatBoostRegressor" if kind == "regression" else "CatBoostClassifier"
        return getattr(catboost, name)(**CATBOOST).fit(X, y)

    def predictors(self, model, X):
        return model.predict(X, prediction_type="RawFormulaVal").reshape(len(X), -1)

    def leaves(self, model, X):
        return model.calc_leaf_indexes(X).T.astype(int)


def recursion(library, model, split):
    """How the model came about, for :mod:`tests.slow_boosting`, and the queries' leaves."""
    K = split.n_outputs
    leaves = library.leaves(model, split.X)
    n_trees = len(leaves)
    # A tree that found no split adds nothing.
    rate = np.where(leaves.max(axis=1) > 0, RATE, 0.0)
    loss = {
        "regression": Squared,
        "binary": Logistic,
        "multiclass": lambda: Softmax(K, K / (K - 1)),
    }[split.kind]()
    boosted = Boosted(
        loss,
        split.y,
        leaves,
        np.arange(n_trees) % K,
        np.arange(n_trees) // K,
        rate,
        CATBOOST_L2 if isinstance(library, CatBoost) else 0.0,
    )
    return boosted, library.leaves(model, split.X_query)
