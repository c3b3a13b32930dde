"""How close estimates of removing a row come to retraining without it.

Run ``python -m benchmarks.bench_fidelity``. The README of this folder says what is measured.
"""

import time

import numpy as np
import statsmodels.api as sm
from scipy.stats import linregress
from sklearn.base import is_classifier
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
)
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer


def table(name, target, columns=None, step=1):
    """Return a loader of a table of statsmodels, or of every so many rows of it.

    The columns that are given enter by their logarithms; None: all others as they are.
    """

    def load(return_X_y=True):
        data = getattr(sm.datasets, name).load_pandas().data.astype(float).iloc[::step]
        X = data.drop(columns=target) if columns is None else np.log(data[columns])
        return X.to_numpy(), data[target].to_numpy()

    return load


GLM = {"alpha": 0.01, "solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
LOGISTIC = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)
TWEEDIE = TweedieRegressor(power=1.5, **GLM)
DATA_SETS = {
    "digits": (LOGISTIC, load_digits),
    "breast cancer": (LOGISTIC, load_breast_cancer),
    "wine": (LOGISTIC, load_wine),
    "iris": (LOGISTIC, load_iris),
    "visits to a doctor, Poisson": (PoissonRegressor(**GLM), table("randhie", "mdvis", step=10)),
    "deaths of cancer, Poisson": (
        PoissonRegressor(**GLM),
        table("cancer", "cancer", ["population"]),
    ),
    "diabetes, gamma": (GammaRegressor(**GLM), load_diabetes),
    "expenses by card, gamma": (GammaRegressor(**GLM), table("ccard", "AVGEXP")),
    "murders, gamma": (GammaRegressor(**GLM), table("statecrime", "murder")),
    "affairs, Tweedie": (TWEEDIE, table("fair", "affairs", step=3)),
    "food, Tweedie": (TWEEDIE, table("engel", "foodexp", ["income"])),
}
ORDERS = ("first", "newton", "retrain")
N_OF_EACH_KIND = 15
N_SPLITS = 10


def split(model, loader, seed):
    """Return standardised training rows and held-out queries."""
    X, y = loader(return_X_y=True)
    classes = y if is_classifier(model) else None
    X, X_test, y, y_test = train_test_split(X, y, stratify=classes, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def hardest_and_random(self_influence, rng):
    """Return the rows of highest self-influence, and as many drawn from the others."""
    order = np.argsort(-self_influence)
    others = rng.choice(order[N_OF_EACH_KIND:], N_OF_EACH_KIND, replace=False)
    return np.concatenate([order[:N_OF_EACH_KIND], others])


def effects(model, loader, seed):
    """Return {order: (effect on each query of removing each chosen row, seconds)}."""
    X, X_test, y, y_test = split(model, loader, seed)
    explainer = RelatIFExplainer(model).fit(X, y)
    rows = hardest_and_random(explainer.self_influence_, np.random.default_rng(seed))
    groups = np.full(len(y), None)
    groups[rows] = np.arange(len(rows))
    found = {}
    for order in ORDERS:
        start = time.perf_counter()
        effect = explainer.removal_effect(X_test, y_test, groups, order=order)
        found[order] = effect, time.perf_counter() - start
    return found


def spread(values):
    """The median, and in brackets the smallest and the largest value."""
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main():
    print("| data | order | Pearson | slope | slope, random rows | seconds |")
    print("|---|---|--:|--:|--:|--:|")
    effects(LOGISTIC, load_iris, 0)  # starts the threads
    for name, (model, loader) in DATA_SETS.items():
        found = [effects(model, loader, seed) for seed in range(N_SPLITS)]
        for order in ORDERS:
            pairs = [(split[order][0], split["retrain"][0]) for split in found]
            fits = [linregress(one.ravel(), truth.ravel()) for one, truth in pairs]
            random = [
                linregress(one[:, N_OF_EACH_KIND:].ravel(), truth[:, N_OF_EACH_KIND:].ravel())
                for one, truth in pairs
            ]
            columns = (
                spread([fit.rvalue for fit in fits]),
                spread([fit.slope for fit in fits]),
                spread([fit.slope for fit in random]),
                f"{np.median([split[order][1] for split in found]):.3f}",
            )
            print(f"| {name} | {order} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
