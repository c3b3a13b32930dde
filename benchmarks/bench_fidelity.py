"""How close estimates of removing a row come to retraining without it.

Run ``python -m benchmarks.bench_fidelity``. The README of this folder says what is measured.
"""

import time

import numpy as np
from scipy.stats import linregress
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

DATA_SETS = {
    "digits": load_digits,
    "breast cancer": load_breast_cancer,
    "wine": load_wine,
    "iris": load_iris,
}
ORDERS = ("first", "newton", "retrain")
N_OF_EACH_KIND = 15
N_SPLITS = 10


def split(loader, seed):
    """Return standardised training rows and held-out queries."""
    X, y = loader(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, stratify=y, random_state=seed)
    scaler = StandardScaler().fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def hardest_and_random(self_influence, rng):
    """Return the rows of highest self-influence, and as many drawn from the others."""
    order = np.argsort(-self_influence)
    others = rng.choice(order[N_OF_EACH_KIND:], N_OF_EACH_KIND, replace=False)
    return np.concatenate([order[:N_OF_EACH_KIND], others])


def effects(loader, seed):
    """Return {order: (effect on each query of removing each chosen row, seconds)}."""
    X, X_test, y, y_test = split(loader, seed)
    model = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)
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
    effects(load_iris, 0)  # starts the threads
    for name, loader in DATA_SETS.items():
        found = [effects(loader, seed) for seed in range(N_SPLITS)]
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
