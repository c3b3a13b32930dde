"""Time of exact leave-one-out models against scikit-learn's own fits, side by side.

Run ``python -m benchmarks.bench_retraining [--mnist PATH]`` from the top of a checkout, where PATH
is an ``.npz`` file with ``x_train`` and ``y_train``.

- **digits**, standardised: 100 leave-one-out models, half of the rows those of the highest
  self-influence and half drawn at random, from a fit at default tolerance on: reduction, Hessian,
  polishing and retraining. scikit-learn's lbfgs fits without a row, at ``tol=1e-8``, take turns
  with them; a few are timed, and their median is scaled to 100 models.
- **MNIST**, pixels over 255: the same with the rows of the lowest probability in the place of
  those of the highest self-influence, against a single lbfgs fit at default tolerance.

Times are medians.
"""

import argparse
import time
from statistics import median

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.removal import retrain

N_MODELS = 100
N_REFITS = 6  # of scikit-learn; their median stands for each of the N_MODELS
REPETITIONS = 3
GEMM_SIZE = 3000


def seconds(function, *arguments):
    """Return how long the call takes, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def retrain_without(model, X, y, rows):
    """Return the Retraining of the fitted model without each of the rows."""
    positions = np.searchsorted(model.classes_, y)
    objective = reduce_estimator(model, X, positions, np.ones(len(y)))
    return retrain(objective, [[row] for row in rows])


def hardest_and_random(hardness, rng):
    """Return N_MODELS rows: half the hardest, half drawn from the others."""
    order = np.argsort(-hardness)
    half = N_MODELS // 2
    return np.r_[order[:half], rng.choice(order[half:], N_MODELS - half, replace=False)]


def gemm_rate(dtype):
    """Return the flops per second of a matrix product."""
    square = np.random.default_rng(0).normal(size=(GEMM_SIZE, GEMM_SIZE)).astype(dtype)
    np.matmul(square, square)
    return 2 * GEMM_SIZE**3 / seconds(np.matmul, square, square)[0]


def describe(retraining):
    return (
        f"{retraining.converged.sum()} of {len(retraining.weights)} models converged, largest "
        f"relative gradient {retraining.relative_gradient.max():.1e}"
    )


def digits():
    """Compare with leave-one-out fits by scikit-learn at a tight tolerance."""
    X, y = load_digits(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    tight = LogisticRegression(tol=1e-8, max_iter=10_000)
    model = LogisticRegression(max_iter=10_000).fit(X, y)
    rng = np.random.default_rng(0)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    rows = hardest_and_random(explainer.self_influence_, rng)
    sample = rng.choice(N_MODELS, N_REFITS, replace=False)

    retrain_without(model, X, y, rows)  # starts the threads
    ours, refits, errors = [], [], []
    for position in sample:
        elapsed, retraining = seconds(retrain_without, model, X, y, rows)
        ours.append(elapsed)
        kept = np.arange(len(y)) != rows[position]
        elapsed, _ = seconds(tight.fit, X[kept], y[kept])
        refits.append(elapsed)
        weights = retraining.objective.score_weights(retraining.weights[position])
        errors.append(np.linalg.norm(weights[:, :-1] - tight.coef_) / np.linalg.norm(tight.coef_))
    ours, theirs = median(ours), N_MODELS * median(refits)
    print(f"digits, {X.shape[0]:,} x {X.shape[1]}, 10 classes, C=1, {N_MODELS} models")
    print(f"  retrained          {ours:8.2f} s   ({describe(retraining)})")
    print(f"  scikit-learn refits{theirs:8.1f} s   (lbfgs, tol=1e-8: {N_REFITS} timed, scaled)")
    print(f"  ratio {theirs / ours:.0f}; largest difference of the coefficients {max(errors):.1e}")


def mnist(path):
    """Compare with a single fit by scikit-learn at its default tolerance."""
    with np.load(path) as data:
        X, y = data["x_train"].reshape(-1, 784) / 255.0, data["y_train"]
    fit_time, model = seconds(LogisticRegression(max_iter=10_000).fit, X, y)
    probability = model.predict_proba(X)[np.arange(len(y)), y]
    rows = hardest_and_random(-probability, np.random.default_rng(0))
    runs = [seconds(retrain_without, model, X, y, rows) for _ in range(REPETITIONS)]
    ours = median(elapsed for elapsed, _ in runs)
    print(f"MNIST, {X.shape[0]:,} x {X.shape[1]}, 10 classes, C=1, {N_MODELS} models")
    print(f"  retrained          {ours:8.1f} s   ({describe(runs[-1][1])})")
    print(f"  one scikit-learn fit{fit_time:7.1f} s   (lbfgs, default tolerance)")
    print(f"  ratio {ours / fit_time:.2f} of one fit")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="PATH", help="npz file with x_train and y_train")
    path = parser.parse_args().mnist
    rates = [gemm_rate(dtype) / 1e9 for dtype in (np.float64, np.float32)]
    print(f"gemm: {rates[0]:.0f} GFLOP/s double, {rates[1]:.0f} single precision")
    digits()
    if path is not None:
        mnist(path)


if __name__ == "__main__":
    main()
